r"""The Dice losses of licence-plate detection with SAM, over a whole batch at once.

Ding et al., "SamLP: A Customized Segment Anything Model for License Plate Detection", arXiv 2401.06374,
name the Dice loss. Their code (Dinghaoxuan/SamLP, commit 6a6e7c9) makes two classes of one logit s, the pair
:math:`(1-s, s)`, and takes a softmax, so that

.. math:: p = \frac{e^{s}}{e^{1-s} + e^{s}} = \sigma(2s - 1),\qquad L = D_{bg} + D_{fg}.

At :math:`s = 0`, where SAM cuts its masks, this p is 0.269 and not 0.5: what the loss holds for undecided lies
at :math:`s = 0.5`. Plain Dice with :math:`p = \sigma(s)` has no such gap.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mfnet_lite.losses.precision import at_least_single

__all__ = ["batch_dice", "two_class_dice"]

EPSILON = 1e-5


def two_class_dice(
    logits: Float[Tensor, "*n"],
    target: Float[Tensor, "*n"],
    valid: Bool[Tensor, "*n"] | None = None,
    epsilon: float = EPSILON,
) -> Float[Tensor, ""]:
    r"""Dice of background plus Dice of foreground as SamLP's code has it, sums over everything.

    For each class c, :math:`D_c = 1 - (2\sum p t + \epsilon) / (\sum p^2 + \sum t^2 + \epsilon)`.

    Args:
        logits: Mask logits s of any shape; the foreground has the probability :math:`\sigma(2s - 1)`.
        target: True masks of the same shape, 0 or 1.
        valid: Pixels that count; defaults to all.
        epsilon: Guard of both sums.

    Returns:
        A value from 0 to 2, at least in float32.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> target = (torch.arange(32) % 3 == 0).float()
        >>> two_class_dice(torch.linspace(-2, 2, 32), target)
        tensor(0.8899)
    """
    _same_shape(logits, target)
    logits, target = at_least_single(logits), at_least_single(target)
    foreground = (2 * logits - 1).sigmoid()
    return _dice(1 - foreground, 1 - target, valid, epsilon, squared=True) + _dice(
        foreground, target, valid, epsilon, squared=True
    )


def batch_dice(
    logits: Float[Tensor, "*n"],
    target: Float[Tensor, "*n"],
    valid: Bool[Tensor, "*n"] | None = None,
    epsilon: float = EPSILON,
) -> Float[Tensor, ""]:
    r"""Plain Dice, :math:`1 - (2\sum p t + \epsilon) / (\sum p + \sum t + \epsilon)` with :math:`p=\sigma(s)`.

    Sums run over everything, so one large plate outweighs a small one;
    :func:`~mfnet_lite.losses.dice_loss` judges each mask for itself.

    Args:
        logits: Mask logits of any shape.
        target: True masks of the same shape, 0 or 1.
        valid: Pixels that count; defaults to all.
        epsilon: Guard of both sums.

    Returns:
        A value from 0 to 1, at least in float32.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> target = (torch.arange(32) % 3 == 0).float()
        >>> batch_dice(torch.linspace(-2, 2, 32), target)
        tensor(0.6023)
    """
    _same_shape(logits, target)
    logits, target = at_least_single(logits), at_least_single(target)
    return _dice(logits.sigmoid(), target, valid, epsilon, squared=False)


def _dice(p: Tensor, t: Tensor, valid: Tensor | None, epsilon: float, squared: bool) -> Tensor:
    """One class; pixels that do not count enter no sum."""
    if valid is not None:
        p, t = torch.where(valid, p, 0.0), torch.where(valid, t, 0.0)
    sizes = (p.square().sum() + t.square().sum()) if squared else (p.sum() + t.sum())
    return 1 - (2 * (p * t).sum() + epsilon) / (sizes + epsilon)


def _same_shape(logits: Tensor, target: Tensor) -> None:
    if logits.shape != target.shape:
        raise ValueError(
            f"expected logits and target of one shape, got {tuple(logits.shape)} and "
            f"{tuple(target.shape)}: add the missing axes or expand the target"
        )
