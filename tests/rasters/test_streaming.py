from __future__ import annotations

import numpy as np
import pytest
from rasterio.transform import Affine

from mfnet_lite.rasters import (
    SensorInfo,
    Stretch,
    fit_scaling,
    fit_scaling_from_file,
    interpret,
    read_rgb,
    streaming,
    write_raster,
)

LARGE = (2010, 2100)
"""Rows and columns of a file that is not read at once."""


@pytest.mark.parametrize("name", ["minmax", "robust", "ground"])
def test_strips_give_the_statistics_of_the_whole(tmp_path, name):
    """A file above four million pixels is read in strips, one below as a whole."""
    rng = np.random.default_rng(1)
    dsm = (300 + rng.gamma(2.0, 3.0, LARGE)).astype(np.float32)
    dsm[40:60, 50:90] = -9999
    where = {"crs": "EPSG:25832", "transform": Affine(0.5, 0, 0, 0, -0.5, 0)}
    path = write_raster(tmp_path / "dsm.tif", dsm, nodata=-9999, **where)
    valid = dsm != -9999
    whole = fit_scaling(dsm, valid, name, 0.5)
    streamed = fit_scaling_from_file(path, name)
    assert streamed(dsm, valid).tolist() == whole(dsm, valid).tolist()
    part, known = dsm[:290, :310], valid[:290, :310]
    small = write_raster(tmp_path / "small.tif", part, nodata=-9999, **where)
    at_once = fit_scaling_from_file(small, name)(part, known)
    assert at_once.tolist() == fit_scaling(part, known, name, 0.5)(part, known).tolist()


def test_second_band(tmp_path):
    array = np.stack([np.zeros((4, 4)), np.arange(16.0).reshape(4, 4)]).astype(np.float32)
    path = write_raster(tmp_path / "a.tif", array)
    assert fit_scaling_from_file(path, "minmax", band=2).high == 15


def test_nothing_valid(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.full(LARGE, -1, np.float32), nodata=-1)
    for name in ("minmax", "robust", "ground"):
        assert (fit_scaling_from_file(path, name)(np.ones((30, 30))) == 0).all()


@pytest.mark.parametrize("peak", [5e3, 1e5])
def test_a_bright_pixel_takes_nothing_from_the_others(tmp_path, peak):
    """Radar in linear units: speckle of mean 0.1 and a corner reflector."""
    sar = np.random.default_rng(0).gamma(4, 0.1 / 4, LARGE).astype(np.float32)
    sar[1000, 1000] = peak
    path = write_raster(tmp_path / "sar.tif", sar)
    fitted = fit_scaling_from_file(path, "robust", reading=interpret(path, SensorInfo("sar")))
    np.testing.assert_allclose((fitted.low, fitted.high), np.percentile(sar, (2, 98)), rtol=1e-6)
    # of the gamma distribution of shape 4: quantiles 1.0162 and 9.0841 of its scale
    np.testing.assert_allclose((fitted.low, fitted.high), (0.02541, 0.2271), rtol=0.005)


def test_a_view_with_filled_pixels_is_not_black(tmp_path):
    image = np.random.default_rng(0).uniform(0.02, 0.35, (3, *LARGE)).astype(np.float32)
    image[:, 5, 5:9] = 65535
    path = write_raster(tmp_path / "image.tif", image)
    view, valid = read_rgb(path, Stretch.of(path))
    assert valid.all()
    assert view.mean() == pytest.approx(127.5, abs=1)


TYPES = ("uint8", "int16", "uint16", "int32", "uint32", "int64", "float16", "float32", "float64")


@pytest.mark.parametrize("dtype", TYPES)
def test_percentiles_of_every_type(dtype):
    rng = np.random.default_rng(0)
    values = rng.normal(0, 60, (100, 137))
    values = (np.abs(values) if dtype.startswith("u") else values).astype(dtype)
    valid = rng.random(values.shape) < 0.9
    if dtype.startswith("float"):
        values[0, :3], valid[0, :3] = (-0.0, 6e4, -6e4), True
        values[1, 0], valid[1, 0] = np.nan, False
    at = (0, 2, 50, 98, 100)
    halves = [(values[:50], valid[:50]), (values[50:], valid[50:])]
    found = streaming._percentiles(lambda: halves, at)
    expected = np.percentile(values[valid].astype(np.float64), at)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("size", [(200, 200), LARGE])
def test_few_values_that_differ_are_seen(tmp_path, size):
    """Both percentiles are one value: the scaling is that between the lowest and the highest."""
    heights = np.full(size, 7, np.float32)
    heights[0, :9] = 8
    fitted = fit_scaling_from_file(write_raster(tmp_path / "a.tif", heights), "robust")
    assert (fitted.low, fitted.high) == (7, 8)
    assert fitted(heights).sum() == 9
    flat = fit_scaling_from_file(write_raster(tmp_path / "b.tif", heights[1:]), "robust")
    assert (flat(heights[1:]) == 0).all()
