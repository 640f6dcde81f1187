r"""Losses between one predicted mask and one true mask: dice and focal.

Segment Anything trains its masks with :math:`20\,L_{focal} + L_{dice}` (Kirillov et al. 2023, appendix A).
Both are computed mask by mask, because the ambiguity rule (keep the best of three candidates) needs the
loss of each candidate before anything is averaged.
"""

from __future__ import annotations

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses.precision import at_least_single

__all__ = ["dice_loss", "focal_loss", "mask_iou", "mask_loss"]


def dice_loss(
    logits: Float[Tensor, "*n height width"], target: Float[Tensor, "*n height width"]
) -> Float[Tensor, " *n"]:
    r"""Dice loss of each mask, :math:`1 - (2\sum p t + 1) / (\sum p + \sum t + 1)` with :math:`p=\sigma(z)`.

    Args:
        logits: Mask logits, any range.
        target: True masks in [0, 1].

    Returns:
        One loss per mask in [0, 1], at least in float32.

    Example:
        >>> target = torch.tensor([[[1.0, 0.0]]])
        >>> dice_loss(torch.tensor([[[50.0, -50.0]]]), target).item()
        0.0
    """
    _same_shape(logits, target)
    logits, target = at_least_single(logits), at_least_single(target)
    probability = logits.sigmoid()
    both = reduce(probability * target, "... h w -> ...", "sum")
    total = reduce(probability, "... h w -> ...", "sum") + reduce(target, "... h w -> ...", "sum")
    return 1 - (2 * both + 1) / (total + 1)


def focal_loss(
    logits: Float[Tensor, "*n height width"],
    target: Float[Tensor, "*n height width"],
    alpha: float = 0.25,
    gamma: float = 2.0,
) -> Float[Tensor, " *n"]:
    r"""Focal loss of each mask, averaged over its pixels (Lin et al. 2017, equation 5).

    .. math:: -\alpha_t (1 - p_t)^{\gamma} \log p_t

    Args:
        logits: Mask logits, any range.
        target: True masks, 0 or 1.
        alpha: Weight of the foreground; the background gets ``1 - alpha``.
        gamma: How strongly easy pixels are discounted; 0 gives weighted cross-entropy.

    Returns:
        One loss per mask, non-negative, at least in float32.

    Example:
        >>> loss = focal_loss(torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
        >>> round(loss.item(), 6)  # 0.25 * 0.5**2 * ln 2
        0.043322
    """
    _same_shape(logits, target)
    logits, target = at_least_single(logits), at_least_single(target)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    p_t = probability * target + (1 - probability) * (1 - target)
    alpha_t = alpha * target + (1 - alpha) * (1 - target)
    # torchvision.ops.sigmoid_focal_loss is the same formula, but multiplies in another order and so rounds otherwise:
    # a training of hundreds of steps, such as those the book prints, would end elsewhere.
    return reduce(alpha_t * (1 - p_t) ** gamma * cross_entropy, "... h w -> ...", "mean")


def mask_loss(
    logits: Float[Tensor, "*n height width"],
    target: Float[Tensor, "*n height width"],
    focal_weight: float = 20.0,
    dice_weight: float = 1.0,
) -> Float[Tensor, " *n"]:
    """The loss SAM was trained with: 20 · focal + 1 · dice, per mask.

    Args:
        logits: Mask logits.
        target: True masks, 0 or 1.
        focal_weight: Weight of the focal term.
        dice_weight: Weight of the dice term.

    Returns:
        One loss per mask, at least in float32.
    """
    return focal_weight * focal_loss(logits, target) + dice_weight * dice_loss(logits, target)


def mask_iou(
    logits: Float[Tensor, "*n height width"], target: Float[Tensor, "*n height width"]
) -> Float[Tensor, " *n"]:
    """Intersection over union of ``logits > 0`` with the true mask; two empty masks count as 1.

    Args:
        logits: Mask logits.
        target: True masks, 0 or 1.

    Returns:
        One value per mask in [0, 1], without gradient.

    Example:
        >>> mask_iou(torch.tensor([[1.0, 1.0, -1.0]]), torch.tensor([[1.0, 0.0, 0.0]])).item()
        0.5
    """
    _same_shape(logits, target)
    predicted, true = logits.detach() > 0, target > 0.5
    both = reduce((predicted & true).float(), "... h w -> ...", "sum")
    either = reduce((predicted | true).float(), "... h w -> ...", "sum")
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def _same_shape(logits: Tensor, target: Tensor) -> None:
    if logits.shape != target.shape:
        raise ValueError(
            f"expected logits and target of one shape, got {tuple(logits.shape)} and "
            f"{tuple(target.shape)}: add the missing axes or expand the target"
        )
