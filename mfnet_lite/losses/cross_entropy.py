r"""Cross-entropy over the pixels that have a label.

.. math::  L = -\frac{1}{|K|} \sum_{i \in K} \log \mathrm{softmax}(z_i)_{t_i},
    \qquad K = \{i : t_i \ge 0,\ t_i \ne \mathrm{ignore}\}

This is MFNet's training loss (all class weights 1). Written here, and not called from PyTorch
directly, for two cases that occur in remote sensing and that ``F.cross_entropy`` does not cover:
two ignore values at once (MMHunan's -1 beside 255), and a crop without one labelled pixel, whose
mean would be 0/0 = NaN and would end the training.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from mfnet_lite.losses.labelled import labelled
from mfnet_lite.losses.precision import at_least_single

__all__ = ["cross_entropy"]


def cross_entropy(
    logits: Float[Tensor, "batch classes height width"],
    label: Int[Tensor, "batch height width"],
    ignore_index: int = 255,
    weights: Sequence[float] | None = None,
) -> Float[Tensor, ""]:
    """Mean cross-entropy over labelled pixels, 0 if there are none.

    Args:
        logits: Raw class scores.
        label: Class indices; negative ones and ``ignore_index`` do not count.
        ignore_index: Label of pixels without truth.
        weights: How much a pixel of each class counts in the mean; defaults to one for each.

    Returns:
        A scalar, at least in float32, differentiable also when it is 0.

    Raises:
        ValueError: If a label is neither a class nor ignored.

    Example:
        >>> import torch
        >>> loss = cross_entropy(torch.zeros(1, 4, 2, 2), torch.tensor([[[0, 3], [255, -1]]]))
        >>> round(loss.item(), 4)  # log 4: four classes, no idea which
        1.3863
    """
    logits = at_least_single(logits)
    classes = logits.shape[1]
    label, kept = labelled(label, classes, ignore_index)
    target = torch.where(kept, label, -100)
    if weights is None:
        total = F.cross_entropy(logits, target, ignore_index=-100, reduction="sum")
        return total / kept.sum().clamp(min=1)
    if len(weights) != classes or min(weights) <= 0:
        raise ValueError(f"expected a positive weight for each of {classes} classes, got {weights}")
    by_class = logits.new_tensor(list(weights))
    total = F.cross_entropy(logits, target, by_class, ignore_index=-100, reduction="sum")
    return total / by_class[label[kept]].sum().clamp(min=min(weights))
