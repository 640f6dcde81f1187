"""Prompt sampling for training and evaluating Segment Anything: clicks whose right answers are known.

The procedural images know three answers per click (part, object, group; Kirillov et al. 2023, section 3).
"""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

__all__ = ["ambiguous_clicks", "distance_transform_centres"]


def ambiguous_clicks(
    levels: Int[Tensor, "n 3 height width"],
    prompts: int,
    generator: torch.Generator | None = None,
    background: int = 3,
    smallest: float = 0.003,
) -> tuple[Float[Tensor, "n prompts 1 2"], Bool[Tensor, "n prompts 3 height width"]]:
    """Draw clicks into parts of images, each with its part, its object and its group.

    Parts are equally likely whatever their area, else large shapes would get nearly all clicks.

    Args:
        levels: From :func:`~mfnet_lite.world.shapes.images.make_images`.
        prompts: Clicks per image.
        generator: Source of randomness on the device of ``levels``.
        background: Objects numbered up to this are background areas and never clicked.
        smallest: Least area of a clicked part, as a fraction of the image.

    Returns:
        Clicks as (x, y) pixels, and the three true masks of each, finest first.

    Example:
        >>> from mfnet_lite.world.shapes.images import make_images
        >>> levels = make_images(seed=0, count=2, size=32).levels
        >>> points, truth = ambiguous_clicks(levels, 5, torch.Generator().manual_seed(0))
        >>> tuple(points.shape), tuple(truth.shape)
        ((2, 5, 1, 2), (2, 5, 3, 32, 32))
    """
    width = levels.shape[-1]
    flat = rearrange(levels, "n l h w -> n l (h w)").long()
    area = flat.new_zeros(*flat.shape[:2], int(flat.max()) + 1)
    area = area.scatter_add(2, flat, torch.ones_like(flat)).gather(2, flat)
    fits = (flat[:, 1] > background) & (area[:, 0] >= smallest * flat.shape[-1])
    # The tiny constant leaves a choice where nothing fits.
    weight = fits / area[:, 0] + 1e-9
    pixel = torch.multinomial(weight, prompts, replacement=True, generator=generator)
    own = flat.gather(2, repeat(pixel, "n k -> n l k", l=3))
    truth = rearrange(levels, "n l h w -> n 1 l h w") == rearrange(own, "n l k -> n k l 1 1")
    points = torch.stack([pixel % width, pixel // width], dim=-1).float()
    return rearrange(points, "n k xy -> n k 1 xy"), truth


def distance_transform_centres(
    masks: Bool[Tensor, "images prompts height width"],
) -> Float[Tensor, "images prompts 1 2"]:
    """Find the pixel (x, y) farthest from each mask's border: the first click of SAM's own evaluation.

    Args:
        masks: True masks; the image's border counts as a border of the mask.

    Returns:
        One click per mask, on the device of ``masks``.

    Example:
        >>> mask = torch.zeros(1, 1, 5, 7, dtype=torch.bool)
        >>> mask[0, 0, 1:4, 2:5] = True
        >>> distance_transform_centres(mask).flatten().tolist()
        [3.0, 2.0]
    """
    width = masks.shape[-1]
    centres = []
    for mask in rearrange(masks, "n k h w -> (n k) h w").cpu().numpy():
        depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        y, x = divmod(int(np.argmax(depth)), width)
        centres.append((float(x), float(y)))
    points = torch.tensor(centres, device=masks.device).reshape(-1, 2)
    return rearrange(points, "(n k) xy -> n k 1 xy", k=masks.shape[1])
