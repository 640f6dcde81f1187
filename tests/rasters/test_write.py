from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.rasters import open_raster, read_raster, write_raster


def test_bool_is_stored_as_bytes(tmp_path):
    raster = read_raster(write_raster(tmp_path / "a.tif", np.eye(3, dtype=bool)))
    assert raster.array.dtype == np.uint8
    assert raster.array.sum() == 3


@pytest.mark.parametrize(
    ("name", "shape", "options", "message"),
    [
        ("a.png", (4, 4), {}, "ending in .tif"),
        ("a.tif", (4,), {}, r"got shape \(4,\)"),
        ("a.tif", (1, 0, 4), {}, "with pixels in it"),
        ("a.tif", (2, 4, 4), {"palette": [(0, 0, 0)]}, "one band of uint8, got 2"),
        ("a.tif", (2, 4, 4), {"descriptions": ["x"]}, r"expected 2 band names, got 1"),
    ],
)
def test_refusals(tmp_path, name, shape, options, message):
    with pytest.raises(ValueError, match=message):
        write_raster(tmp_path / name, np.zeros(shape, np.uint8), **options)
    assert not list(tmp_path.iterdir())


def blobs(side: int = 512) -> np.ndarray:
    """Ids of round objects, none of which has a neighbour's number."""
    y, x = np.mgrid[:side, :side]
    cells = (y // 32) * (side // 32) + x // 32
    inside = (y % 32 - 16) ** 2 + (x % 32 - 16) ** 2 < 150
    shuffled = np.random.default_rng(0).permutation(cells.max() + 1) + 1
    return np.where(inside, shuffled[cells], 0).astype(np.int32)


def test_maps_of_ids_are_smaller_without_a_predictor(tmp_path):
    ids = blobs()
    named = write_raster(tmp_path / "ids.tif", ids, categorical=True)
    measured = write_raster(tmp_path / "numbers.tif", ids)
    assert (read_raster(named).array[0] == ids).all()
    assert named.stat().st_size < measured.stat().st_size
    flags = write_raster(tmp_path / "flags.tif", ids > 0)
    assert flags.stat().st_size <= write_raster(tmp_path / "f.tif", (ids > 0) + 0).stat().st_size


def test_measurements_keep_their_predictor(tmp_path):
    slope = np.add.outer(np.arange(512), np.arange(512)).astype(np.int32)
    measured = write_raster(tmp_path / "slope.tif", slope)
    named = write_raster(tmp_path / "ids.tif", slope, categorical=True)
    assert measured.stat().st_size < 0.6 * named.stat().st_size


@pytest.mark.parametrize(
    ("dtype", "predictor"), [("int64", "1"), ("uint64", "1"), ("int32", "2"), ("float64", "3")]
)
def test_wide_integers_have_no_predictor_that_older_readers_lack(tmp_path, dtype, predictor):
    path = write_raster(tmp_path / "x.tif", np.arange(16).reshape(4, 4).astype(dtype))
    with open_raster(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR", "1") == predictor
