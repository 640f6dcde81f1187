from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.rasters import read_raster, write_raster


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
        ("a.tif", (2, 4, 4), {"descriptions": ["x"]}, r"expected 2 band name\(s\), got 1"),
    ],
)
def test_refusals(tmp_path, name, shape, options, message):
    with pytest.raises(ValueError, match=message):
        write_raster(tmp_path / name, np.zeros(shape, np.uint8), **options)
    assert not list(tmp_path.iterdir())
