"""Augmentation of photographs: mirrored and rotated by a few degrees, or by the rule of SamLP's authors.

Scenes from above have no upright; photographs do, and quarter turns of them are images nobody takes. So
by default an image is mirrored and rotated a little. The authors' rule is offered beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.training.augment.augmentation import Augmentation
from mfnet_lite.utils.samples import Samples

__all__ = ["RandomRotation", "rotate"]


class RandomRotation(Augmentation):
    """A set of samples, each mirrored and rotated as a function of (seed, epoch, index) only.

    Args:
        dataset: Samples of images (channels, height, width) and maps (height, width), which hold numbers of things
            and are never interpolated; images must be square for quarter turns. ``set_epoch`` is passed on if it
            has one.
        seed: Seed of the changes.
        degrees: Largest rotation to either side; it happens to half of the samples.
        official: The rule of SamLP's code instead: half of the samples are rotated by 0, 90, 180 or
            270 degrees *and* mirrored, left to right or upside down; half of the rest are rotated by up to
            ``degrees``.
        outside: Label of pixels that a rotation brings in from outside the image; 255 does not count.
            Defaults to 255, with ``official`` to the authors' 0. In all other maps they are 0.

    Raises:
        ValueError: If ``degrees`` is not in [0, 90), or the seed is negative.

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

    def change(self, sample: dict[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """Mirror and rotate all entries alike."""
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
            mirror, rotates = False, second < 0.5
        else:
            mirror, rotates = first < 0.5, second < 0.5
        if mirror:
            sample = {name: value.flip(-1) for name, value in sample.items()}
        if rotates and degrees:
            sample = {
                name: rotate(value, degrees, self._outside(name, value))
                for name, value in sample.items()
            }
        return sample

    def _outside(self, name: str, value: Tensor) -> int | None:
        """What a rotation brings in from outside: nothing for images, which are interpolated."""
        if value.ndim != 2:
            return None
        # instances, SAM's objects and their boundaries: outside there is none
        return self.outside if name == "label" else 0


def rotate(value: Tensor, degrees: float, outside: int | None = None) -> Tensor:
    """Rotate an image or a map about its middle.

    Args:
        value: An image (channels, height, width), or a map of numbers (height, width).
        degrees: Positive is counter-clockwise on the screen.
        outside: Number of pixels from outside a map, which is never interpolated; None for an image,
            whose pixels from outside become 0.

    Returns:
        A tensor of the same shape and type.
    """
    height, width = value.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # Coordinates run from -1 to 1 over either side, whatever its length.
    matrix = torch.tensor([[cos, -sin * height / width, 0], [sin * width / height, cos, 0]])
    grid = F.affine_grid(matrix[None], [1, 1, height, width], align_corners=False)
    if outside is None:
        rotated = F.grid_sample(value[None], grid, mode="bilinear", align_corners=False)[0]
        return rotated.to(value.dtype)
    # Shifted so that the sampler's own padding, 0, means outside.
    shifted = (value.double() - outside)[None, None]
    found = F.grid_sample(shifted, grid.double(), mode="nearest", align_corners=False)[0, 0]
    return (found.round() + outside).to(value.dtype)
