"""What is known to be missing does not decide what the values of an image mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from mfnet_lite.rasters import write_raster
from mfnet_lite.rasters.check.inspection import inspect_sensor
from mfnet_lite.rasters.interpretation.interpret import interpret, interpret_for_view
from mfnet_lite.rasters.tiles import SensorInfo

RNG = np.random.default_rng(0)
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 5e5, 0, -1, 5e6)}
REFLECTANCE = RNG.uniform(0.05, 0.4, (3, 64, 64)).astype(np.float32)


def filled(path: Path, values: np.ndarray, filler: float) -> Path:
    """An image whose first twenty rows hold a filler in all bands, which the file does not declare."""
    values = values.copy()
    values[:, :20] = filler
    return write_raster(path, values, **PLACE)


@pytest.mark.parametrize(
    ("factor", "dtype", "filler", "scale"),
    [
        (1, "float32", -1, None),
        (1, "float32", -9999, None),
        (1, "float32", 65535, None),
        (10_000, "float32", 65535, 10_000),
        (10_000, "float32", -1, 10_000),
        (10_000, "uint16", 65535, 10_000),
        (10_000, "int16", -1, 10_000),
        (100, "uint8", 255, 100),
    ],
)
def test_a_stated_filler_is_no_value(tmp_path, factor, dtype, filler, scale):
    path = filled(tmp_path / "a.tif", (REFLECTANCE * factor).astype(dtype), filler)
    sensor = SensorInfo("optical", nodata=filler, scale=scale)
    reading = interpret(path, sensor)
    assert (reading.divisor, reading.nodata) == (factor, filler)
    assert not reading.remarks
    inspected, problems = inspect_sensor(path, sensor, 3)
    assert inspected is not None
    assert not problems


def test_a_filler_that_nobody_states_is_asked_about_as_before(tmp_path):
    path = filled(tmp_path / "a.tif", REFLECTANCE, -1)
    for nodata in (None, -2.0):
        with pytest.raises(ValueError, match="values down to -1: expected 0 to 1"):
            interpret(path, SensorInfo("optical", nodata=nodata))
    path = filled(tmp_path / "b.tif", REFLECTANCE, -9999)
    assert interpret(path, SensorInfo("optical")).codes == (-9999,)


@pytest.mark.parametrize("filler", [-7.0, 5000.0, -9999.0])
def test_what_transparent_pixels_hold_is_no_value(tmp_path, filler):
    values = np.concatenate([REFLECTANCE, np.ones((1, 64, 64), np.float32)])
    values[:3, :20], values[3, :20] = filler, 0
    path = write_raster(tmp_path / "a.tif", values, **PLACE)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    reading = interpret(path, SensorInfo("optical"))
    assert (reading.bands, reading.alpha, reading.divisor) == ((1, 2, 3), 4, 1)
    assert not reading.codes
    assert not reading.faults
    assert not interpret_for_view(path).codes
