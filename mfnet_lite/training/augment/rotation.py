"""Augmentation for images taken by hand: mirrored, tilted, or turned as SamLP's authors do.

Scenes from above have no upright; photographs do, and quarter turns of them are images nobody takes. So
by default an image is mirrored and tilted a little. The authors' choice is offered beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.training.augment.augmentation import Augmentation
from mfnet_lite.utils.samples import Samples

__all__ = ["RandomRotation"]

MAPS = ("label", "instances")
"""Entries that hold numbers of things: never interpolated."""


class RandomRotation(Augmentation):
    """A set of samples, each mirrored and tilted as a function of (seed, epoch, index) only.

    Args:
        dataset: Samples of images (channels, height, width) and maps (height, width); images must be
            square for quarter turns. ``set_epoch`` is passed on if it has one.
        seed: Seed of the changes.
        degrees: Largest tilt to either side; it happens to half of the samples.
        official: The rule of SamLP's code instead: half of the samples are turned by 0, 90, 180 or
            270 degrees *and* mirrored, left to right or upside down; half of the rest are tilted by up to
            ``degrees``.
        outside: Label where a tilt uncovers nothing; 255 does not count. The authors have 0.

    Example:
        >>> plain = [{"optical": torch.rand(3, 8, 8), "label": torch.ones(8, 8).long()}]
        >>> [tuple(value.shape) for value in RandomRotation(plain, seed=1)[0].values()]
        [(3, 8, 8), (8, 8)]
    """

    def __init__(
        self,
        dataset: Samples,
        seed: int = 0,
        degrees: float = 20.0,
        official: bool = False,
        outside: int | None = None,
    ) -> None:
        if not 0 <= degrees < 90:
            raise ValueError(f"degrees must be in [0, 90), got {degrees}")
        super().__init__(dataset, seed)
        self.degrees, self.official = degrees, official
        self.outside = (0 if official else 255) if outside is None else outside

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        sample = dict(self.dataset[index])
        generator = self.generator(index)
        first, second, share = torch.rand(3, generator=generator).tolist()
        degrees = self.degrees * (2 * share - 1)
        if self.official:
            if first < 0.5:
                quarters = int(torch.randint(4, (1,), generator=generator))
                axis = -1 if second < 0.5 else -2
                return {
                    name: torch.rot90(value, quarters, dims=(-2, -1)).flip(axis).contiguous()
                    for name, value in sample.items()
                }
            mirror, tilt = False, second < 0.5
        else:
            mirror, tilt = first < 0.5, second < 0.5
        if mirror:
            sample = {name: value.flip(-1) for name, value in sample.items()}
        if tilt and degrees:
            sample = {name: self._tilt(name, value, degrees) for name, value in sample.items()}
        return sample

    def _tilt(self, name: str, value: Tensor, degrees: float) -> Tensor:
        """Rotate about the middle; a positive angle is counter-clockwise on the screen."""
        height, width = value.shape[-2:]
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        # Coordinates run from -1 to 1 over either side, whatever its length.
        turn = torch.tensor([[cos, -sin * height / width, 0], [sin * width / height, cos, 0]])
        grid = F.affine_grid(turn[None], [1, 1, height, width], align_corners=False)
        if name not in MAPS:
            turned = F.grid_sample(value[None], grid, mode="bilinear", align_corners=False)[0]
            return turned.to(value.dtype)
        outside = self.outside if name == "label" else 0
        # Shifted so that the sampler's own padding, 0, means outside.
        moved = (value - outside).double()[None, None]
        found = F.grid_sample(moved, grid.double(), mode="nearest", align_corners=False)[0, 0]
        return (found.round().to(value.dtype) + outside).to(value.dtype)
