r"""SAM-assisted training: the loss of the labels plus two that need none.

Ma et al., "SAM-Assisted Remote Sensing Imagery Semantic Segmentation With Object and Boundary
Constraints", IEEE TGRS 2024, arXiv 2312.02464:

.. math:: L = L_{seg} + \lambda_o L_{obj} + \lambda_b L_{bdy}, \qquad \lambda_o = 1,\ \lambda_b = 0.1 .

SAM runs once, before training; the network that is trained, and how it predicts, stay what they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mfnet_lite.losses.boundary import Variant, boundary
from mfnet_lite.losses.cross_entropy import cross_entropy
from mfnet_lite.losses.object_consistency import object_consistency

__all__ = ["AssistedLoss"]


@dataclass(frozen=True)
class AssistedLoss:
    """Cross-entropy, object consistency and boundary loss with fixed weights.

    Call it with the logits and a batch: that is the ``loss`` which
    :func:`mfnet_lite.training.fit` takes. A loss of weight 0 is not computed and needs no map.

    Attributes:
        object_weight: λ_o; the loss acts on raw logits, so its size grows as they do.
        boundary_weight: λ_b.
        variant: Of :func:`~mfnet_lite.losses.boundary`. Of the authors' three only
            ``"official_original"`` has a gradient.
        id_limit: Of :func:`~mfnet_lite.losses.object_consistency`; the authors have 50.
        shrink_small: Of the same; the authors have True.
        ignore_index: Label of pixels without truth. The two other losses look at them all the same:
            what SAM saw there is as true as elsewhere.
        class_weights: Of the cross-entropy, see :func:`~mfnet_lite.losses.balanced_weights`; None for 1 each.

    Raises:
        ValueError: If a weight is negative.

    Example:
        >>> import torch
        >>> objects = torch.tensor([[[1, 1, 2, 2]]])
        >>> batch = {"label": torch.tensor([[[0, 0, 1, 1]]]), "objects": objects}
        >>> logits = torch.tensor([[[[4.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 0.0]]]])
        >>> loss = AssistedLoss(boundary_weight=0)
        >>> {name: round(x.item(), 3) for name, x in loss.terms(logits, batch).items()}
        {'segmentation': 0.524, 'objects': 1.0}
        >>> round(loss(logits, batch).item(), 3)
        1.524
    """

    object_weight: float = 1.0
    boundary_weight: float = 0.1
    variant: Variant = "soft"
    id_limit: int | None = None
    shrink_small: bool = False
    ignore_index: int = 255
    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Reject what cannot be meant."""
        if min(self.object_weight, self.boundary_weight) < 0:
            raise ValueError(
                "the weights of both losses must not be negative, got "
                f"{self.object_weight} and {self.boundary_weight}"
            )

    def __call__(
        self,
        logits: Float[Tensor, "batch classes height width"],
        batch: Mapping[str, Tensor],
    ) -> Float[Tensor, ""]:
        """Return the weighted sum.

        Args:
            logits: Output of the network.
            batch: ``label``, ``objects`` (ids, 0 = none) and ``boundaries`` (1 on them), each
                (batch, height, width).

        Returns:
            The loss.
        """
        terms = self.terms(logits, batch)
        weights = {"objects": self.object_weight, "boundaries": self.boundary_weight}
        total = terms["segmentation"]
        for name, weight in weights.items():
            if name in terms:
                total = total + weight * terms[name]
        return total

    def terms(
        self,
        logits: Float[Tensor, "batch classes height width"],
        batch: Mapping[str, Tensor],
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the losses before they are weighted, those of weight 0 left out.

        Args:
            logits: Output of the network.
            batch: As for the sum.

        Returns:
            Each loss by its name.

        Raises:
            ValueError: If a map is missing.
        """
        found = {
            "segmentation": cross_entropy(
                logits, batch["label"], self.ignore_index, self.class_weights
            )
        }
        if self.object_weight:
            objects = _map_of(batch, "objects")
            found["objects"] = object_consistency(
                logits, objects, id_limit=self.id_limit, shrink_small=self.shrink_small
            )
        if self.boundary_weight:
            edges = _map_of(batch, "boundaries")
            found["boundaries"] = boundary(logits, edges, self.variant)
        return found


def _map_of(batch: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in batch:
        raise ValueError(
            f"the batch holds no {name}, only {', '.join(batch)}; wrap the crops in WithObjects, or "
            "set the weight of this loss to 0"
        )
    return batch[name]
