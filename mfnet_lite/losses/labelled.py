"""Which pixels have a label, checked once for all losses."""

from __future__ import annotations

from jaxtyping import Bool, Int
from torch import Tensor

__all__: list[str] = []


def labelled(
    label: Int[Tensor, "*place"], classes: int, ignore_index: int
) -> tuple[Int[Tensor, "*place"], Bool[Tensor, "*place"]]:
    """Return labels as 64-bit integers, and which of them name a class.

    Args:
        label: Class indices of any integer type; negative ones and ``ignore_index`` are no class.
        classes: Number of classes.
        ignore_index: Label of pixels without truth.

    Raises:
        ValueError: If a label is neither a class nor ignored (on a GPU this would otherwise be a
            device-side assertion without a name).
    """
    label = label.long()  # bytes compare wrongly with more than 255 classes, and hold no -100
    known = (label >= 0) & (label != ignore_index)
    if bool((label[known] >= classes).any()):
        raise ValueError(
            f"labels must lie in 0…{classes - 1} or be {ignore_index} (ignored), "
            f"but {int(label[known].max())} occurs; check the label rasters and `classes`"
        )
    return label, known
