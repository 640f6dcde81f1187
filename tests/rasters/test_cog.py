"""Cloud-optimised GeoTIFF: the structure of the bytes, the same pixels, overviews that mean something."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.transform import Affine

from mfnet_lite.rasters.cog import replacing_geotiff
from mfnet_lite.rasters.write import colour_table, geotiff_profile

PLACE = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)


def write(path, array, overviews, nodata=255):
    profile = geotiff_profile(
        *array.shape, 1, array.dtype.name, crs="EPSG:25832", transform=PLACE, nodata=nodata,
        categorical=True,
    )  # fmt: skip
    with (
        replacing_geotiff(path, True, overviews) as temporary,
        rasterio.open(temporary, "w", **profile) as file,
    ):
        file.write(array, 1)
        file.set_band_description(1, "class")
        file.update_tags(CLASSES="0 a; 1 b")
        if array.dtype == np.uint8:
            file.write_colormap(1, colour_table([(255, 0, 0), (0, 0, 255)]))


@pytest.fixture
def labels():
    # stripes three pixels wide: a mean of 0 and 200 would be a class that does not exist
    return np.where(np.arange(1300) // 3 % 2, 200, 0).astype(np.uint8)[None].repeat(1100, axis=0)


def test_layout(tmp_path, labels):
    path = tmp_path / "map.tif"
    write(path, labels, "mode")
    assert [each.name for each in tmp_path.iterdir()] == ["map.tif"]
    head = path.read_bytes()[:400]
    assert b"LAYOUT=IFDS_BEFORE_DATA" in head
    assert b"BLOCK_ORDER=ROW_MAJOR" in head
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.overviews(1) == [2, 4]
        assert file.profile["tiled"]
        assert (file.read(1) == labels).all()
        assert (file.crs.to_epsg(), file.transform, file.nodata) == (25832, PLACE, 255)
        assert file.tags()["CLASSES"] == "0 a; 1 b"
        assert file.descriptions == ("class",)
        assert file.colormap(1)[1][:3] == (0, 0, 255)
    with tifffile.TiffFile(path) as file:
        pages = list(file.pages)
        assert [page.shape for page in pages] == [(1100, 1300), (550, 650), (275, 325)]
        ends_of_directories = max(page.offset for page in pages)
        first_data = [min(page.dataoffsets) for page in pages]
        assert ends_of_directories < min(first_data)
        assert first_data == sorted(first_data, reverse=True)  # the coarsest image first
        assert all(page.is_tiled for page in pages)


def test_overviews_hold_values_of_the_map(tmp_path, labels):
    ids = (labels.astype(np.int32) + 1) * 2**24 + 7  # not representable in 32-bit floats
    for array, how, nodata in ((labels, "mode", 255), (ids, "nearest", None)):
        write(tmp_path / "map.tif", array, how, nodata)
        with rasterio.open(tmp_path / "map.tif") as file:
            for factor in (2, 4):
                coarse = file.read(1, out_shape=(1100 // factor, 1300 // factor))
                assert set(np.unique(coarse)) <= set(np.unique(array))


def fail(path):
    with replacing_geotiff(path, True) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError


def test_small_and_failed(tmp_path):
    write(tmp_path / "small.tif", np.ones((7, 5), np.uint8), "mode")
    with rasterio.open(tmp_path / "small.tif") as file:
        assert file.read(1).shape == (7, 5)
        assert file.overviews(1) == []
    with pytest.raises(RuntimeError):
        fail(tmp_path / "no.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["small.tif"]


def test_points_of_a_scene_that_was_never_rectified_stay(tmp_path):
    from rasterio.control import GroundControlPoint

    points = [
        GroundControlPoint(r, c, 9 + c / 1e4, 48 - r / 1e4) for r, c in ((0, 0), (0, 60), (60, 0))
    ]
    profile = geotiff_profile(64, 64, 1, "uint8", crs="EPSG:4326") | {"gcps": points}
    with (
        replacing_geotiff(tmp_path / "map.tif", True) as temporary,
        rasterio.open(temporary, "w", **profile) as file,
    ):
        file.write(np.ones((64, 64), np.uint8), 1)
    with rasterio.open(tmp_path / "map.tif") as file:
        assert len(file.gcps[0]) == 3
