"""What a raster is: its bytes and those that are read along with it, wherever it lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio import Affine

from mfnet_lite.rasters import write_raster
from mfnet_lite.rasters.identity import hash_rasters, raster_files, raster_hash


def raster(path: Path, value: int = 1) -> Path:
    place = {"crs": "EPSG:25832", "transform": Affine(1, 0, 10, 0, -1, 20)}
    return write_raster(path, np.full((8, 8), value, np.uint8), **place)


AUX = """<PAMDataset>
  <PAMRasterBand band="1">
    <Histograms><HistItem><HistMin>0</HistMin></HistItem></Histograms>
    <Metadata><MDI key="STATISTICS_MEAN">1</MDI>{more}</Metadata>
  </PAMRasterBand>
</PAMDataset>
"""


def test_content_counts_and_name_does_not(tmp_path):
    one, other = raster(tmp_path / "a.tif"), raster(tmp_path / "other.tif", 2)
    assert one.stat().st_size == other.stat().st_size
    copy = Path(shutil.copy(one, tmp_path / "copy of a.tif"))
    os.utime(copy, (0, 0))
    assert raster_hash(one) == raster_hash(copy) != raster_hash(other)
    assert len(raster_hash(one)) == 32
    assert hash_rasters({"x": one, "y": other}) == {"x": raster_hash(one), "y": raster_hash(other)}
    assert hash_rasters({}) == {}


def test_a_file_that_was_written_again_is_read_again(tmp_path):
    path = raster(tmp_path / "a.tif")
    before = raster_hash(path)
    raster(path, 2)
    assert raster_hash(path) != before
    raster(path, 1)
    assert raster_hash(path) == before


def test_a_world_file_belongs_to_the_raster(tmp_path):
    path = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(path)
    bare = raster_hash(path)
    world = path.with_suffix(".pgw")
    world.write_text("1\n0\n0\n-1\n10\n20\n")
    placed = raster_hash(path)
    assert [file.name for file in raster_files(path)] == ["a.png", "a.pgw"]
    world.write_text("1\n0\n0\n-1\n11\n20\n")
    assert len({bare, placed, raster_hash(path)}) == 3
    shutil.copy(path, tmp_path / "b.png")
    shutil.copy(world, tmp_path / "b.pgw")
    assert raster_hash(tmp_path / "b.png") == raster_hash(path)


def test_statistics_and_overviews_change_nothing(tmp_path):
    path = raster(tmp_path / "a.tif")
    before = raster_hash(path)
    aux = Path(f"{path}.aux.xml")
    aux.write_text(AUX.format(more=""))
    assert aux in raster_files(path)
    assert raster_hash(path) == before
    aux.write_text(AUX.format(more='<MDI key="NAME">roofs</MDI>'))
    assert raster_hash(path) != before
    aux.write_text("<PAMDataset><Metadata domain='A'/><SRS>EPSG:25832</SRS></PAMDataset>")
    assert raster_hash(path) != before
    aux.unlink()
    small = write_raster(tmp_path / "small.tif", np.ones((4, 4), np.uint8))
    small.rename(f"{path}.ovr")
    with rasterio.open(path) as source:
        assert source.overviews(1) == [2]
    assert raster_files(path) == (path,)
    assert raster_hash(path) == before


def test_parts_of_a_virtual_raster_count(tmp_path):
    part = raster(tmp_path / "part.tif")
    vrt = tmp_path / "all.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">part.tif</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    before = raster_hash(vrt)
    raster(part, 2)
    assert raster_hash(vrt) != before


def test_a_damaged_aux_counts_by_its_bytes(tmp_path):
    path = raster(tmp_path / "a.tif")
    bare = raster_hash(path)
    Path(f"{path}.aux.xml").write_text("<PAMDataset>")
    assert isinstance(raster_hash(path), str)
    assert raster_hash(path) == bare or len(raster_files(path)) == 2


def test_a_bar_for_large_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mfnet_lite.rasters.identity.LARGE", 1)
    hash_rasters({"a": raster(tmp_path / "a.tif")})
    assert "hashing" not in capsys.readouterr().err  # no terminal
    with pytest.raises(FileNotFoundError, match="does not exist"):
        hash_rasters({"a": tmp_path / "none.tif"})
