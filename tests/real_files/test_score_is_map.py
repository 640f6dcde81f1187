"""The pixels of a score are those that have data in the map: situations of public threads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from mfnet_lite.cli.options import NODATA_POLICIES
from mfnet_lite.rasters import WholeTiles, open_dataset
from mfnet_lite.rasters.datasets.tile_reader import POLICIES
from tests.real_files.makers import SHORT, succeeded, three_tiles, tif

N = 32


def image(gap: slice | None = None) -> np.ndarray:
    array = np.random.default_rng(0).integers(1, 255, (3, N, N), np.uint8)
    if gap is not None:
        array[:, gap] = 0
    return array


def dataset(root: Path) -> Path:
    """Rows 0 to 3 have no image, rows 8 to 15 no height."""
    rng = np.random.default_rng(1)

    def write(folder: Path, name: str, _: int) -> None:
        dsm = rng.uniform(100, 110, (N, N)).astype(np.float32)
        dsm[8:16] = -9999
        tif(folder / "image" / name, image(slice(0, 4)), nodata=0)
        tif(folder / "dsm" / name, dsm, nodata=-9999)
        tif(folder / "label" / name, rng.integers(0, 2, (N, N), np.uint8))

    return three_tiles(root, write, {"classes": ["a", "b"]})


@pytest.mark.parametrize(("policy", "rows"), [("any", N - 12), ("images", N - 4), ("first", N - 4)])
def test_holes_of_the_heights(tmp_path, policy, rows):
    """NRCan/geo-deep-learning#480: gaps of a surface model."""
    root = dataset(tmp_path / "d")
    succeeded("train", root, "--out", tmp_path / "run", *SHORT, "--nodata-policy", policy)
    scores = json.loads(succeeded("evaluate", tmp_path / "run", root, "--json").stdout)
    assert scores["nodata_policy"] == policy
    assert sum(row["pixels"] for row in scores["per_class"].values()) == rows * N
    tile = open_dataset(root).tiles("test")[0]
    succeeded(
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
            tif(tmp_path / "d" / other / f"{k}.tif", image(gap), nodata=0)
        change = np.random.default_rng(k).integers(0, 2, (N, N), np.uint8)
        tif(tmp_path / "d" / "label" / f"{k}.tif", change)
    tiles = open_dataset(tmp_path / "d").tiles("train")
    label = WholeTiles(tiles)[0]["label"]
    assert (label[:8] == 255).all()
    assert (label[8:] < 2).all()
    succeeded("train", tmp_path / "d", "--out", tmp_path / "run", *SHORT)
    scores = json.loads(succeeded("evaluate", tmp_path / "run", tmp_path / "d", "--json").stdout)
    assert sum(row["pixels"] for row in scores["per_class"].values()) == 3 * (N - 8) * N
    succeeded(
        "predict", tmp_path / "run", "--before", tmp_path / "d/A/0.tif", "--after", tmp_path / "d/B/0.tif",
        "--out", tmp_path / "m.tif",
    )  # fmt: skip
    with rasterio.open(tmp_path / "m.tif") as source:
        assert int((source.read(1) != 255).sum()) == (N - 8) * N


def test_the_command_line_knows_the_reader_s_policies():
    assert set(NODATA_POLICIES) == set(POLICIES)
