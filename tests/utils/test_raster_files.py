"""Rasters that are whole: on a full disk one sentence, the old file, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window

from mfnet_lite.rasters.cog import replacing_geotiff
from mfnet_lite.rasters.io import read_raster
from mfnet_lite.rasters.write import geotiff_profile, write_raster
from mfnet_lite.utils.raster_files import check_whole, replacing_raster
from mfnet_lite.world.output import write_tif
from scripts.faults.full_disk import full_disk

PLACE = {"crs": "EPSG:25832", "transform": Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)}
NOISE = np.random.default_rng(0).integers(0, 255, (700, 600), dtype=np.uint8)  # does not compress
SENTENCE = r"^\S+map\.tif could not be written whole \(.+\), most often because the disk is full; "


def in_parts(path: Path) -> None:
    with replacing_raster(path, geotiff_profile(700, 600, 1, "uint8", **PLACE)) as file:
        for row in range(0, 700, 256):
            rows = NOISE[row : row + 256]
            file.write(rows, 1, window=Window(0, row, 600, len(rows)))


def ordinary(path: Path, cog: bool = False) -> None:
    profile = geotiff_profile(700, 600, 1, "uint8", **PLACE)
    with (
        replacing_geotiff(path, cog) as temporary,
        rasterio.open(temporary, "w", **profile) as file,
    ):
        file.write(NOISE, 1)


WRITERS = {
    "in parts": in_parts,
    "whole": lambda path: write_raster(path, NOISE, **PLACE),
    "tile of the world": lambda path: write_tif(path, NOISE, gsd=0.5),
    "small tile": lambda path: write_tif(path, NOISE[:100, :100], gsd=0.5),
    "ordinary": ordinary,
    "cloud-optimised": lambda path: ordinary(path, cog=True),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_leaves_the_old_file_and_one_sentence(tmp_path, writer):
    path, write = tmp_path / "map.tif", WRITERS[writer]
    write(path)
    size = path.stat().st_size
    shown = NOISE[:100, :100] if writer == "small tile" else NOISE
    assert np.array_equal(read_raster(path).array[0], shown)
    path.write_bytes(b"old")
    # from nothing to the last byte, which GDAL writes when it closes the file
    for limit in (1, 5_000, size // 2, size - 3_000, size - 200, size - 1):
        with full_disk(limit), pytest.raises(OSError, match=SENTENCE):
            write(path)
        assert path.read_bytes() == b"old"
        assert [file.name for file in tmp_path.iterdir()] == ["map.tif"]


def test_a_block_that_is_missing_is_found(tmp_path):
    path = tmp_path / "map.tif"
    in_parts(path)
    check_whole(path, path)
    data = bytearray(path.read_bytes())
    data[200_000:202_000] = bytes(2_000)  # what a write that failed in the middle leaves
    path.write_bytes(data)
    with pytest.raises(OSError, match=SENTENCE):
        check_whole(path, path)


def test_the_mistake_of_the_caller_is_not_called_a_full_disk(tmp_path):
    def mistaken() -> None:
        with replacing_raster(
            tmp_path / "map.tif", geotiff_profile(8, 8, 1, "uint8", **PLACE)
        ) as file:
            file.write(NOISE, 2)

    with pytest.raises(IndexError):
        mistaken()
    assert list(tmp_path.iterdir()) == []
