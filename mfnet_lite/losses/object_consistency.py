r"""Object consistency: within one SAM object the prediction should be one value.

Ma et al., "SAM-Assisted Remote Sensing Imagery Semantic Segmentation With Object and Boundary
Constraints", IEEE TGRS 2024, arXiv 2312.02464. SAM's objects have no classes, and need none: whatever an
object is, its pixels are the same. With the mean :math:`\mu_k` of the logits over object k,

.. math:: L_{obj} = \frac{1}{BCHW} \sum_k \sum_{i \in k} \lVert p_i - \mu_k \rVert^2 .

The authors' code loops over objects and keeps full-size copies for each. Sums by object are one
``index_add``, so there is no loop here and memory does not grow with the number of objects.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mfnet_lite.losses.precision import at_least_single

__all__ = ["object_consistency", "renumber_objects"]


class ObjectOptions(TypedDict):
    """What of the loss may be as the authors have it."""

    id_limit: int
    shrink_small: bool


OFFICIAL: ObjectOptions = {"id_limit": 50, "shrink_small": True}
"""The authors' code: they number up to 50 objects, but 0 is background and 50 is out of their range: 49 count."""


def object_consistency(
    logits: Float[Tensor, "batch classes height width"],
    objects: Int[Tensor, "batch height width"],
    ignore: Bool[Tensor, "batch height width"] | None = None,
    id_limit: int | None = None,
    shrink_small: bool = False,
) -> Float[Tensor, ""]:
    r"""Squared distance of each pixel's logits from the mean of its object.

    Args:
        logits: Class logits; the authors' loss acts on them, not on probabilities.
        objects: Object ids, unique within an image; 0 is no object. Ids of different images are different
            objects.
        ignore: Pixels that belong to no object here, for example those without ground truth.
        id_limit: Only ids below it are objects; None for all.
        shrink_small: Multiply each object's share by :math:`(N/(N+1))^2` for its N pixels, a trace of the
            authors' guard against division by zero. Both as theirs with ``**OFFICIAL``.

    Returns:
        The loss, at least in float32; zero (with a gradient of zeros) without any object.

    Raises:
        ValueError: If shapes do not fit, or an id is negative or not an integer.

    Example:
        >>> logits = torch.tensor([[[[1.0, 3.0], [5.0, 9.0]]]])
        >>> object_consistency(logits, torch.tensor([[[1, 1], [2, 0]]]))  # means 2 and 5
        tensor(0.5000)
    """
    if objects.shape != (logits.shape[0], *logits.shape[2:]) or logits.ndim != 4:
        raise ValueError(
            f"expected objects of shape {(logits.shape[0], *logits.shape[2:])} for logits "
            f"{tuple(logits.shape)}, got {tuple(objects.shape)}"
        )
    if objects.is_floating_point() or objects.min() < 0:
        raise ValueError(
            f"objects must be integers from 0, got {objects.dtype} from {objects.min().item()}"
        )
    objects = objects.long()
    if ignore is not None:
        objects = objects.masked_fill(ignore, 0)
    if id_limit is not None:
        objects = objects.masked_fill(objects >= id_limit, 0)
    batch = objects.shape[0]
    slots = int(objects.max()) + 1
    if slots * batch > 4 * objects.numel():  # sparse ids: number those that occur
        objects = renumber_objects(objects)
        slots = int(objects.max()) + 1
    p = rearrange(at_least_single(logits), "b c h w -> c (b h w)")
    start = torch.arange(batch, device=objects.device)[:, None, None] * slots
    key = (objects + start).flatten()
    inside = (objects > 0).flatten()
    count = torch.bincount(key, minlength=batch * slots).to(p.dtype)
    # Deviations from a mean add up to zero, so the mean's own gradient is zero: leave it out.
    with torch.no_grad():
        total = p.new_zeros(p.shape[0], batch * slots).index_add_(1, key, p)
        mean = (total / count.clamp(min=1))[:, key]
    weight = inside.to(p.dtype)
    if shrink_small:
        weight = weight * (count / (count + 1)).square()[key]
    return ((p - mean).square() * weight).sum() / p.numel()


def renumber_objects(
    objects: Int[Tensor, "*batch height width"],
) -> Int[Tensor, "*batch height width"]:
    """Number the ids that occur 1, 2, … in ascending order; 0 stays 0 and different ids different.

    The authors' routine takes the smallest id of a crop for background even where there is none, and so
    merges two objects (see *Paper versus code*).

    Args:
        objects: Ids of one crop, or of several that share their numbering.

    Returns:
        The new ids.

    Example:
        >>> renumber_objects(torch.tensor([[2, 2, 5], [9, 9, 5], [9, 40, 40]]))
        tensor([[1, 1, 2],
                [3, 3, 2],
                [3, 4, 4]])
    """
    ids, rank = torch.unique(objects, return_inverse=True)
    return rank + int(ids[0] != 0)
