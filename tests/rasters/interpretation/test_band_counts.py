"""How many bands a sensor's files must have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mfnet_lite.rasters import RandomCrops, WholeTiles, check_dataset, open_folder, write_raster
from mfnet_lite.rasters.interpretation.band_counts import check_bands, expected_bands, opacity_words


def folder(root: Path, bands: tuple[int, ...], dsm: tuple[int, ...] = ()) -> Path:
    for k, count in enumerate(bands):
        write_raster(root / "train" / "image" / f"t{k}.tif", np.ones((count, 16, 16), np.uint8))
        write_raster(root / "train" / "label" / f"t{k}.tif", np.zeros((16, 16), np.uint8))
    for k, count in enumerate(dsm):
        write_raster(root / "train" / "dsm" / f"t{k}.tif", np.ones((count, 16, 16), np.float32))
    (root / "dataset.json").write_text('{"classes": ["a", "b"]}')
    return root


def opened(root: Path, **options):
    data = open_folder(root, None, val_fraction=0.0, **options)
    return data.tiles("train"), data.info.sensors


def test_most_files_decide_and_elevations_have_one(tmp_path):
    tiles, sensors = opened(folder(tmp_path, (3, 4, 3), (1, 1, 1)))
    assert expected_bands(tiles, sensors) == {"optical": 3, "dsm": 1}
    with pytest.raises(
        ValueError, match=r"t1\.tif: wrong band count: 4 .*expected 3 for optical; wr"
    ):
        check_bands(tiles, sensors)
    check_bands([tiles[0], tiles[2]], sensors)
    (problem,) = check_dataset(tmp_path, progress=False).problems
    assert "t1.tif: wrong band count: 4 bands, expected 3 for optical" in str(problem)


def test_elevations_with_alpha(tmp_path):
    tiles, sensors = opened(folder(tmp_path, (3, 3), (2, 2)))
    with pytest.raises(ValueError, match=r"t0\.tif: wrong band count: 2 bands, expected 1 for dsm"):
        check_bands(tiles, sensors)


def test_of_selected_bands_only_those_must_be_there(tmp_path):
    root = folder(tmp_path, (3, 4, 3))
    check_bands(*opened(root, optical_bands=(3, 2, 1)))
    tiles, sensors = opened(folder(tmp_path, (4, 3)), optical_bands=(4, 1, 2))
    with pytest.raises(
        ValueError, match=r"t1\.tif: wrong .* 3 .*at least 4, of which 4, 1, 2 are read"
    ):
        check_bands(tiles, sensors)


@pytest.mark.parametrize("cache", [False, True])
def test_sets_made_in_python_name_the_file_too(tmp_path, cache):
    tiles, _ = opened(folder(tmp_path, (3, 4)))
    with pytest.raises(ValueError, match=r"t1\.tif: wrong band count: 4 bands, expected 3"):
        WholeTiles(tiles)[1]
    crops = RandomCrops(tiles, 8, length=50, cache=cache)
    other = next(index for index in range(50) if crops.crop(index)[0] == 1)
    with pytest.raises(ValueError, match=r"t1\.tif: wrong band count"):
        crops[other]


def test_a_band_of_opacity_is_named(tmp_path):
    """An image with opacity among those of four bands is not just one of three."""
    root = folder(tmp_path, (4, 4, 4))
    path = root / "train" / "image" / "t1.tif"
    Image.fromarray(np.full((16, 16, 4), 255, np.uint8)).save(path)
    tiles, sensors = opened(root)
    words = r"t1\.tif: wrong band count: 3 bands \(its band 4 is opacity\), expected 4 for optical"
    with pytest.raises(ValueError, match=words):
        check_bands(tiles, sensors)
    assert opacity_words(path, sensors["optical"]) == " (its band 4 is opacity)"
    assert opacity_words(tiles[0].files["optical"], sensors["optical"]) == ""
