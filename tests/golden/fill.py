"""The fill rule of the golden numbers: every parameter and input is a sine of its flat index."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def filled(rank: int, *shape: int) -> Tensor:
    """Parameter number ``rank``: ``0.5 sin(0.37 i + rank)``, i the row-major index, in float64."""
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return 0.5 * torch.sin(0.37 * index + rank).reshape(shape)


def given(shift: float, *shape: int) -> Tensor:
    """Input: ``sin(0.1 i + shift)``, i the row-major index, in float64."""
    index = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.1 * index + shift).reshape(shape)
