"""Two processes train as one does, and leave a run that goes on whichever of them is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from mfnet_lite import world
from mfnet_lite.cli import app
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.distributed import make_fabric
from mfnet_lite.training.log import read_log
from mfnet_lite.training.sampling import PositionSampler
from mfnet_lite.training.state import load_state
from tests.several_processes import ROOT, TIMEOUT, finish, run, start
from tests.training.two_processes import CONFIG, EQUALITY, Stripes, make

SCRIPT = Path(__file__).with_name("two_processes.py")
# Two processes add the same numbers in another order: a few units in the last place, magnified by
# AdamW where a gradient is near zero.
TOLERANCE = {"64-true": 1e-12, "32-true": 1e-5}


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    run(SCRIPT, "equality", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", EQUALITY)
def test_two_processes_equal_one_with_the_same_global_batch(pair, tmp_path, name):
    config = replace(EQUALITY[name], batch=4, accumulate=1, shard_optimizer=False)
    train = Stripes()
    alone = fit(make(), train, Stripes(3), config, tmp_path)
    tolerance = TOLERANCE[config.precision]
    ours, theirs = (load_file(at / "model.safetensors") for at in (tmp_path, pair / name))
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.allclose(value, theirs[key], rtol=0, atol=tolerance), key
    rows, pair_rows = (read_log(at / "log.csv") for at in (tmp_path, pair / name))
    assert len(rows) == len(pair_rows) == config.steps  # one writer
    for one, two in zip(rows, pair_rows, strict=True):
        assert float(one["loss"]) == pytest.approx(float(two["loss"]), abs=2e-6)
        assert float(one["grad_norm"]) == pytest.approx(float(two["grad_norm"]), abs=2e-4)
        assert [one[c] for c in ("val_OA", "val_mIoU")] == [two[c] for c in ("val_OA", "val_mIoU")]
    own = [json.loads((pair / f"{name}{rank}.json").read_text()) for rank in (0, 1)]
    # without duplicates or gaps, each step the samples of the one process
    assert Counter(own[0]["train"] + own[1]["train"]) == Counter(train.seen)
    assert not set(own[0]["val"]) & set(own[1]["val"])
    assert sorted(set(own[0]["val"] + own[1]["val"])) == [0, 1, 2]
    # both know the same loss and the exact scores of all tiles
    for summary in (own[0]["summary"], own[1]["summary"]):
        assert summary["val"] == alone["val"]
        assert summary["loss"] == own[0]["summary"]["loss"]
        assert summary["processes"] == 2


def test_every_step_of_two_processes_has_the_samples_of_one():
    for accumulate in (1, 3):
        alone = list(PositionSampler(7, 4, 0, 6 * accumulate, seed=0))
        two = [
            list(PositionSampler(7, 2, 0, 6 * accumulate, seed=0, rank=rank, world=2))
            for rank in (0, 1)
        ]
        assert alone == [first + second for first, second in zip(*two, strict=True)]


def kill(folder: Path, rank: int, steps: int) -> str:
    """Start two processes, kill one after so many steps; what the other, which ends by itself, says."""
    pair = start(SCRIPT, "hanging", folder, str(rank), str(steps))
    try:
        while not (folder / f"hangs{rank}").exists():
            assert [process.poll() for process in pair] == [None, None], "ended by itself"
            time.sleep(0.05)
    finally:
        pair[rank].kill()
        ended = finish(pair)
    assert ended[1 - rank][0] != 0
    return ended[1 - rank][2]


@pytest.mark.slow
def test_any_process_killed_and_resumed_gives_the_same_weights(pair, tmp_path):
    assert "another of the 2 processes has ended" in kill(tmp_path, 1, steps=4)
    assert load_state(tmp_path / "run" / "state.pt")["progress"]["step"] == 3
    assert "another of the 2 processes has ended" in kill(tmp_path, 0, steps=2)
    run(SCRIPT, "resumed", tmp_path)
    states = [load_state(at / "run" / "state.pt") for at in (pair, tmp_path)]
    for key, value in states[0]["model"].items():
        assert torch.equal(value, states[1]["model"][key]), key
    streams = states[0]["rng_of_processes"]
    assert not torch.equal(streams[0]["cpu"], streams[1]["cpu"])
    rows = [read_log(at / "run" / "log.csv") for at in (pair, tmp_path)]
    assert [row["loss"] for row in rows[0]] == [row["loss"] for row in rows[1]]
    assert [row["val_OA"] for row in rows[0]] == [row["val_OA"] for row in rows[1]]
    left = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert left == ["log.csv", "model.safetensors", "state.pt", "summary.json"]


@pytest.mark.slow
def test_nan_in_one_process_ends_all(pair):
    for rank in (0, 1):
        assert "the loss became nan at step 1" in (pair / f"poisoned{rank}").read_text()


@pytest.mark.slow
def test_one_process_goes_on_where_two_were(pair, tmp_path):
    config = replace(EQUALITY["adamw"], batch=4)
    with pytest.raises(ValueError, match=r"2 samples per step \(1 process.*there were 4"):
        fit(make(), Stripes(), Stripes(3), replace(config, batch=2), pair / "adamw", resume=True)
    summary = fit(make(), Stripes(), Stripes(3), config, pair / "adamw", resume=True)
    assert summary["steps"] == config.steps


def test_devices_must_be_here_and_agree_with_torchrun(monkeypatch):
    with pytest.raises(ValueError, match="devices must be at least 1, got 0"):
        TrainConfig(devices=0)
    for name, value in {
        "TORCHELASTIC_RUN_ID": "test",
        "RANK": "1",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=r"2 processes on each of 2 nodes"):
        make_fabric(replace(CONFIG, devices=3), torch.device("cpu"))
    fabric = make_fabric(CONFIG, torch.device("cpu"))
    assert (fabric.world_size, fabric.global_rank) == (4, 1)


@pytest.mark.slow
def test_the_command_line_starts_its_own_processes(tmp_path):
    world.write_folder(tmp_path / "world", 3, 64, seed=1, quiet=True)
    words = [
        "--model",
        "unetformer",
        "--steps",
        "2",
        "--batch",
        "1",
        "--size",
        "64",
        "--device",
        "cpu",
        "--devices",
        "2",
    ]
    command = [sys.executable, "-m", "mfnet_lite.cli", "train", str(tmp_path / "world"), *words]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "run")],
        env={k: v for k, v in os.environ.items() if "RANK" not in k} | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained unetformer") == 1  # one of them speaks
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["processes"], summary["steps"]) == (2, 2)
    assert len(read_log(tmp_path / "run" / "log.csv")) == 1


def test_dialogues_are_trained_on_one_device(tmp_path):
    arguments = ["train", str(tmp_path), "--model", "earthgpt", "--devices", "2"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "is trained on one device" in result.stderr
