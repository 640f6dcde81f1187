"""``train --mixing-lr``: mixing weights learn at their own rate, or nothing is written at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.sam import build_sam
from mfnet_lite.training.state import load_state
from tests.small_sam import FOUR_LEVELS

SHORT = ("--steps", 2, "--size", 32, "--batch", 1, "--device", "cpu", "--rank", 2)


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def mfnet(tmp_path_factory) -> tuple[object, ...]:
    """The words that train a small MFNet on two small tiles."""
    path = tmp_path_factory.mktemp("mixing")
    assert call("world", "make", path / "world", "--tiles", 2, "--size", 64).exit_code == 0
    torch.save(build_sam(FOUR_LEVELS, seed=0).state_dict(), path / "sam.pth")
    return "train", path / "world", "--model", "mfnet", "--backbone", path / "sam.pth", *SHORT


def mixed(run: Path) -> torch.Tensor:
    weights = load_file(run / "model.safetensors")
    return torch.stack([value for name, value in weights.items() if name.endswith(".mix")])


def test_ten_times_the_rate_moves_them_further(mfnet, tmp_path):
    moved = []
    for name, words in (("usual", ()), ("faster", ("--mixing-lr", 10))):
        result = call(*mfnet, "--out", tmp_path / name, *words)
        assert result.exit_code == 0, result.output
        moved.append((mixed(tmp_path / name) - 0.5).abs().max())
    assert moved[1] > 3 * moved[0] > 0
    config = json.loads((tmp_path / "faster" / "config.json").read_text(encoding="utf-8"))
    assert config["train"]["mixing_lr"] == 10


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mixing-lr", 10, "--tuning", "lora"), "no mixing weights to train: expected MMLoRA or"),
        (("--mixing-lr", 10, "--sensors", "optical"), "no mixing weights to train"),
        (("--mixing-lr", 0), "mixing_lr, a multiple of lr, must be positive"),
    ],
)
def test_it_is_refused_where_nothing_would_learn_at_it(mfnet, tmp_path, words, said):
    result = call(*mfnet, "--out", tmp_path / "run", *words)
    assert result.exit_code == 1
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_knew_no_such_rate_goes_on(mfnet, tmp_path):
    run = tmp_path / "run"
    assert call(*mfnet, "--out", run).exit_code == 0
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    del config["train"]["mixing_lr"]
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    state = load_state(run / "state.pt")
    del state["config"]["mixing_lr"]
    torch.save(state, run / "state.pt")
    again = *mfnet, "--out", run, "--resume"
    result = call(*again)
    assert result.exit_code == 0, result.output
    other = call(*again, "--mixing-lr", 10)
    assert other.exit_code == 1
    assert "mixing_lr was 1.0 and is now 10.0" in other.stderr
