"""The rules by which the golden numbers of the authors' code were made."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from tests.golden import fill as rule


def filled(shape: Iterable[int], rank: int) -> Tensor:
    """Parameter number ``rank`` in the precision of the networks."""
    return rule.filled(rank, *shape).float()


def fill(tensors: Iterable[Tensor], first: int = 0) -> None:
    """Fill tensors (or slices of them) in order."""
    with torch.no_grad():
        for rank, tensor in enumerate(tensors, start=first):
            tensor.copy_(filled(tensor.shape, rank))


def given(shape: Iterable[int], shift: float) -> Tensor:
    """Input in the precision of the networks."""
    return rule.given(shift, *shape).float()


def check(value: Tensor, total: float, absolute: float, first: Iterable[float]) -> None:
    """Compare sum, sum of absolute values and first values with the sheet's six decimals."""
    assert math.isclose(value.double().sum().item(), total, rel_tol=1e-5, abs_tol=1e-4)
    assert math.isclose(value.double().abs().sum().item(), absolute, rel_tol=1e-5)
    first = torch.tensor(list(first))
    torch.testing.assert_close(value.detach().flatten()[: len(first)], first, atol=2e-6, rtol=1e-5)
