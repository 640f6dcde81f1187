"""A network of one's own: one config and one module, one line in the registry, and every command knows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.nets import NETWORKS, NetworkConfig
from mfnet_lite.rasters import read_raster
from mfnet_lite.runs.folder import load_run


@dataclass(frozen=True)
class ToyConfig(NetworkConfig):
    """Options of the toy."""

    lr = 1e-2
    crop = 32
    gain: float = field(default=1.0, metadata={"help": "How loud the toy speaks."})

    def build(self, sensors: Mapping[str, int], num_classes: int) -> nn.Module:
        return Toy(sensors, num_classes, **self.without())


class Toy(nn.Module):
    def __init__(self, sensors: Mapping[str, int], num_classes: int, gain: float) -> None:
        super().__init__()
        self.sensors, self.gain = tuple(sensors), gain
        self.layer = nn.Conv2d(sum(sensors.values()), num_classes, 3, padding=1)

    def forward(self, sample: Mapping[str, Tensor]) -> Tensor:
        return self.gain * self.layer(torch.cat([sample[name] for name in self.sensors], dim=1))


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(NETWORKS, "toy", ToyConfig)


def call(*arguments: object):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(a) for a in arguments])


def test_it_is_listed_with_its_option():
    text = call("train", "--help").output
    assert "Options of toy" in text
    assert "--gain" in text
    assert "How loud the toy speaks." in text
    assert "toy 32" in text  # the crops it wants
    assert "toy" in call("info").stdout


def test_it_trains_evaluates_reloads_and_predicts(tmp_path: Path):
    world, run = tmp_path / "world", tmp_path / "run"
    assert call("world", "make", world, "--tiles", 3, "--size", 64, "--seed", 1).exit_code == 0
    few = ["--steps", 2, "--batch", 2, "--device", "cpu"]
    trained = call("train", world, "--model", "toy", "--gain", 2.5, "--out", run, *few)
    assert trained.exit_code == 0, trained.output
    assert "trained toy on optical, dsm" in trained.stdout
    said = json.loads((run / "config.json").read_text())
    assert (said["model"], said["options"], said["size"]) == ("toy", {"gain": 2.5}, 32)
    assert said["train"]["lr"] == 1e-2
    config, model = load_run(run)
    assert isinstance(model, Toy)
    assert model.gain == 2.5
    assert config.network == ToyConfig(gain=2.5)
    scores = json.loads(call("evaluate", run, world, "--json", "--device", "cpu").stdout)
    assert 0 <= scores["OA"] <= 1
    tile = next((world / "test" / "image").glob("*.tif"))
    rasters = ["--optical", tile, "--dsm", world / "test" / "dsm" / tile.name]
    mapped = call("predict", run, *rasters, "--out", tmp_path / "map.tif", "--device", "cpu")
    assert mapped.exit_code == 0, mapped.output
    assert read_raster(tmp_path / "map.tif").array.shape == (1, 64, 64)
    other = call("train", world, "--gain", 2, "--out", tmp_path / "unet", *few)
    assert other.exit_code == 1
    assert "--gain is no option of unet, it belongs to toy" in other.stderr
    missing = call("predict", run, "--optical", tile, "--out", tmp_path / "x.tif")
    assert "no raster was given for dsm" in missing.stderr


@dataclass(frozen=True)
class Clash(NetworkConfig):
    """An option with a name that another network gives to a number."""

    rank: str = field(default="first", metadata={"help": "Of an officer."})


@dataclass(frozen=True)
class Steps(NetworkConfig):
    """An option with a name that the training has."""

    steps: int = field(default=3, metadata={"help": "Of a stair."})


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Clash, "option rank has another type"), (Steps, "two options are called --steps")],
)
def test_names_that_clash_are_told(monkeypatch, kind, words):
    monkeypatch.setitem(NETWORKS, "clash", kind)
    result = call("train", "--help")
    assert isinstance(result.exception, ValueError)
    assert words in str(result.exception)
