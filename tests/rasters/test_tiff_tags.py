"""A GeoTIFF that was cut off is refused, and does not lose its coordinates in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from mfnet_lite.rasters.io import open_raster, raster_info
from mfnet_lite.rasters.tiff_tags import lost_tag
from mfnet_lite.rasters.write import write_raster

PLACE = {"crs": "EPSG:25832", "transform": Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)}


def facts(path: Path) -> object:
    """What the header says, None where it is refused."""
    try:
        info = raster_info(path)
    except ValueError:
        return None
    return info.crs, info.transform, info.nodata, info.colours, info.height


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_no_cut_takes_coordinates_or_colours_away_in_silence(tmp_path):
    path = tmp_path / "a.tif"
    write_raster(path, np.zeros((64, 64), np.uint8), **PLACE, nodata=255, palette=[(1, 2, 3)])
    whole, expected, nowhere = path.read_bytes(), facts(path), 0
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert facts(path) in (None, expected)
        try:
            with rasterio.open(path) as cut:
                nowhere += cut.crs is None
        except rasterio.errors.RasterioIOError:
            pass
    assert nowhere > 10  # GDAL alone opens these and leaves their coordinates out


@pytest.mark.parametrize("big", ["NO", "YES"])
@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
def test_tiff_and_bigtiff_of_both_byte_orders(tmp_path, big, endian):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, **PLACE, BIGTIFF=big, ENDIANNESS=endian) as file:
        file.write(np.zeros((64, 64), np.uint8), 1)
    assert lost_tag(path) is None
    whole, refused = path.read_bytes(), 0
    for length in range(len(whole) - 1, 0, -97):
        path.write_bytes(whole[:length])
        refused += lost_tag(path) is not None
    assert refused > 0


def test_other_files_have_no_tags(tmp_path):
    for content in (b"", b"II", b"II*\0", b"II*\0\xff\xff\xff\xff", b"\x89PNG"):
        (tmp_path / "a.tif").write_bytes(content)
        assert lost_tag(tmp_path / "a.tif") is None


def test_a_header_that_claims_a_giant_image_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "width": 2**20, "height": 2**20, "count": 1, "dtype": "uint8"}
    with rasterio.open(
        path, "w", **profile, **PLACE, SPARSE_OK=True, BIGTIFF="YES", blockysize=2**20
    ):
        pass
    assert path.stat().st_size < 1000
    with pytest.raises(
        ValueError, match=r"claims 1048576 x 1048576 pixels .*, 1024 GiB, in \d+ bytes"
    ):
        open_raster(path)
