"""Old spellings of options still work, and say how they are spelled now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.cli.spellings import RENAMED, modern

FEW = ["--steps", 1, "--size", 32, "--batch", 1, "--width", 2, "--depth", 1, "--device", "cpu"]


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def warned(result, old: str, new: str) -> None:
    assert result.exit_code == 0, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert lines == [f"warning: {old} is now called {new}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("spellings") / "world"
    new = ("--parameter", "noise=0", "--parameter=haze=0")
    made = call("world", "make", path, "--tiles", 3, "--size", 64, "--seed", 1, *new)
    assert made.exit_code == 0
    assert "warning" not in made.stderr
    return path


@pytest.fixture(scope="module")
def run(folder) -> Path:
    out = folder.parent / "run"
    result = call("train", folder, "--out", out, *FEW, "--jitter", 0, "--nodata-policy", "first")
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr
    return out


def test_knobs_of_the_world(tmp_path):
    old = ("--knob", "noise=0", "--knob=haze=0")
    made = call("world", "make", tmp_path / "w", "--tiles", 1, "--size", 64, *old)
    warned(made, "--knob", "--parameter")


def test_pictures_of_plates(tmp_path):
    made = call("world", "plates", tmp_path / "p", "--pictures", 3, "--size", 64)
    warned(made, "--pictures", "--images")
    assert "wrote 3 images" in made.stdout


@pytest.mark.parametrize(
    ("old", "new"), [(("--light", 0), "--jitter"), (("--holes", "first"), "--nodata-policy")]
)
def test_training(folder, run, tmp_path, old, new):
    rest = {"--jitter": ("--nodata-policy", "first"), "--nodata-policy": ("--jitter", 0)}[new]
    result = call("train", folder, "--out", tmp_path / "run", *FEW, *old, *rest)
    warned(result, old[0], new)
    one, other = (
        json.loads((path / "config.json").read_text()) for path in (run, tmp_path / "run")
    )
    assert (one["train"]["light"], one["holes"]) == (0, "first")  # keys of the file stay
    assert one == other


def test_scores_and_maps(folder, run, tmp_path):
    result = call("evaluate", run, folder, "--json", "--holes=any")
    warned(result, "--holes", "--nodata-policy")
    assert json.loads(result.stdout)["nodata_policy"] == "any"
    tile = next((folder / "test" / "image").glob("*.tif"))
    rasters = ["--optical", tile, "--dsm", folder / "test" / "dsm" / tile.name]
    result = call("predict", run, *rasters, "--out", tmp_path / "m.tif", "--holes", "images")
    warned(result, "--holes", "--nodata-policy")


def test_every_old_spelling_is_tested():
    assert {old for table in RENAMED.values() for old in table} == {
        "--holes",
        "--light",
        "--knob",
        "--pictures",
    }


def test_old_spellings_are_not_in_the_help_and_values_are_left_alone(capsys):
    for command in (["train"], ["evaluate"], ["predict"], ["world", "make"], ["world", "plates"]):
        text = call(*command, "--help").output
        assert not any(old in text for old in RENAMED[command[-1]])
    assert modern("train", ["--", "--light"]) == ["--", "--light"]
    assert capsys.readouterr().err == ""
