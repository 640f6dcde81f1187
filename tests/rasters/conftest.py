"""A small dataset in the folder layout, made anew for each test that damages it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import Affine

from mfnet_lite.rasters import write_raster

SIZE = (40, 48)
CLASSES = ["road", "building", "tree"]


def place(index: int):
    return Affine(0.25, 0, 500_000 + 100 * index, 0, -0.25, 5_800_000)


def write_tile(folder: Path, stem: str, index: int, size=SIZE) -> None:
    rng = np.random.default_rng(index)
    where = {"crs": "EPSG:25832", "transform": place(index)}
    image = rng.integers(1, 255, (4, *size), dtype=np.uint8)
    dsm = rng.uniform(100, 110, size).astype(np.float32)
    label = rng.integers(0, 3, size, dtype=np.uint8)
    label[:4] = 255
    write_raster(folder / "image" / f"{stem}.tif", image, **where)
    write_raster(folder / "dsm" / f"{stem}.tif", dsm, nodata=-9999, **where)
    write_raster(folder / "label" / f"{stem}.tif", label, **where)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Five training and two test tiles of 40 x 48 pixels: R, G, B, NIR; elevation; three classes."""
    root = tmp_path / "data"
    for index in range(5):
        write_tile(root / "train", f"t{index}", index)
    for index in range(2):
        write_tile(root / "test", f"s{index}", 10 + index)
    (root / "dataset.json").write_text(json.dumps({"classes": CLASSES, "ignore_index": 255}))
    return root
