"""A nodata value per band: each band is judged by its own, and only the bands that are read count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from mfnet_lite.rasters import (
    LabelCoding,
    Window,
    describe_elevation,
    fit_scaling_from_file,
    raster_info,
    read_raster,
    write_raster,
)
from mfnet_lite.rasters.check.inspection import inspect_sensor
from mfnet_lite.rasters.datasets.tile_reader import TileReader
from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.raster import band_mask, shared_nodata
from mfnet_lite.rasters.rgb import Stretch, read_rgb
from mfnet_lite.rasters.tiles import DatasetInfo, SensorInfo, Tile

SIDE = 32
PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(1, 0, 5e5, 0, -1, 5e6)}
GOOD = np.random.default_rng(0).uniform(0.05, 0.4, (SIDE, SIDE)).astype(np.float32)
IN_BAND_2 = np.ones((SIDE, SIDE), bool)
IN_BAND_2[:8] = False
IN_BOTH = np.ones((SIDE, SIDE), bool)
IN_BOTH[:4] = False


def stacked(folder: Path, *bands: tuple[np.ndarray, float | None]) -> Path:
    """A VRT whose bands have nodata values of their own."""
    parts = []
    for number, (array, nodata) in enumerate(bands, 1):
        source = write_raster(folder / f"{number}.tif", array, **PLACE)
        declared = "" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>"
        parts.append(
            f'<VRTRasterBand dataType="Float32" band="{number}">{declared}<SimpleSource>'
            f'<SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
        )
    path = folder / "all.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}"><SRS>EPSG:32633</SRS>'
        f"<GeoTransform>500000, 1, 0, 5000000, 0, -1</GeoTransform>{''.join(parts)}</VRTDataset>"
    )
    return path


@pytest.fixture
def vrt(tmp_path: Path) -> Path:
    """Band 1 lacks four rows (-1), band 2 the same and four more (-99); -1 in band 2 is a measurement."""
    one, two = GOOD.copy(), GOOD.copy()
    one[:4], two[:8] = -1, -99
    return stacked(tmp_path, (one, -1), (two, -99))


CASES = [((1,), IN_BOTH), ((2,), IN_BAND_2), ((1, 2), IN_BOTH), ((2, 1), IN_BOTH)]


@pytest.mark.parametrize(("bands", "right"), CASES)
def test_what_is_read_decides(vrt, bands, right):
    raster = read_raster(vrt, bands=bands)
    np.testing.assert_array_equal(raster.valid, right)
    assert raster.nodata == {(1,): -1, (2,): -99}.get(bands)
    part = Window(2, 3, 9, 10)
    np.testing.assert_array_equal(read_raster(vrt, part, bands).valid, right[part.slices])
    np.testing.assert_array_equal(read_raster(vrt).valid, IN_BOTH)


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize(
    ("name", "bands", "right"),
    [("sar", *case) for case in CASES] + [("optical", *case) for case in CASES[:2]],
)
def test_samples_and_their_scaling(vrt, name, cache, bands, right):
    sensor = SensorInfo(name, select=bands)
    tile = Tile("a", {name: vrt}, None, DatasetInfo((), LabelCoding(1), {name: sensor}))
    reader = TileReader((name,))
    if cache:
        reader.preload(tile)
    patch = reader.patch(tile, Window(-2, 0, SIDE + 2, SIDE))
    np.testing.assert_array_equal(patch.valid[2:], right)
    low, high = np.percentile(GOOD[IN_BAND_2], (2, 98))
    if name == "sar" and bands[0] == 2:  # stretched by what band 2 measured
        wanted = np.clip((GOOD - low) / (high - low), 0, 1)
        np.testing.assert_allclose(patch.arrays[name][0, 2:][IN_BAND_2], wanted[IN_BAND_2], 1e-4)


def test_scaling_check_and_view_of_one_band(vrt):
    assert fit_scaling_from_file(vrt, "minmax", band=2).low == GOOD[IN_BAND_2].min()
    for sensor in ("optical", "dsm", "sar"):
        inspected, problems = inspect_sensor(vrt, SensorInfo(sensor, select=(2,)), None)
        assert not problems
        assert not inspected.notes
    report = describe_elevation(vrt, band=2)
    assert (report.missing, report.nodata) == (0.25, -99)
    np.testing.assert_array_equal(read_rgb(vrt, Stretch.of(vrt, (2,)))[1], IN_BAND_2)


def test_values_of_band_1_are_measurements_in_band_2(tmp_path):
    one, two = GOOD.copy(), GOOD.copy()
    one[:4], two[4:8] = 0, 0
    path = stacked(tmp_path, (one, 0), (two, None))
    assert raster_info(path).nodatas == (0, None)
    assert read_raster(path, bands=(2,)).valid.all()
    np.testing.assert_array_equal(read_raster(path, bands=(1,)).valid, IN_BOTH)
    assert interpret(path, SensorInfo("optical", select=(2,))).nodata is None
    two[:4] = 0  # zero in all bands is missing by the only value there is
    np.testing.assert_array_equal(
        read_raster(stacked(tmp_path, (one, 0), (two, None))).valid, IN_BOTH
    )


def test_shared_and_different_values():
    assert shared_nodata([None, 5, 5]) == 5
    assert np.isnan(shared_nodata([float("nan"), float("nan")]))
    assert shared_nodata([5, 6]) is shared_nodata([None]) is shared_nodata([]) is None
    array = np.array([[[251, 251, 7]], [[252, 251, 252]]], np.uint8)
    assert band_mask(array, (251, 252)).tolist() == [[False, True, True]]
    assert band_mask(array, (251, 252.5)).all()
    assert band_mask(array, (251, 251)) is band_mask(array, (251, None)) is None
