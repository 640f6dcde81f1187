from __future__ import annotations

import numpy as np
import pytest
from rasterio.transform import Affine

from mfnet_lite.rasters import fit_scaling, fit_scaling_from_file, streaming, write_raster

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
    tolerance = np.ptp(dsm[valid]) / streaming.BINS / (whole.high - whole.low)
    exact = name != "robust"
    np.testing.assert_allclose(
        streamed(dsm, valid), whole(dsm, valid), rtol=0, atol=0 if exact else 3 * tolerance
    )
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
