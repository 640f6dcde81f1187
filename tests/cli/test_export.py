"""``mfnet-lite export``: networks of runs and SAMs as ONNX files, and what is refused in one sentence."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import write_raster
from mfnet_lite.runs.folder import load_run
from mfnet_lite.sam import build_sam
from mfnet_lite.utils.onnx_files import open_onnx
from mfnet_lite.world.plates import make_plate_image
from tests.small_sam import FOUR_LEVELS

EXTRA = "needs onnx, onnxscript and onnxruntime (the extra onnx)"
FEW = ["--steps", "1", "--batch", "1", "--size", "64", "--device", "cpu", "--val-fraction", "0"]
NETWORKS = {
    "unet": [],
    "mfnet": ["--rank", "2"],
    "gopt": ["--prompters", "2"],
    "samlp": ["--rank", "2", "--sensors", "optical"],
    "sam_cd": [],
}


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line


@pytest.fixture
def onnx():
    for name in ("onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason=EXTRA)
    return pytest.importorskip("onnx", reason=EXTRA)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("export")
    torch.save(build_sam(FOUR_LEVELS, seed=0).state_dict(), path / "sam.pth")
    for name, more in (("world", []), ("pairs", ["--pairs"])):
        made = call("world", "make", path / name, "--tiles", 2, "--size", 64, "--seed", 1, *more)
        assert made.exit_code == 0, made.output
    for split, seed in (("train", 3), ("test", 8)):
        image = make_plate_image(seed, 64)
        folder = path / "plates" / split
        write_raster(folder / "image" / "a.tif", image.image)
        write_raster(folder / "label" / "a.tif", image.plate[None].astype(np.uint8))
    return path


@pytest.fixture(params=NETWORKS)
def run(request, data) -> Path:
    name, out = request.param, data / request.param
    backbone = [] if name == "unet" else ["--backbone", data / "sam.pth"]
    folder = data / {"sam_cd": "pairs", "samlp": "plates"}.get(name, "world")
    words = [folder, "--model", name, *backbone, *NETWORKS[name], *FEW, "--out", out]
    result = call("train", *words)
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.slow
@torch.no_grad()
def test_the_file_maps_other_inputs_as_the_network_does(run, onnx, tmp_path):
    file = tmp_path / "net.onnx"
    result = call("export", run, "--onnx", file, "--size", 64)
    assert result.exit_code == 0, result.output
    assert f"wrote {file}: " in result.stdout
    assert "onnxruntime agrees with PyTorch: largest difference" in result.stdout
    config, model = load_run(run)
    model.eval()
    session = open_onnx(file)
    assert [entry.name for entry in session.get_inputs()] == list(config.channels)
    maps = {name: torch.rand(1, bands, 64, 64) for name, bands in config.channels.items()}
    (found,) = session.run(["logits"], {name: x.numpy() for name, x in maps.items()})
    np.testing.assert_allclose(found, model(maps).numpy(), atol=1e-3)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == list(config.classes)
    assert told["model"] == config.model


@pytest.mark.slow
def test_a_sam_becomes_two_files(data, onnx, tmp_path):
    result = call("export", data / "sam.pth", "--onnx", tmp_path / "small.onnx")
    assert result.exit_code == 0, result.output
    assert {f.name for f in tmp_path.iterdir()} == {"small_encoder.onnx", "small_decoder.onnx"}
    assert result.stdout.count("wrote ") == 2


def test_what_cannot_be_exported_is_one_sentence(data, tmp_path, monkeypatch):
    refused(call("export", "tiny", "--onnx", tmp_path / "sam.pt"), "ends in .onnx")
    refused(call("export", "nothing", "--onnx", tmp_path / "a.onnx"), "neither a known model")
    refused(call("export", data, "--onnx", tmp_path / "a.onnx"), "config.json does not exist")
    refused(call("export", "tiny", "--onnx", tmp_path / "a.onnx", "--size", 0), "--size")
    refused(call("export", "tiny", "--onnx", tmp_path / "a.onnx", "--size", 100), "multiple")
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused(
        call("export", data / "sam.pth", "--onnx", tmp_path / "a.onnx"),
        'pip install "mfnet-lite[onnx]"',
    )
    assert list(tmp_path.iterdir()) == []
