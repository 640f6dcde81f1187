"""Maps of objects that other programs wrote.

Situations: GispoCoding/eis_toolkit#496 (a number of its own for "no object") and azavea/raster-vision#1739 (a raster
of another extent taken for that of the image).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio import Affine

from mfnet_lite.rasters import ObjectReader, Window, find_object_files, open_folder, write_raster

PLACE = {"crs": "EPSG:25832", "transform": Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)}


@pytest.fixture
def tiles(tmp_path: Path):
    for kind, bands in (("image", 3), ("label", 1)):
        write_raster(
            tmp_path / "data/train" / kind / "t.tif", np.ones((bands, 16, 16), np.uint8), **PLACE
        )
    return open_folder(tmp_path / "data", ["optical"], val_fraction=0.0).tiles("train")


@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize(
    ("kind", "nodata"), [(np.int32, -1), (np.uint16, 65535), (np.int32, -(2**31)), (np.int32, 0)]
)
def test_no_data_is_no_object(tiles, tmp_path, kind, nodata, cache):
    ids = np.full((16, 16), nodata, kind)
    ids[2:6, 2:6], ids[8:12, 8:12] = 1, 2
    write_raster(tmp_path / "maps/objects/t.tif", ids, nodata=nodata, **PLACE)
    (files,) = find_object_files(tiles, tmp_path / "maps")
    read = ObjectReader(cache).read(files, Window(0, 0, 16, 16))
    assert set(np.unique(read.objects)) == {0, 1, 2}
    assert read.boundaries.any()


def test_maps_of_another_place_are_refused(tiles, tmp_path):
    away = PLACE | {"transform": Affine(0.5, 0, 400_008, 0, -0.5, 5_700_000)}
    write_raster(tmp_path / "maps/objects/t.tif", np.ones((16, 16), np.int32), **away)
    with pytest.raises(
        ValueError, match=r"t\.tif lies up to 16\.00 pixels off.*; make it from that"
    ):
        find_object_files(tiles, tmp_path / "maps")
    write_raster(
        tmp_path / "maps/objects/t.tif", np.ones((16, 16), np.int32)
    )  # says nothing of a place
    assert find_object_files(tiles, tmp_path / "maps")
