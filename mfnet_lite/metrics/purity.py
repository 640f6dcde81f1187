"""How pure objects without classes are: which share of their pixels carries their object's commonest class."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

__all__ = ["purity"]


def purity(label: Tensor, objects: Tensor, ignore_index: int = 255) -> float:
    r"""Return the purity of an object map, as that of a clustering is defined.

    .. math:: \mathrm{purity} = \frac{1}{N} \sum_k \max_c |\{i \in k : y_i = c\}|,

    with :math:`N` the pixels that lie in an object and have a class.

    Args:
        label: Classes, integers of any shape; negative ones and ``ignore_index`` are no class.
        objects: Numbers of objects, of the same shape; 0 is no object.
        ignore_index: Label of pixels without truth.

    Returns:
        Share in [0, 1]; ``nan`` where no labelled pixel lies in an object.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> purity(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 1, 2]))
        0.75
    """
    if label.shape != objects.shape:
        raise ValueError(
            f"expected label and objects of one shape, got {tuple(label.shape)} and {tuple(objects.shape)}"
        )
    label = label.long()
    counted = (objects > 0) & (label >= 0) & (label != ignore_index)
    classes, numbers = label[counted], objects[counted].long()
    if not len(classes):
        return float("nan")
    width = int(classes.max()) + 1
    votes = torch.bincount(width * numbers + classes, minlength=width * (int(numbers.max()) + 1))
    return float(
        rearrange(votes, "(object c) -> object c", c=width).amax(dim=1).sum() / len(classes)
    )
