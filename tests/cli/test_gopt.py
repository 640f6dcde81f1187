"""GoPT on the command line: train, evaluate, predict, with and without the other sensor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.runs.folder import load_run
from mfnet_lite.sam import SamConfig, build_sam

SIZES = SamConfig(
    image_size=64, patch_size=8, width=16, depth=2, heads=2, window=4, global_blocks=(1,)
)


def call(*arguments: object):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("gopt") / "world"
    call("world", "make", path, "--tiles", 2, "--size", 64, "--seed", 1)
    return path


@pytest.fixture(scope="module")
def run(folder) -> Path:
    torch.manual_seed(0)
    backbone, out = folder.parent / "sam.pth", folder.parent / "run"
    torch.save(build_sam(SIZES).state_dict(), backbone)
    call(
        "train", folder, "--model", "gopt", "--backbone", backbone, "--sensors", "optical,dsm",
        "--prompters", 1, "--bottleneck", 4, "--groups", 3, "--no-hard", "--head", "linear",
        "--auxiliary", "embed", "--out", out, "--steps", 2, "--batch", 1, "--size", 32,
        "--device", "cpu", "--val-fraction", 0,
    )  # fmt: skip
    return out


def test_the_run_rebuilds_its_network(run):
    config, model = load_run(run)
    options = {"prompters": 1, "bottleneck": 4, "groups": 3, "hard": False}
    assert options.items() <= config.options.items()
    assert model.config.head == "linear"
    assert model.encoder.auxiliary == "embed"
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert {name.rpartition("image_encoder.")[0] for name in frozen} == {"encoder.vit.encoder."}
    from safetensors.torch import load_file

    saved = load_file(run / "model.safetensors")
    assert not frozen & saved.keys()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in saved.items())


def test_scores_and_maps_with_and_without_a_sensor(run, folder, tmp_path):
    both = json.loads(call("evaluate", run, folder, "--json", "--device", "cpu").stdout)
    one = json.loads(call("evaluate", run, folder, "--json", "--sensors", "optical").stdout)
    assert 0 <= both["OA"] <= 1
    assert 0 <= one["OA"] <= 1
    tile = next((folder / "test" / "image").glob("*.tif"))
    height = folder / "test" / "dsm" / tile.name
    call("predict", run, "--optical", tile, "--dsm", height, "--out", tmp_path / "a.tif")
    part = call("predict", run, "--optical", tile, "--out", tmp_path / "b.tif")
    assert "note: no raster was given for dsm; the map is made from optical alone" in part.stderr
    assert (tmp_path / "a.tif").is_file()
    assert (tmp_path / "b.tif").is_file()
