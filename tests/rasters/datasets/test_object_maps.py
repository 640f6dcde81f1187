"""Object and boundary maps of tiles: where they are looked for, and what a window of them holds."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.segmentation import find_boundaries

from mfnet_lite.rasters import (
    ObjectFiles,
    ObjectReader,
    Window,
    find_object_files,
    open_folder,
    read_raster,
    write_raster,
)
from mfnet_lite.utils.borders import borders

SIZE = (40, 48)


def ids_of(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 9, (5, 6)).repeat(8, 0).repeat(8, 1)


@pytest.fixture
def tiles(dataset):
    return open_folder(dataset, val_fraction=0.0).tiles("train")


def write(path, array):
    if path.suffix == ".tif":
        return write_raster(path, array)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


@pytest.mark.parametrize(
    ("objects", "boundaries"),
    [
        ("objects/{}.tif", "boundaries/{}.tif"),
        ("train/objects/{}.tif", "train/boundaries/{}.tif"),
        ("{}/objects.tif", "{}/boundaries.tif"),
        ("{}_objects.png", "{}_Boundary.png"),
    ],
)
def test_every_layout_is_found(tiles, tmp_path, objects, boundaries):
    home = tmp_path / "maps"
    for index, tile in enumerate(tiles):
        write(home / objects.format(tile.id), ids_of(index).astype(np.uint8))
        write(home / boundaries.format(tile.id), 255 * borders(ids_of(index)).astype(np.uint8))
    found = find_object_files(tiles, home)
    assert [f.objects for f in found] == [home / objects.format(t.id) for t in tiles]
    assert [f.boundaries for f in found] == [home / boundaries.format(t.id) for t in tiles]
    ids, edges = ObjectReader().read(found[2], Window(0, 0, *SIZE))
    np.testing.assert_array_equal(edges, borders(ids_of(2)))  # 255 counts as 1
    np.testing.assert_array_equal(ids, np.where(edges, 0, ids_of(2)))
    assert ids.dtype == np.int64
    assert edges.dtype == bool


def test_a_folder_beside_the_images_by_its_name(dataset, tiles):
    for index, tile in enumerate(tiles):
        write(dataset / "train" / "instances" / f"{tile.id}.tif", ids_of(index).astype(np.uint16))
        write(dataset / "train" / "objects" / f"{tile.id}.tif", ids_of(index).astype(np.int32))
        write(dataset / "train" / "boundaries" / f"{tile.id}.tif", np.zeros(SIZE, np.uint8))
    assert find_object_files(tiles, "instances")[0].boundaries is None
    assert find_object_files(tiles, "objects")[0].boundaries is not None
    assert set(open_folder(dataset).info.sensors) == {"optical", "dsm"}  # no sensors of their own


def test_mistakes_in_one_sentence(dataset, tiles, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"tile t0 has no map of objects beside .*instances"
    ):
        find_object_files(tiles, "instances")
    with pytest.raises(FileNotFoundError, match=r"tile t0 .*make the maps with `mfnet-lite masks"):
        find_object_files(tiles, tmp_path)
    for tile in tiles:
        write(tmp_path / "objects" / f"{tile.id}.tif", np.zeros((40, 40), np.int32))
    with pytest.raises(ValueError, match=r"t0\.tif has 40 x 40 pixels, expected 40 x 48 as in"):
        find_object_files(tiles, tmp_path)
    for tile in tiles:
        write(tmp_path / "objects" / f"{tile.id}.tif", np.zeros((3, *SIZE), np.uint8))
    with pytest.raises(ValueError, match=r"has 3 bands of uint8, expected one band of integers"):
        find_object_files(tiles, tmp_path)


@given(
    row=st.integers(-50, 60),
    col=st.integers(-50, 60),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
)
@pytest.mark.parametrize("cache", [False, True])
def test_a_window_is_a_cut_of_the_whole(tmp_path_factory, cache, row, col, height, width):
    folder = tmp_path_factory.getbasetemp() / "window"
    path = folder / "ids.tif"
    if not path.exists():
        write(path, ids_of(5).astype(np.int32))
    edges = borders(ids_of(5))
    ids = np.where(edges, 0, ids_of(5))
    padded_ids, padded_edges = (np.pad(x, 140) for x in (ids, edges))
    cut = (slice(row + 140, row + 140 + height), slice(col + 140, col + 140 + width))
    reader = ObjectReader(cache)
    found = reader.read(ObjectFiles(path), Window(row, col, height, width))
    np.testing.assert_array_equal(found.objects, padded_ids[cut])
    np.testing.assert_array_equal(found.boundaries, padded_edges[cut])
    again = pickle.loads(pickle.dumps(reader)).read(ObjectFiles(path), Window(0, 0, *SIZE))
    np.testing.assert_array_equal(again.objects, ids)


def test_borders_are_those_of_scikit_image():
    ids = ids_of(7)
    np.testing.assert_array_equal(borders(ids), find_boundaries(ids, mode="thick"))
    assert not borders(np.ones((4, 4), int)).any()


def test_boundaries_of_a_file_are_taken_as_they_are(tmp_path):
    objects = write(tmp_path / "o.tif", np.ones((6, 6), np.int32))
    edges = np.zeros((6, 6), np.uint8)
    edges[2, 2] = 7
    boundaries = write(tmp_path / "b.tif", edges)
    found = ObjectReader().read(ObjectFiles(objects, boundaries), Window(1, 1, 3, 3))
    assert found.boundaries.tolist() == [[False] * 3, [False, True, False], [False] * 3]
    assert found.objects.sum() == 8
    assert read_raster(objects).array.sum() == 36
