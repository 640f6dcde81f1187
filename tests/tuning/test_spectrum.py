"""The rank of an update, on matrices whose singular values are known."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mfnet_lite.tuning import (
    LoRALinear,
    LoRAQKV,
    energy_by_rank,
    rank_for_energy,
    set_update,
    truncate_rank,
    weight_updates,
)
from mfnet_lite.tuning.lora import LoRALayer


def with_values(values: list[float], rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    """A matrix of known singular values and random directions."""
    generator = torch.Generator().manual_seed(seed)
    u, _ = torch.linalg.qr(torch.randn(rows, rows, generator=generator, dtype=torch.float64))
    v, _ = torch.linalg.qr(torch.randn(columns, columns, generator=generator, dtype=torch.float64))
    n = len(values)
    return u[:, :n] @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ v[:, :n].T


def test_energy_by_hand():
    """Squares 16, 4, 4, 1: shares 16/25, 20/25, 24/25, 1."""
    energy = energy_by_rank(with_values([4, 2, 2, 1], 6, 5))
    assert energy.tolist() == pytest.approx([0.64, 0.8, 0.96, 1, 1])


@pytest.mark.parametrize(
    ("share", "rank"), [(0.1, 1), (0.64, 1), (0.65, 2), (0.8, 2), (0.9, 3), (1, 4)]
)
def test_rank_by_hand(share, rank):
    diagonal = torch.diag(torch.tensor([4.0, 2.0, 2.0, 1.0]))
    assert rank_for_energy(diagonal, share) == rank


def test_a_zero_matrix_needs_no_rank():
    assert rank_for_energy(torch.zeros(3, 2)) == 0
    assert energy_by_rank(torch.zeros(3, 2)).tolist() == [1, 1]


@given(rank=st.integers(1, 8), rows=st.integers(1, 7), columns=st.integers(1, 7))
def test_truncation_is_the_best_of_its_rank(rank, rows, columns):
    """Eckart and Young: the squared error is the energy left out."""
    matrix = with_values([5 / (i + 1) for i in range(min(rows, columns))], rows, columns)
    b, a = truncate_rank(matrix, rank)
    assert b.shape == (rows, rank)
    assert a.shape == (rank, columns)
    kept = energy_by_rank(matrix)[min(rank, rows, columns) - 1]
    error = (matrix - b @ a).square().sum() / matrix.square().sum()
    assert error.item() == pytest.approx(1 - kept.item(), abs=1e-12)
    torch.testing.assert_close(b.norm(), a.norm())


def test_updates_of_a_network():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2))
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        model[0].weight += 0.5
        model[0].bias += 1
    updates = weight_updates(before, model.state_dict())
    assert list(updates) == ["0.weight"]
    torch.testing.assert_close(updates["0.weight"], torch.full((2, 3), 0.5))
    assert weight_updates(before, {"0.weight": torch.ones(4, 4)}) == {}


@pytest.mark.parametrize("merged", [False, True])
def test_lora_of_a_given_update(merged):
    update = with_values([3, 2, 1], 5, 6).float()
    layer = LoRALinear(nn.Linear(6, 5), rank=2, alpha=1)
    if merged:
        layer.eval().merge()
    set_update(layer, update)
    b, a = truncate_rank(update, 2)
    torch.testing.assert_close(layer.delta_weight(), b @ a)
    torch.testing.assert_close(layer(torch.eye(6)) - layer.base(torch.eye(6)), (b @ a).T)


def test_qkv_of_a_given_update():
    """Each chosen third is approximated by itself: rank 2 is exact for thirds of rank 2."""
    thirds = [with_values([3, 1], 4, 4, seed).float() for seed in range(3)]
    layer = LoRAQKV(nn.Linear(4, 12), "qv", rank=2, alpha=6)
    set_update(layer, torch.cat(thirds))
    expected = torch.cat([thirds[0], torch.zeros(4, 4), thirds[2]])
    torch.testing.assert_close(layer.delta_weight(), expected)


def test_faults():
    with pytest.raises(ValueError, match=r"above 0 and at most 1, got 1\.5"):
        rank_for_energy(torch.eye(2), 1.5)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        truncate_rank(torch.eye(2), 0)
    with pytest.raises(ValueError, match=r"expected an update of shape \(5, 6\), got \(6, 5\)"):
        set_update(LoRALinear(nn.Linear(6, 5)), torch.ones(6, 5))
    with pytest.raises(ValueError, match="got Other"):
        set_update(Other(nn.Linear(2, 2)), torch.ones(2, 2))


class Other(LoRALayer):
    """A LoRA of no known kind."""
