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
    for name, (net, call, towards) in bench.ways().items():
        net.eval()  # no noise; the way materialised and the loop have no gradient of shares then
        net.zero_grad()
        call().backward(towards)
        gradients[name] = net.cross.query.weight.grad.clone()
    for other in gradients.values():
        torch.testing.assert_close(other, gradients[gopt.OURS], atol=1e-4, rtol=1e-3)


def test_ratios_are_taken_within_a_turn() -> None:
    names = (gopt.OURS, gopt.LOOP, gopt.STORED)
    seconds = dict(zip(names, ([1.0, 2.0, 4.0], [3.0, 8.0, 12.0], [2.0, 4.0, 8.0]), strict=True))
    found = gopt.ratios(seconds, dict(zip(names, (10, 20, 40), strict=True)))
    assert found["times faster than the loop over groups"] == 3.0
    assert found["share of the peak memory with weighted tokens materialised"] == 0.25


def test_a_checkout_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="expected a checkout of NVlabs/GroupViT"):
        gopt.groupvit(tmp_path)
