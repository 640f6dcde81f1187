"""Augmentation of scenes from above, beyond the two flips that random crops make themselves.

Two changes that keep the label true: a quarter turn, since a scene has no upright, and brightness jitter of
images, since the next flight has another sun. Heights are rotated but never jittered. Jitter takes away what a
colour says by itself: where the tiles and the area to be mapped come from one flight, it costs more than it brings
(``book/few_labels.md`` has numbers).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from mfnet_lite.training.augment.augmentation import Augmentation
from mfnet_lite.utils.samples import Samples

__all__ = ["RandomJitter"]

IMAGES = ("optical", "before", "after")
"""Entries that are photographs; other sensors measure something that daylight does not change."""


class RandomJitter(Augmentation):
    """A set of samples, each under a random quarter turn and brightness jitter.

    The changes are a function of (seed, epoch, index) only.

    Args:
        dataset: Square samples; ``set_epoch`` is passed on if it has one.
        seed: Seed of the changes.
        brightness: Largest relative change of an image's gain; the gain of each band varies by half of it,
            and half of it is the largest offset. 0 leaves the brightness alone.
        quarter_turns: Whether to rotate by 0, 90, 180 or 270 degrees.

    Raises:
        ValueError: If ``brightness`` is not in [0, 1), or the seed is negative.

    Example:
        >>> import torch
        >>> plain = [{"optical": torch.rand(3, 4, 4), "label": torch.zeros(4, 4).long()}]
        >>> [tuple(value.shape) for value in RandomJitter(plain, seed=1)[0].values()]
        [(3, 4, 4), (4, 4)]
    """

    def __init__(
        self,
        dataset: Samples,
        seed: int = 0,
        brightness: float = 0.25,
        quarter_turns: bool = True,
    ) -> None:
        if not 0 <= brightness < 1:
            raise ValueError(f"brightness must be in [0, 1), got {brightness}")
        super().__init__(dataset, seed)
        self.brightness, self.quarter_turns = brightness, quarter_turns

    def change(self, sample: dict[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """Rotate all entries alike, then jitter the images."""
        quarters = int(torch.randint(4, (1,), generator=generator)) if self.quarter_turns else 0
        if quarters:
            sample = {
                name: torch.rot90(value, quarters, dims=(-2, -1)).contiguous()
                for name, value in sample.items()
            }
        for name in IMAGES:
            if name in sample and self.brightness:
                sample[name] = self._jitter(sample[name], generator)
        return sample

    def _jitter(
        self, image: Float[Tensor, "bands height width"], generator: torch.Generator
    ) -> Float[Tensor, "bands height width"]:
        """Multiply by a gain and by one per band, add an offset; stay in [0, 1]."""
        bands = image.shape[0]
        draws = 2 * torch.rand(2 + bands, generator=generator) - 1
        gain = 1 + self.brightness * draws[0]
        by_band = 1 + 0.5 * self.brightness * draws[2:].reshape(bands, 1, 1)
        jittered = image * gain * by_band + 0.5 * self.brightness * draws[1]
        return torch.where(image == 0, image, jittered.clamp(0, 1))  # 0 in a band may be nodata
