r"""Weights that let rare classes count as much as frequent ones, or half as much.

A class that fills half of the pixels supplies half of the gradient. With :math:`n_c` labelled pixels of class c, of
all :math:`N`, and :math:`K` classes that occur,

.. math:: w_c = \frac{(N / n_c)^p}{\frac1N \sum_k n_k\,(N / n_k)^p},

so that the mean weight of a labelled pixel is 1 and the learning rate keeps its meaning. :math:`p = 0` is plain
cross-entropy; with :math:`p = 1` every class has the same share, :math:`1/K`; between the two lies
:math:`p = \tfrac12`, which spares a class of a dozen pixels a weight of thousands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mfnet_lite.losses.cross_entropy import cross_entropy

__all__ = ["BalancedLoss", "balanced_weights"]


def balanced_weights(pixels: Sequence[int], power: float = 1.0) -> tuple[float, ...]:
    """Weigh classes by how rare they are.

    Args:
        pixels: Labelled pixels of each class in the training data.
        power: p, from 0 (all pixels alike) to 1 (all classes alike).

    Returns:
        A weight per class; 1 for a class without a pixel, which no label will ever call for.

    Raises:
        ValueError: If the power is out of range, a count is negative, or no class has a pixel.

    Example:
        >>> balanced_weights([75, 25])
        (0.6666666666666666, 2.0)
        >>> balanced_weights([75, 25], power=0)
        (1.0, 1.0)
    """
    if not 0 <= power <= 1:
        raise ValueError(f"the power of the class balance must lie in [0, 1], got {power}")
    total = sum(pixels)
    if not pixels or min(pixels) < 0 or total < 1:
        raise ValueError(f"expected the pixels of each class, one of them at least, got {pixels}")
    raw = [(total / n) ** power if n else 0.0 for n in pixels]
    mean = sum(n * weight for n, weight in zip(pixels, raw, strict=True)) / total
    return tuple(weight / mean if weight else 1.0 for weight in raw)


@dataclass(frozen=True)
class BalancedLoss:
    """Cross-entropy in which classes have weights; call it with logits and a batch.

    Attributes:
        weights: Of each class, see :func:`balanced_weights`.
        ignore_index: Label of pixels without truth.

    Example:
        >>> import torch
        >>> batch = {"label": torch.tensor([[[0, 0, 0, 1]]])}
        >>> loss = BalancedLoss(balanced_weights([3, 1]))
        >>> logits = torch.tensor([[[[2.0, 2.0, 2.0, 2.0]], [[0.0, 0.0, 0.0, 0.0]]]])
        >>> round(loss(logits, batch).item(), 4)  # (0.1269 + 2.1269) / 2: both classes count alike
        1.1269
    """

    weights: tuple[float, ...]
    ignore_index: int = 255

    def __call__(
        self, logits: Float[Tensor, "batch classes height width"], batch: Mapping[str, Tensor]
    ) -> Float[Tensor, ""]:
        """Return the mean over the labelled pixels of the batch, each with the weight of its class.

        Args:
            logits: Output of the network.
            batch: ``label``, (batch, height, width).

        Returns:
            The loss.
        """
        return cross_entropy(logits, batch["label"], self.ignore_index, self.weights)
