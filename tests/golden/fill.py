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


def sines(shape: tuple[int, ...] | torch.Size, a: float, f: float, o: float = 0.0) -> Tensor:
    """Numbers ``a sin(f i) + o``, i the row-major index from 1, in float64; golden numbers of MFuser and its scan."""
    index = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
    return (a * torch.sin(f * index) + o).reshape(shape)


def numbers(text: str) -> Tensor:
    """Numbers written one behind the other, in float64."""
    return torch.tensor([float(word) for word in text.split()], dtype=torch.float64)
