"""The benchmark of the pre-training: ratios within a turn, losses step by step, where its numbers come from."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from scripts.benchmarks import pretraining


class FakeRunner:
    """The base needs 3 seconds a step, the new version 1, both more in every second turn."""

    def __init__(self, root, name, out):
        self.cost = 1.0 if root == pretraining.ROOT else 3.0
        self.steps = self.calls = 0

    def advance(self, steps):
        self.steps += steps
        self.calls += 1
        return self.cost * (1 + self.calls % 2)

    def losses(self):
        return [{"loss": self.cost + 0.1 * step} for step in range(self.steps)]

    def end(self):
        pass


def test_ratios_are_taken_within_a_turn(monkeypatch, tmp_path):
    monkeypatch.setattr(pretraining, "Runner", FakeRunner)
    row = pretraining.compare(tmp_path, "prompts", 4, 5, tmp_path)
    assert row["ratio"] == 3
    assert row["ratio_spread"] == [3, 3]
    assert row["windows_per_cpu_second"] == {"base": 12 / 4.5, "now": 12 / 1.5}
    assert [part["mean_difference"] for part in row["losses"]] == [-2] * 5
    assert row["losses"][-1]["steps"][1] == 4 * 5 + pretraining.WARM_UP


def test_numbers_come_with_where_they_are_from(monkeypatch, tmp_path):
    monkeypatch.setattr(pretraining, "Runner", FakeRunner)
    out = tmp_path / "out.json"
    known = subprocess.run(
        ["git", "cat-file", "-e", pretraining.BASE],
        cwd=pretraining.ROOT,
        check=False,
        capture_output=True,
    )
    if known.returncode:
        pytest.skip("a clone without history")
    for stage in ("prompts", "dense"):  # one at a time
        arguments = ["--stages", stage, "--turns", "2", "--out", str(out)]
        monkeypatch.setattr(sys, "argv", ["pretraining", *arguments])
        pretraining.main()
    record = json.loads(out.read_text())
    assert list(record["results"]) == ["prompts", "dense"]
    assert record["provenance"]["base"] == pretraining.BASE
    assert len(record["provenance"]["commit"].removesuffix("-dirty")) == 40
    assert record["provenance"]["needed"] == 2.5
