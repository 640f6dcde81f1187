"""MFuser on the command line: train, evaluate and predict, also for other words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rasterio
import torch
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.runs.folder import load_run
from mfnet_lite.sam import SamConfig, build_sam

SIZES = SamConfig(
    image_size=64, patch_size=8, width=16, depth=2, heads=2, window=4, global_blocks=(1,)
)


def call(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("words") / "world"
    call("world", "make", path, "--tiles", 2, "--size", 64, "--seed", 1)
    return path


@pytest.fixture(scope="module")
def backbone(folder) -> Path:
    torch.manual_seed(0)
    path = folder.parent / "sam.pth"
    torch.save(build_sam(SIZES).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def run(folder, backbone) -> Path:
    out = folder.parent / "run"
    call(
        "train", folder, "--model", "mfuser", "--backbone", backbone, "--sensors", "optical",
        "--fusers", 1, "--direction", "both", "--width", 16, "--decoder-layers", 1, "--prompts", 2,
        "--out", out, "--steps", 2, "--batch", 1, "--size", 32, "--device", "cpu", "--val-fraction", 0,
    )  # fmt: skip
    return out


@pytest.fixture(scope="module")
def tile(folder) -> Path:
    return next((folder / "test" / "image").glob("*.tif"))


def test_the_run_keeps_the_words_of_its_classes(run):
    config, model = load_run(run)
    assert config.options["words"][0][:2] == ["road", "street"]
    assert model.words[5] == ("other things", "background", "rubble", "objects")
    assert {"fusers": 1, "direction": "both", "width": 16}.items() <= config.options.items()


def test_scores_in_the_usual_and_in_other_words(run, folder):
    usual = json.loads(call("evaluate", run, folder, "--json", "--device", "cpu").stdout)
    words = "pavement, dwelling, turf, oak, automobile, debris"
    other = json.loads(call("evaluate", run, folder, "--json", "--classes", words).stdout)
    assert usual["per_class"].keys() == other["per_class"].keys()
    assert other["words"]["building"] == "dwelling"
    assert "words" not in usual


def test_map_of_other_classes(run, tile, tmp_path):
    out = tmp_path / "map.tif"
    call(
        "predict",
        run,
        "--optical",
        tile,
        "--classes",
        "roof, meadow|lawn, parked car",
        "--out",
        out,
    )
    with rasterio.open(out) as map_:
        values = set(map_.read(1).flatten().tolist())
        assert values <= {0, 1, 2}
        assert "roof, meadow, parked car" in str(map_.tags()) or "meadow" in str(map_.tags())
        assert map_.colormap(1)[0] != map_.colormap(1)[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [("roof,,car", "hold an empty one"), ("roof, roof", "occurs twice")],
)
def test_words_that_are_none(run, tile, tmp_path, words, message):
    out = tmp_path / "map.tif"
    result = call("predict", run, "--optical", tile, "--classes", words, "--out", out, code=1)
    assert message in result.stderr
    assert not out.exists()


def test_words_for_another_number_of_classes(run, folder):
    result = call("evaluate", run, folder, "--classes", "roof, car", code=1)
    assert "expected words for the 6 classes impervious surfaces, building" in result.stderr


def test_a_network_without_words(folder, tile, tmp_path):
    out = tmp_path / "unet"
    call(
        "train", folder, "--model", "unet", "--sensors", "optical", "--out", out, "--steps", 1,
        "--batch", 1, "--size", 32, "--device", "cpu", "--val-fraction", 0,
    )  # fmt: skip
    result = call(
        "predict", out, "--optical", tile, "--classes", "roof", "--out", tmp_path / "m.tif", code=1
    )
    assert "holds the network unet, which reads no words" in result.stderr
    assert "--model mfuser" in result.stderr


def test_a_second_sensor_is_told(folder, backbone, tmp_path):
    result = call(
        "train", folder, "--model", "mfuser", "--backbone", backbone, "--out", tmp_path / "run",
        "--steps", 1, "--device", "cpu", "--val-fraction", 0, code=1,
    )  # fmt: skip
    assert "MFuser reads one sensor, got" in result.stderr
    assert "--sensors optical" in result.stderr
