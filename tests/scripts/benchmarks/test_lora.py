"""The benchmark of LoRA: both ways compute one thing, ratios are those of a turn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from scripts.benchmarks import lora


def test_both_ways_compute_one_thing() -> None:
    assert max(lora.agreement(64).values()) < 1e-5


def test_all_ways_train_as_many_weights() -> None:
    """Two updates of d rows have as many weights as one of 3 d rows: 2 (r d + d r) = r d + 3 d r."""
    sizes = {
        name: sum(p.numel() for p in lora.trained(lora.tuned(name, 64)))
        for name in (lora.OURS, lora.PEFT, lora.OURS_QV)
    }
    assert len(set(sizes.values())) == 1
    assert sizes[lora.OURS] > 0


def test_ratios_are_taken_turn_by_turn() -> None:
    times = {lora.OURS: [1.0, 2.0, 4.0], lora.PEFT: [3.0, 2.0, 8.0]}
    assert lora.compared(times, lora.PEFT)["times_ours"] == 2.0
    assert lora.compared(times, lora.PEFT)["times_ours_spread"] == [1.0, 3.0]


def test_smoke_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lora, "run_module", lambda *_: "2097152")
    monkeypatch.setattr(lora, "IMPORTS", {"mfnet_lite": "import mfnet_lite"})
    out = tmp_path / "table.json"
    before = torch.get_num_threads()
    try:
        lora.main(["--smoke", "--out", str(out)])
    finally:
        torch.set_num_threads(before)
    assert not out.exists()
    assert "ours: 1.0 x our time, 2 MiB" in capsys.readouterr().out


def test_the_record_says_that_results_agree() -> None:
    record = json.loads((lora.RESULTS / "lora_benchmark.json").read_text(encoding="utf-8"))
    assert max(record["largest_difference"].values()) < 1e-5
    assert len(record["step"][lora.PEFT]["seconds"]) == record["setting"]["turns"]
