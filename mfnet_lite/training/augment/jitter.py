"""Augmentation beyond the two flips that random crops make themselves.

Two changes that keep the label true: a quarter turn, since a scene has no upright, and another light
on images, since the next flight has another sun. Heights are turned but never re-lit. With one or
two tiles to learn from, a network otherwise remembers the colour of each roof.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mfnet_lite.training.augment.augmentation import Augmentation
from mfnet_lite.utils.samples import Samples

PICTURES = ("optical", "before", "after")


class Augmented(Augmentation):
    """A set of samples, each turned and re-lit as a function of (seed, epoch, index) only.

    Args:
        dataset: square samples; ``set_epoch`` is passed on if it has one.
        seed: of the changes.
        light: largest relative change of an image's gain, and of each of its bands; half of it is
            the largest offset. 0 leaves the light alone.
        turn: whether to turn by 0, 90, 180 or 270 degrees.

    Example:
        >>> import torch
        >>> plain = [{"optical": torch.rand(3, 4, 4), "label": torch.zeros(4, 4).long()}]
        >>> [tuple(value.shape) for value in Augmented(plain, seed=1)[0].values()]
        [(3, 4, 4), (4, 4)]
    """

    def __init__(
        self, dataset: Samples, seed: int = 0, light: float = 0.25, turn: bool = True
    ) -> None:
        if not 0 <= light < 1:
            raise ValueError(f"light must be in [0, 1), got {light}")
        super().__init__(dataset, seed)
        self.light, self.turn = light, turn

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        sample = dict(self.dataset[index])
        generator = self.generator(index)
        quarters = int(torch.randint(4, (1,), generator=generator)) if self.turn else 0
        if quarters:
            sample = {
                name: torch.rot90(value, quarters, dims=(-2, -1)).contiguous()
                for name, value in sample.items()
            }
        for name in PICTURES:
            if name in sample and self.light:
                sample[name] = self._relit(sample[name], generator)
        return sample

    def _relit(self, image: Tensor, generator: torch.Generator) -> Tensor:
        """Multiply by a gain and by one per band, add an offset; stay in [0, 1]."""
        bands = image.shape[0]
        draws = 2 * torch.rand(2 + bands, generator=generator) - 1
        gain = 1 + self.light * draws[0]
        by_band = 1 + 0.5 * self.light * draws[2:].reshape(bands, 1, 1)
        relit = image * gain * by_band + 0.5 * self.light * draws[1]
        return torch.where(image == 0, image, relit.clamp(0, 1))  # 0 in a band may be nodata
