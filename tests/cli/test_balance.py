"""``train --class-balance``: other weights of classes make another network, and a run remembers them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.cli.balance import BalanceOptions
from mfnet_lite.losses import AssistedLoss, BalancedLoss

SMALL = ("--steps", 3, "--size", 32, "--batch", 2, "--device", "cpu", "--sensors", "optical")
UNET = ("--width", 2, "--depth", 2)


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("balance") / "world"
    assert call("world", "make", path, "--tiles", 3, "--size", 64, "--seed", 1).exit_code == 0
    return path


def head(run: Path) -> torch.Tensor:
    return load_file(run / "model.safetensors")["head.weight"]


def test_a_run_with_balance(folder, tmp_path):
    for name, extra in {
        "plain": (),
        "zero": ("--class-balance", 0),
        "half": ("--class-balance", 0.5),
        "objects": ("--class-balance", 0.5, "--objects", "instances", "--object-weight", 0,
                    "--boundary-weight", 0),
    }.items():  # fmt: skip
        result = call("train", folder, "--out", tmp_path / name, *SMALL, *UNET, *extra)
        assert result.exit_code == 0, result.output
    assert torch.equal(head(tmp_path / "plain"), head(tmp_path / "zero"))
    assert not torch.equal(head(tmp_path / "plain"), head(tmp_path / "half"))
    assert torch.equal(head(tmp_path / "half"), head(tmp_path / "objects"))
    told = json.loads((tmp_path / "half" / "config.json").read_text())["train"]
    assert told["class_balance"] == 0.5
    assert (
        "class_balance" not in json.loads((tmp_path / "plain" / "config.json").read_text())["train"]
    )
    again = call("train", folder, "--out", tmp_path / "half", *SMALL, *UNET, "--resume")
    assert again.exit_code == 1
    assert "class_balance was 0.5 and is now None" in again.stderr


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (("--class-balance", -1), "--class-balance must lie in 0…1, got -1.0"),
        (("--class-balance", "nan"), "--class-balance must lie in 0…1, got nan"),
        (
            ("--class-balance", 1, "--model", "mfuser"),
            "--class-balance does not fit mfuser, which",
        ),
    ],
)
def test_mistakes(folder, tmp_path, extra, words):
    result = call("train", folder, "--out", tmp_path / "run", *SMALL, *extra)
    assert result.exit_code == 1, result.output
    assert words in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_weights_come_from_the_training_tiles():
    assert BalanceOptions().weighted(None, [1, 1], 255) is None
    kept = BalanceOptions().weighted(AssistedLoss(), [1, 1], 7)
    assert kept == AssistedLoss(ignore_index=7)
    assert BalanceOptions(1.0).weighted(None, [3, 1], 7) == BalancedLoss((2 / 3, 2.0), 7)
    both = BalanceOptions(1.0).weighted(AssistedLoss(), [3, 1], 7)
    assert both == AssistedLoss(ignore_index=7, class_weights=(2 / 3, 2.0))
