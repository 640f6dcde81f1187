"""Temporal constraint: the authors' numbers, torch's own cosine loss, and its edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses import temporal_similarity


def ramp(*shape: int, f: float, p: float = 0.0) -> Tensor:
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(f * k + p).reshape(shape).float()


L1, L2 = 3 * ramp(2, 8, 4, 4, f=0.3), 3 * ramp(2, 8, 4, 4, f=0.3, p=0.9)
CHANGED = (torch.arange(32).reshape(2, 1, 4, 4) % 5 == 0).long()


@pytest.mark.parametrize(
    ("temperature", "loss"), [(1, 0.263722), (2, 0.149586), (3, 0.093125), (5, 0.043303)]
)
def test_golden(temperature: float, loss: float) -> None:
    value = temporal_similarity(L1, L2, CHANGED, temperature)
    assert value.item() == pytest.approx(loss, abs=1e-6)


def test_golden_extras() -> None:
    assert temporal_similarity(L1, L2, CHANGED, per_unchanged=True).item() == pytest.approx(
        0.119200, abs=1e-6
    )
    assert temporal_similarity(L1, L2, 0 * CHANGED).item() == pytest.approx(0.124676, abs=1e-6)
    assert temporal_similarity(L1, L2, 0 * CHANGED + 1) == 0
    assert temporal_similarity(L1, L1, CHANGED).item() == pytest.approx(0, abs=1e-6)
    assert temporal_similarity(L1, L2, 255 * CHANGED) == temporal_similarity(L1, L2, CHANGED)


def test_golden_gradient() -> None:
    l1 = L1.clone().requires_grad_()
    temporal_similarity(l1, L2, CHANGED).backward()
    assert l1.grad is not None
    assert l1.grad.abs().sum().item() == pytest.approx(0.093433, abs=1e-6)
    expected = [-1.130649e-3, -1.001693e-4, 8.150709e-5, 1.501769e-3]
    expected += [-1.228995e-3, -1.937390e-4, 1.975022e-5, 1.050526e-3]
    torch.testing.assert_close(l1.grad[0, :, 0, 1], torch.tensor(expected), atol=1e-8, rtol=1e-4)


def test_golden_total() -> None:
    logits = 2 * ramp(2, 1, 4, 4, f=0.5)
    cross = F.binary_cross_entropy_with_logits(logits, CHANGED.float())
    assert cross.item() == pytest.approx(0.998987, abs=1e-6)
    total = cross + temporal_similarity(L1, L2, CHANGED)
    assert total.item() == pytest.approx(1.092112, abs=1e-6)


def test_by_hand() -> None:
    """Softmax of (ln 3, 0) is (¾, ¼), of (0, ln 3) (¼, ¾): cosine 2·3/(9+1)."""
    l1 = torch.tensor([math.log(3), 0.0]).reshape(1, 2, 1, 1)
    value = temporal_similarity(l1, l1.flip(1), torch.zeros(1, 1, 1), temperature=1.0)
    assert value.item() == pytest.approx(1 - 0.6, abs=1e-6)


def test_symmetric_and_both_dates_learn() -> None:
    l1, l2 = L1.clone().requires_grad_(), L2.clone().requires_grad_()
    value = temporal_similarity(l1, l2, CHANGED)
    torch.testing.assert_close(value, temporal_similarity(l2, l1, CHANGED))
    value.backward()
    assert l1.grad is not None
    assert l2.grad is not None
    assert l2.grad.abs().sum() > 0
    assert (l1.grad.abs().sum(dim=1)[CHANGED[:, 0] == 1] == 0).all()


def test_gradcheck() -> None:
    l1, l2 = (torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    changed = torch.tensor([[[0, 1], [0, 0]]])
    assert torch.autograd.gradcheck(lambda a, b: temporal_similarity(a, b, changed), (l1, l2))


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 8, 4, 4\), \(2, 7, 4, 4\) and"):
        temporal_similarity(L1, L2[:, :7], CHANGED)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        temporal_similarity(L1, L2, CHANGED, 0)
