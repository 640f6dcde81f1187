"""The benchmark runs, and what it compares is equal."""

from __future__ import annotations

import argparse

import pytest

pytest.importorskip("transformers")

from scripts.benchmarks import earthgpt

SMALL = {"model": "tiny", "batch": 2, "visual": 3, "tokens": 3}


def test_both_ways_compute_the_same() -> None:
    found = earthgpt.agreement(argparse.Namespace(**SMALL))
    losses = found["loss"]
    assert losses[earthgpt.OURS_SINGLE] == pytest.approx(losses[earthgpt.PLAIN], abs=1e-4)
    assert losses[earthgpt.OURS] == pytest.approx(losses[earthgpt.PLAIN], abs=0.01)
    cosines = found["cosine of the gradient with plain's"]
    assert cosines[earthgpt.OURS_SINGLE] > 0.9999
    assert cosines[earthgpt.OURS] > 0.999
    assert found["answer in float32 equals plain's"]


def test_ratios_are_taken_within_a_turn() -> None:
    found = {earthgpt.PLAIN: [3.0, 8.0, 12.0], earthgpt.OURS: [1.0, 2.0, 4.0]}
    assert earthgpt.faster(found, earthgpt.OURS) == 3.0


def test_a_step_trains_scale_and_shift_alone() -> None:
    way = earthgpt.Way(argparse.Namespace(**SMALL), earthgpt.OURS)
    way.prepare_step()
    assert sum(p.numel() for p in way.trained) == 10_624
    assert way.step() > 0
