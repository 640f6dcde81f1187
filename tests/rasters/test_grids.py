"""Grids compared by hand-made offsets, and one check for every reader."""

from __future__ import annotations

import shlex
import subprocess
import sys

import numpy as np
import pytest
from rasterio.transform import Affine

from mfnet_lite.rasters import (
    RandomCrops,
    WholeTiles,
    check_dataset,
    open_folder,
    raster_info,
    write_raster,
)
from mfnet_lite.rasters.grids import (
    best_placed,
    check_grid,
    corner_distance,
    grid_difference,
    grid_differences,
)

PLACE = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)


def save(path, size=(20, 30), crs="EPSG:25832", transform=PLACE):
    return write_raster(path, np.ones(size, np.uint8), crs=crs, transform=transform)


def test_distance_of_corners_by_hand():
    moved = Affine(0.5, 0, 400_001, 0, -0.5, 5_700_000)
    assert corner_distance(moved, PLACE, 20, 30) == pytest.approx(2.0)
    wider = Affine(0.6, 0, 400_000, 0, -0.5, 5_700_000)
    assert corner_distance(wider, PLACE, 20, 30) == pytest.approx(30 * 0.1 / 0.5)
    assert corner_distance(PLACE, PLACE, 20, 30) == 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"crs": "EPSG:25832+7837"}, None),
        ({"transform": Affine(0.5, 0, 400_000.004, 0, -0.5, 5_700_000)}, None),  # rounding
        ({"transform": None, "crs": None}, None),  # a plain image says nothing
        ({"size": (20, 31)}, "20 x 31 pixels instead of 20 x 30"),
        ({"crs": "EPSG:25833"}, "EPSG:25833 instead of EPSG:25832"),
        ({"transform": Affine(0.5, 0, 400_000.25, 0, -0.5, 5_700_000)}, "up to 0.50 pixels away"),
        ({"transform": Affine(0.5, 0, 400_000, 0, 0.5, 5_699_990)}, "up to 20.00 pixels away"),
    ],
)
def test_differences(tmp_path, change, problem):
    first = raster_info(save(tmp_path / "a.tif"))
    other = raster_info(save(tmp_path / "b.tif", **change))
    found = grid_difference(other, first)
    assert (found is None) is (problem is None)
    if problem:
        assert problem in found.problem
        with pytest.raises(ValueError, match=r"b\.tif .* expected .*a\.tif; resample it"):
            check_grid({"optical": first.path, "dsm": other.path})


def test_advice_can_be_followed(tmp_path):
    """Without georeference there is nothing to warp by; with it the advice is the command itself."""
    from click.testing import CliRunner
    from PIL import Image
    from rasterio.rio.main import main_group

    first, other = tmp_path / "a b.tif", save(tmp_path / "b.tif", (10, 15))
    save(first)
    remedy = grid_difference(raster_info(other), raster_info(first)).remedy
    command = remedy.partition(": rio ")[2].replace("NEW.tif", str(tmp_path / "new.tif"))
    assert CliRunner().invoke(main_group, shlex.split(command)).exit_code == 0
    assert grid_difference(raster_info(tmp_path / "new.tif"), raster_info(first)) is None

    plain, small = tmp_path / "a.png", tmp_path / "b.png"
    Image.fromarray(np.ones((20, 30), np.uint8)).save(plain)
    Image.fromarray(np.eye(10, 15, dtype=np.uint8)).save(small)
    remedy = grid_difference(raster_info(small), raster_info(plain)).remedy
    assert "rio" not in remedy
    code = remedy.partition("in Python: ")[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    with Image.open(tmp_path / "NEW.png") as grown:
        assert grown.size == (30, 20)
        assert np.unique(grown).tolist() == [0, 1]

    unnamed = raster_info(save(tmp_path / "c.tif", (10, 15), crs=None))
    assert "rio edit-info --crs" in grid_difference(unnamed, raster_info(first)).remedy


def test_points_without_a_transform_are_compared_too(tmp_path):
    """A scene that was never rectified still lies somewhere."""
    import rasterio
    from rasterio.control import GroundControlPoint

    def scene(name: str, east: float) -> None:
        points = [
            GroundControlPoint(r, c, 400_000 + east + 0.5 * c, 5_700_000 - 0.5 * r)
            for r, c in ((0, 0), (0, 30), (20, 0), (20, 30))
        ]
        profile = {"driver": "GTiff", "height": 20, "width": 30, "count": 1, "dtype": "uint8"}
        with rasterio.open(tmp_path / name, "w", **profile, gcps=points, crs="EPSG:25832") as out:
            out.write(np.ones((1, 20, 30), np.uint8))

    scene("near.tif", 0)
    scene("far.tif", 5)
    first = raster_info(save(tmp_path / "a.tif"))
    near, far = raster_info(tmp_path / "near.tif"), raster_info(tmp_path / "far.tif")
    assert near.gsd == pytest.approx(0.5)
    assert grid_difference(near, first) is None
    assert "10.00 pixels" in grid_difference(far, first).problem


@pytest.mark.parametrize("part", ["dsm", "label"])
@pytest.mark.parametrize("reader", [WholeTiles, lambda tiles: RandomCrops(tiles, 16)])
def test_no_reader_lays_files_upon_each_other_that_do_not_lie_there(dataset, part, reader):
    path = dataset / "train" / part / "t0.tif"
    info = raster_info(path)
    moved = Affine(0.25, 0, info.transform.c + 3, 0, -0.25, info.transform.f)
    write_raster(path, np.ones((40, 48), np.float32), crs=info.crs, transform=moved)
    tiles = [t for s in open_folder(dataset).splits.values() for t in s if t.id == "t0"]
    with pytest.raises(ValueError, match=r"t0\.tif lies up to 12\.00 pixels off"):
        reader(tiles)[0]


FAR = Affine(0.5, 0, 500_000, 0, -0.5, 5_700_000)
PLAIN = {"crs": None, "transform": None}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([PLAIN, {}, {"transform": FAR}], {2: "200000.00 pixels away (compared with 1.tif"}),
        ([PLAIN, PLAIN, {}, {"crs": "EPSG:25833"}], {3: "EPSG:25833 instead of EPSG:25832"}),
        ([PLAIN, {}, {}, PLAIN], {}),
        # a position without a system, and the system in another file
        ([{"crs": None}, {}, {"transform": FAR, "crs": None}], {2: "(compared with 0.tif"}),
        ([{"crs": None}, {}, {"crs": "EPSG:25833"}], {2: "(compared with 1.tif"}),
        # what differs itself is no measure for others
        ([PLAIN, {"size": (20, 31), "transform": FAR}, {}, {}], {1: "20 x 31 pixels instead of"}),
    ],
)
def test_a_first_file_without_georeference_excuses_nobody(tmp_path, changes, told):
    files = [save(tmp_path / f"{i}.tif", **change) for i, change in enumerate(changes)]
    infos = [raster_info(path) for path in files]
    found = {infos.index(d.info): d.problem for d in grid_differences(infos)}
    assert found.keys() == told.keys()
    for index, problem in told.items():
        assert problem in found[index]
    if told:
        with pytest.raises(ValueError, match=f"{max(told)}.tif .* (resample|resize) it"):
            check_grid(dict(enumerate(files)))


def test_a_plain_image_does_not_hide_that_its_label_lies_elsewhere(dataset):
    for split in ("train", "test"):
        for image in (dataset / split / "image").glob("*.tif"):
            write_raster(image, np.ones((3, 40, 48), np.uint8))
    label = dataset / "train" / "label" / "t0.tif"
    own = raster_info(label)
    away = Affine(0.25, 0, own.transform.c + 1e5, 0, -0.25, own.transform.f)
    write_raster(label, np.zeros((40, 48), np.uint8), crs=own.crs, transform=away)
    tiles = [t for s in open_folder(dataset).splits.values() for t in s if t.id == "t0"]
    with pytest.raises(ValueError, match=r"label/t0\.tif lies up to 400000\.00 pixels off"):
        WholeTiles(tiles)[0]
    problems = check_dataset(dataset, progress=False).problems
    assert [str(p.file) for p in problems if "400000.00 pixels away" in p.problem] == [str(label)]


def test_which_raster_says_where_all_lie(tmp_path):
    plain = raster_info(save(tmp_path / "plain.tif", **PLAIN))
    world_file = raster_info(save(tmp_path / "world.tif", crs=None))
    whole = raster_info(save(tmp_path / "whole.tif"))
    assert best_placed([plain, world_file, whole]) is whole
    assert best_placed([plain, world_file]) is world_file
    assert best_placed([whole, world_file, plain]) is whole
    assert best_placed([plain, plain]) is plain
