"""The benchmark of one prompter runs, and what it compares is equal."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
import torch

from scripts.benchmarks import gopt

SMALL = {"groupvit": None, "batch": 1, "tokens": 32, "width": 32, "groups": 4, "bottleneck": 8}


def test_all_ways_compute_the_same_with_the_same_gradients() -> None:
    bench = gopt.Bench(argparse.Namespace(**SMALL))
    assert max(gopt.agreement(bench).values()) < 1e-5
    gradients = {}
    ways = bench.ways(training=False)
    for name in (gopt.OURS, gopt.LOOP, gopt.STORED):
        wanted, call, towards = ways[name]
        *_, of_rgb, _ = torch.autograd.grad(call(), wanted, towards, allow_unused=True)
        gradients[name] = of_rgb
    for other in gradients.values():
        torch.testing.assert_close(other, gradients[gopt.OURS], atol=1e-4, rtol=1e-3)


def test_ratios_are_taken_within_a_turn() -> None:
    slow, fast, between = [3.0, 8.0, 12.0], [1.0, 2.0, 4.0], [2.0, 4.0, 8.0]
    seconds = {gopt.OURS: fast, gopt.LOOP: slow, gopt.STORED: between}
    seconds |= {gopt.GROUPING: fast, gopt.GROUPING_LOOP: slow}
    found = gopt.ratios(seconds, {gopt.OURS: 10, gopt.LOOP: 20, gopt.STORED: 40})
    assert found["times faster than the loop over groups"] == 3.0
    assert found["share of the peak memory with weighted tokens materialised"] == 0.25


def test_a_checkout_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a checkout of NVlabs/GroupViT"):
        gopt.groupvit(tmp_path)
