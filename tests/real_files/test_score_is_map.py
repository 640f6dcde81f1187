"""The pixels of a score are those that have data in the map: situations of public threads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.cli.options import NODATA_POLICIES
from mfnet_lite.rasters import WholeTiles, open_dataset, write_raster
from mfnet_lite.rasters.datasets.tile_reader import POLICIES

N = 32
WHERE = {"crs": "EPSG:25832", "transform": Affine(0.25, 0, 500_000, 0, -0.25, 5_800_000)}
SHORT = (
    *("--model", "unet", "--width", 2, "--depth", 2, "--size", 16, "--batch", 1),
    *("--steps", 2, "--device", "cpu"),
)


def call(*arguments: object):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result


def image(gap: slice | None = None) -> np.ndarray:
    array = np.random.default_rng(0).integers(1, 255, (3, N, N), np.uint8)
    if gap is not None:
        array[:, gap] = 0
    return array


def dataset(root: Path) -> Path:
    """Rows 0 to 3 have no image, rows 8 to 15 no height."""
    rng = np.random.default_rng(1)
    for split, name in (("train", "a"), ("train", "b"), ("test", "c")):
        dsm = rng.uniform(100, 110, (N, N)).astype(np.float32)
        dsm[8:16] = -9999
        write_raster(root / split / "image" / f"{name}.tif", image(slice(0, 4)), nodata=0, **WHERE)
        write_raster(root / split / "dsm" / f"{name}.tif", dsm, nodata=-9999, **WHERE)
        write_raster(
            root / split / "label" / f"{name}.tif", rng.integers(0, 2, (N, N), np.uint8), **WHERE
        )
    (root / "dataset.json").write_text(json.dumps({"classes": ["a", "b"]}))
    return root


@pytest.mark.parametrize(("policy", "rows"), [("any", N - 12), ("images", N - 4), ("first", N - 4)])
def test_holes_of_the_heights(tmp_path, policy, rows):
    """NRCan/geo-deep-learning#480: gaps of a surface model."""
    root = dataset(tmp_path / "d")
    call("train", root, "--out", tmp_path / "run", *SHORT, "--nodata-policy", policy)
    scores = json.loads(call("evaluate", tmp_path / "run", root, "--json").stdout)
    assert scores["nodata_policy"] == policy
    assert sum(row["pixels"] for row in scores["per_class"].values()) == rows * N
    tile = open_dataset(root).tiles("test")[0]
    call(
        "predict", tmp_path / "run", "--optical", tile.files["optical"], "--dsm", tile.files["dsm"],
        "--out", tmp_path / "m.tif",
    )  # fmt: skip
    with rasterio.open(tmp_path / "m.tif") as source:
        assert int((source.read(1) != 255).sum()) == rows * N
        assert source.tags()["NODATA_POLICY"] == policy


@pytest.mark.parametrize("date", ["A", "B"])
def test_gaps_of_either_date_are_not_learnt_and_not_scored(tmp_path, date):
    """torchgeo/torchgeo#1400: a model must not be judged where there is no imagery."""
    for k in range(3):
        for other in ("A", "B"):
            gap = slice(0, 8) if other == date else None
            write_raster(tmp_path / "d" / other / f"{k}.tif", image(gap), nodata=0, **WHERE)
        change = np.random.default_rng(k).integers(0, 2, (N, N), np.uint8)
        write_raster(tmp_path / "d" / "label" / f"{k}.tif", change, **WHERE)
    tiles = open_dataset(tmp_path / "d").tiles("train")
    label = WholeTiles(tiles)[0]["label"]
    assert (label[:8] == 255).all()
    assert (label[8:] < 2).all()
    call("train", tmp_path / "d", "--out", tmp_path / "run", *SHORT)
    scores = json.loads(call("evaluate", tmp_path / "run", tmp_path / "d", "--json").stdout)
    assert sum(row["pixels"] for row in scores["per_class"].values()) == 3 * (N - 8) * N
    call(
        "predict", tmp_path / "run", "--before", tmp_path / "d/A/0.tif", "--after", tmp_path / "d/B/0.tif",
        "--out", tmp_path / "m.tif",
    )  # fmt: skip
    with rasterio.open(tmp_path / "m.tif") as source:
        assert int((source.read(1) != 255).sum()) == (N - 8) * N


def test_the_command_line_knows_the_reader_s_policies():
    assert set(NODATA_POLICIES) == set(POLICIES)
