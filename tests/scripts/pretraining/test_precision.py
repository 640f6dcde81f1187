"""Half-precision copies: filled from the weights, gradients back to them, and clipping."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scripts.pretraining import precision


def test_a_small_update_is_kept_though_the_copy_cannot_show_it():
    own = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        own.weight.fill_(1.0)
    half = precision.HalfPrecision(linear=own)
    for _ in range(16):  # each a quarter of what bfloat16 can tell from 1
        with torch.no_grad():
            own.weight += 2**-9
        half.refresh()
    assert half["linear"].weight.dtype == torch.bfloat16
    assert half["linear"].weight.item() == own.weight.item() == 1 + 16 * 2**-9


def test_gradients_come_back_in_single_precision():
    own = nn.Linear(3, 2)
    half = precision.HalfPrecision(linear=own)
    half["linear"](torch.ones(1, 3, dtype=torch.bfloat16)).sum().backward()
    half.collect()
    assert torch.equal(own.weight.grad, torch.ones(2, 3))
    assert own.weight.grad.dtype == torch.float32
    assert half["linear"].weight.grad is None


def test_without_half_precision_the_modules_are_the_copies():
    own = nn.Linear(3, 2)
    half = precision.HalfPrecision(False, linear=own)
    assert half["linear"] is own
    own(torch.ones(1, 3)).sum().backward()
    half.collect()
    assert torch.equal(own.weight.grad, torch.ones(2, 3))


def test_buffers_stay_exact():
    own = nn.BatchNorm1d(2)
    own.running_mean.fill_(123.675)
    assert precision.HalfPrecision(norm=own)["norm"].running_mean[0].item() == pytest.approx(
        123.675, abs=1e-5
    )


def test_clipping_equals_torch():
    torch.manual_seed(0)
    model = nn.Linear(5, 5)
    for factor in (0.01, 10.0):
        model.zero_grad()
        (factor * model(torch.randn(3, 5))).sum().backward()
        found = [p.grad.clone() for p in model.parameters()]
        length = precision.clip_gradients(found)
        expected = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        torch.testing.assert_close(length, expected)
        for a, p in zip(found, model.parameters(), strict=True):
            torch.testing.assert_close(a, p.grad)
