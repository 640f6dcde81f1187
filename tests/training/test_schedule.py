"""Schedules: hand-computed values, the authors' epochs, bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.training.schedule import factor, multistep, warmup_cosine


def test_authors_epochs_of_a_thousand_steps():
    expected = {1: 1.0, 24: 1.0, 25: 0.1, 34: 0.1, 35: 0.01, 44: 0.01, 45: 0.001, 50: 0.001}
    for epoch, value in expected.items():
        first, last = (epoch - 1) * 1000, epoch * 1000 - 1
        assert multistep(first, 50_000) == value
        assert multistep(last, 50_000) == value


def test_multistep_equals_torch_stepped_at_the_start_of_each_epoch():
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [25, 35, 45], gamma=0.1)
    for epoch in range(1, 51):
        optimizer.step()
        scheduler.step()
        assert multistep(epoch - 1, 50) == pytest.approx(optimizer.param_groups[0]["lr"])


def test_cosine_by_hand():
    assert warmup_cosine(0, 10, warmup=5) == pytest.approx(0.2)
    assert warmup_cosine(4, 10, warmup=5) == 1.0
    assert warmup_cosine(5, 10, warmup=5) == 1.0
    assert warmup_cosine(6, 10, warmup=5) == pytest.approx(0.5 * (1 + math.cos(math.pi / 5)))
    assert warmup_cosine(10, 10, warmup=5, floor=0.1) == pytest.approx(0.1)


@given(total=st.integers(1, 500), warmup=st.integers(0, 50), step=st.integers(0, 499))
def test_factors_stay_in_the_unit_interval(total, warmup, step):
    for name in ("cosine", "multistep", "constant"):
        assert 0.0 <= factor(name, min(step, total - 1), total, warmup) <= 1.0


def test_warmup_precedes_every_schedule():
    assert factor("multistep", 0, 1000, warmup=10) == pytest.approx(0.1)
    assert factor("constant", 4, 1000, warmup=10) == pytest.approx(0.5)
    assert factor("constant", 10, 1000, warmup=10) == 1.0


def test_unknown_name():
    with pytest.raises(ValueError, match="'step'"):
        factor("step", 0, 1)  # type: ignore[arg-type]
