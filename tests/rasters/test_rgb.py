"""What ``masks`` and dialogues see of a file: its bands by their names, its bits, and what training sees as well."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from mfnet_lite.rasters import read_raster, write_raster
from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.rgb import Stretch, read_rgb
from mfnet_lite.rasters.square_image import read_square
from mfnet_lite.rasters.tiles import SensorInfo
from mfnet_lite.sam import ObjectSettings, build_sam, objects_from_masks
from mfnet_lite.scenes import masks as scene_masks
from tests.small_sam import ONE_BLOCK

BLUE_FIRST = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
PLACE = {"crs": "EPSG:25832", "transform": rasterio.Affine(0.25, 0, 5e5, 0, -0.25, 5.8e6)}
VALUES = (10, 80, 200, 120)


def blue_first(path: Path, by: str, dtype: str = "uint8") -> Path:
    """A file of blue, green, red, near infrared, which says so by description or colour interpretation."""
    array = np.ones((4, 16, 16), dtype) * np.array(VALUES, dtype)[:, None, None]
    array[:, :4] = 0  # for a stretch to have two ends
    write_raster(path, array, **PLACE)
    with rasterio.open(path, "r+") as file:
        if by == "interpretation":
            file.colorinterp = BLUE_FIRST
        else:
            for band, name in enumerate(("Blue", "green", "red", "NIR"), 1):
                file.set_band_description(band, name)
    return path


@pytest.mark.parametrize("by", ["interpretation", "description"])
def test_bands_are_those_that_the_file_names_and_training_takes(tmp_path, by, caplog):
    path = blue_first(tmp_path / "a.tif", by)
    trained = interpret(path, SensorInfo("optical"))
    with caplog.at_level(logging.WARNING):
        stretch = Stretch.of(path)
    assert stretch.bands == trained.bands[:3] == (3, 2, 1)
    image, _ = read_rgb(path, stretch)
    assert image[8, 8].tolist() == [200, 80, 10]
    assert [round(v * 255) for v in read_square(path, 16)[:, 8, 8].tolist()] == [200, 80, 10]
    assert trained.notes[0] in caplog.text
    assert "calls its first bands blue, green, red" in caplog.text


def test_bands_that_the_user_names_are_taken(tmp_path, caplog):
    path = blue_first(tmp_path / "a.tif", "interpretation")
    with caplog.at_level(logging.WARNING):
        assert Stretch.of(path, (1, 2, 3)).bands == (1, 2, 3)
        assert Stretch.of(path, (4,)).bands == (4, 4, 4)
    assert "calls its first bands" not in caplog.text


def test_wider_types_are_stretched_band_by_band_in_that_order(tmp_path):
    path = blue_first(tmp_path / "a.tif", "description", "uint16")
    for scaling, value in zip(Stretch.of(path).scalings, (200, 80, 10), strict=True):
        assert scaling.high == value


@pytest.mark.parametrize("bits", [1, 4, 5, 7])
def test_bits_in_use_are_spread_over_a_byte(tmp_path, bits):
    top = 2**bits - 1
    array = (np.arange(256) % (top + 1)).astype(np.uint8).reshape(1, 16, 16).repeat(3, 0)
    path, file = tmp_path / "a.tif", {"driver": "GTiff", "dtype": "uint8", "nbits": bits}
    with rasterio.open(path, "w", **file, count=3, height=16, width=16, **PLACE) as made:
        made.write(array)
    np.testing.assert_array_equal(read_raster(path).array, array)
    image, _ = read_rgb(path, Stretch.of(path))
    np.testing.assert_array_equal(image[..., 0], np.floor(255 * array[0].astype(float) / top + 0.5))


def test_whole_bytes_stay_as_they_are(tmp_path):
    array = np.arange(768, dtype=np.uint16).astype(np.uint8).reshape(3, 16, 16)
    path = write_raster(tmp_path / "a.tif", array, **PLACE)
    assert Stretch.of(path).scalings is None
    np.testing.assert_array_equal(read_rgb(path, Stretch.of(path))[0], array.transpose(1, 2, 0))


def test_fewer_than_three_bands_are_grey_or_refused(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.full((2, 16, 16), 7, np.uint8), **PLACE)
    assert Stretch.of(path, grey=True).bands == (1, 1, 1)
    with pytest.raises(ValueError, match=r"a\.tif has 2 bands.* name one band .*--bands 1"):
        Stretch.of(path)


def test_masks_see_red_first_and_go_on_with_nothing_else(tmp_path, monkeypatch):
    path, seen = blue_first(tmp_path / "a.tif", "interpretation"), []

    def find(sam, image, settings):
        seen.append(image[8, 8].tolist())
        return objects_from_masks(image[None, ..., 0] > 100, 1, 9)

    monkeypatch.setattr(scene_masks, "find_objects", find)
    sam = build_sam(ONE_BLOCK, seed=0)
    settings = ObjectSettings(min_area=1)
    scene_masks.mask_scene(sam, path, tmp_path / "out", settings, progress=False)
    assert seen == [[200, 80, 10]]
    folder, plan = tmp_path / "old", scene_masks.mask_plan(sam, settings, 32, 8, (1, 2, 3))
    scene_masks.begin_folder(folder / "tiles", plan)  # of a version that took red for blue
    with pytest.raises(ValueError, match=r"made with another .*bands"):
        scene_masks.mask_scene(sam, path, folder, settings, progress=False)
