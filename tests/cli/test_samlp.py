"""SamLP on the command line: any folder whose label has two classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import write_raster
from mfnet_lite.runs.folder import load_run
from mfnet_lite.world.plates.image import make_plate_image

from .test_mfnet import FEW, refused, write_backbone


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two plate images in the layout of all other datasets."""
    root = tmp_path_factory.mktemp("samlp") / "plates"
    for split, seed in (("train", 3), ("test", 8)):
        image = make_plate_image(seed, 64)
        write_raster(root / split / "image" / "a.tif", image.image)
        write_raster(root / split / "label" / "a.tif", image.plate[None].astype(np.uint8))
    (root / "dataset.json").write_text(json.dumps({"classes": ["elsewhere", "plate"]}))
    return root


def test_train_evaluate_predict(folder, tmp_path):
    run = tmp_path / "run"
    trained = call(
        "train", folder, "--model", "samlp", "--rank", 2, "--out", run,
        "--backbone", write_backbone(tmp_path / "sam.pth", 0), *FEW,
    )  # fmt: skip
    assert trained.exit_code == 0, trained.output
    config, model = load_run(run)
    assert config.options["rank"] == 2
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 2 * (2 * 4 * 16 + 5888)
    scores = json.loads(call("evaluate", run, folder, "--json", "--device", "cpu").stdout)
    assert 0 <= scores["OA"] <= 1
    tile = folder / "test" / "image" / "a.tif"
    assert call("predict", run, "--optical", tile, "--out", tmp_path / "map.tif").exit_code == 0
    with Image.open(tmp_path / "map.tif") as found:  # photographs lie nowhere on Earth
        assert set(np.unique(np.asarray(found))) <= {0, 1}
        assert found.size == (64, 64)


def test_other_classes_are_refused(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    (other / "dataset.json").write_text(json.dumps({"classes": ["a", "b", "c"]}))
    result = call("train", other, "--model", "samlp", "--out", tmp_path / "run", *FEW)
    refused(result, "samlp finds one thing", "3 classes")
