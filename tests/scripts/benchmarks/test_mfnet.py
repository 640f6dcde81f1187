"""The benchmark's reference equals our network, and its ratios are what they say."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from scripts.benchmarks import mfnet


def bench(tuning):
    setting = mfnet.Setting(batch=1, size=128, rounds=1, smoke=True)
    made = mfnet.Bench(setting, tuning)
    made.config = replace(mfnet.SMALL, width=32, depth=2, heads=2, global_blocks=(1,))
    return made


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter"])
def test_two_branches_in_turn_are_our_network(monkeypatch, tuning):
    monkeypatch.setattr(mfnet, "multiplies_bfloat16", lambda device: False)
    made = bench(tuning)
    nets = {name: net.double() for name, net in made.networks().items()}
    assert list(nets) == ["in turn", "ours", "ours, checkpointed"]
    made.sample = {name: band.double() for name, band in made.sample.items()}
    found = []
    for name, net in nets.items():
        logits = made.logits(name, net.train())
        logits.square().mean().backward()
        gradients = [p.grad for p in net.parameters() if p.requires_grad]
        with torch.no_grad():  # by now the running statistics have moved
            found.append([logits.detach(), made.logits(name, net.eval()), *gradients])
    for others in found[1:]:
        for first, other in zip(found[0], others, strict=True):
            torch.testing.assert_close(first, other, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("mixed", [False, True])
def test_times_of_every_variant_and_equal_logits(monkeypatch, mixed):
    """Mixed precision is measured only where a processor gains by it, and rounds the logits a little."""
    monkeypatch.setattr(mfnet, "multiplies_bfloat16", lambda device: mixed)
    found = mfnet.times(bench("mmlora"))
    half = ["ours, bf16-mixed"] if mixed else []
    checkpointed = ["ours, bf16-mixed, checkpointed"] if mixed else []
    names = ["in turn", "ours", "ours, checkpointed", *half, *checkpointed]
    assert {n: len(s) for n, s in found["seconds"]["train"].items()} == dict.fromkeys(names, 1)
    assert set(found["seconds"]["inference"]) == {"in turn", "ours", *half}
    gaps = found["largest_difference_over_largest"]
    assert all(1e-4 < gaps[name] < 0.05 for name in (*half, *checkpointed))
    assert max(gap for name, gap in gaps.items() if "bf16" not in name) < 1e-5


def test_ratios_are_medians_within_rounds():
    seconds = {"authors": [4.0, 9.0, 8.0], "ours": [2.0, 3.0, 2.0], mfnet.HALF: [1.0, 1.0, 1.0]}
    peaks = {"authors": {"model": 1, "added": 3}, "ours": {"model": 1, "added": 1}}
    peaks[mfnet.HALF] = {"model": 1, "added": 0}
    found = {
        "seconds": dict.fromkeys(("train", "inference"), seconds),
        "bytes": dict.fromkeys(("train", "inference"), peaks),
    }
    row = mfnet.ratios(found)["authors"]
    assert row["train: times faster"] == 3.0  # of 2, 3, 4
    assert (row["train: times faster, least"], row["train: times faster, most"]) == (2.0, 4.0)
    assert row["inference: share of peak memory"] == 0.5
    assert mfnet.ratios(found, mfnet.HALF)["authors"]["train: times faster"] == 8.0
    assert mfnet.ratios(found, mfnet.HALF)["ours"]["train: share of peak memory"] == 0.5


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux' own accounts")
def test_memory_counts_weights_and_work():
    found = mfnet.memory(bench("mmlora"), "ours", "train")
    assert found["model"] > 4 * 2_000_000  # fusion and decoder alone, float32
    assert found["added"] > -(2**20)  # Linux counts pages in batches


def test_a_setting_comes_back_from_its_words(monkeypatch):
    setting = mfnet.Setting(Path("a"), batch=3, size=64, compile=True)
    words = [*setting.words(), "--work", "mmlora", "times"]
    monkeypatch.setattr(mfnet, "times", lambda bench: {"setting": str(bench.setting)})
    monkeypatch.setattr(mfnet, "Bench", lambda setting, tuning: Namespace(setting=setting))
    printed = []
    monkeypatch.setattr("builtins.print", printed.append)
    mfnet.main(words)
    assert json.loads(printed[0]) == {"setting": str(setting)}
