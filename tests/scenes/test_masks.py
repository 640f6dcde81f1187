"""Objects of a whole scene: unique, joined over seams, resumable, in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rasterio.transform import Affine

import mfnet_lite.scenes.masks as scene_masks
from mfnet_lite.rasters import read_raster, write_raster
from mfnet_lite.rasters.rgb import Stretch, read_rgb
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.sam import ObjectSettings, build_sam, objects_from_masks
from mfnet_lite.scenes.masks import mask_scene
from mfnet_lite.scenes.part_folder import begin_folder
from mfnet_lite.scenes.seams import match_objects
from tests.small_sam import ONE_BLOCK


@pytest.fixture
def sam():
    return build_sam(ONE_BLOCK, seed=0)


def true_objects(height: int, width: int) -> np.ndarray:
    """Rectangles of one grey value each; the first crosses all seams of small tiles."""
    image = np.zeros((height, width), dtype=np.uint8)
    image[10:60, 12:70] = 50
    image[2:8, 20:30] = 100
    image[62:78, 70:90] = 150
    image[30:40, 75:95] = 200
    return image


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    image = np.repeat(true_objects(80, 100)[None], 3, axis=0)
    place = Affine(0.5, 0, 700_000, 0, -0.5, 5_300_000)
    return write_raster(tmp_path / "scene.tif", image, crs="EPSG:32632", transform=place)


@pytest.fixture
def by_colour(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Replace SAM by what it should find: one mask per colour; returns the tiles it was asked about."""
    asked = []

    def find(sam, image, settings):
        asked.append(image.shape[:2])
        grey = image[..., 0]
        masks = np.stack([grey == value for value in np.unique(grey) if value] or [grey > 255])
        return objects_from_masks(masks, settings.min_area, settings.max_objects)

    monkeypatch.setattr(scene_masks, "find_objects", find)
    return asked


LOOSE = ObjectSettings(min_area=1)


@pytest.mark.parametrize(("tile", "overlap"), [(32, 8), (40, 20), (100, 0), (64, 1)])
def test_objects_cut_by_seams_are_one_again(
    sam, scene: Path, tmp_path: Path, by_colour, tile: int, overlap: int
) -> None:
    objects, boundaries, count = mask_scene(
        sam, scene, tmp_path / "out", LOOSE, tile=tile, overlap=overlap, progress=False
    )
    ids, edges = read_raster(objects), read_raster(boundaries)
    grey = true_objects(80, 100)
    expected = objects_from_masks(np.stack([grey == v for v in (50, 100, 150, 200)]), 1)
    assert np.array_equal(edges.array[0] > 0, expected.boundaries)
    assert np.array_equal(ids.array[0] > 0, expected.objects > 0)
    for value in (50, 100, 150, 200):
        inside = ids.array[0][(grey == value) & ~expected.boundaries]
        assert len(np.unique(inside)) == 1, value
    assert sorted(np.unique(ids.array[0])) == [0, 1, 2, 3, 4]
    assert count == 4
    assert ids.crs.to_epsg() == 32632
    assert ids.transform == read_raster(scene).transform
    assert not (tmp_path / "out" / "tiles").exists()


def test_without_overlap_halves_stay_apart_but_unique(
    sam, scene: Path, tmp_path: Path, by_colour
) -> None:
    objects, _, _ = mask_scene(
        sam, scene, tmp_path / "o", LOOSE, tile=50, overlap=0, progress=False
    )
    ids, grey = read_raster(objects).array[0], true_objects(80, 100)
    for number in np.unique(ids[ids > 0]):
        assert len(np.unique(grey[ids == number])) == 1


def test_an_interrupted_run_goes_on(sam, scene: Path, tmp_path: Path, by_colour) -> None:
    whole, _, _ = mask_scene(sam, scene, tmp_path / "a", LOOSE, tile=40, overlap=10, progress=False)
    total = len(by_colour)
    find = scene_masks.find_objects

    def stops(*arguments):
        if len(by_colour) == total + 3:
            raise KeyboardInterrupt
        return find(*arguments)

    scene_masks.find_objects = stops
    with pytest.raises(KeyboardInterrupt):
        mask_scene(sam, scene, tmp_path / "b", LOOSE, tile=40, overlap=10, progress=False)
    assert not (tmp_path / "b" / "objects.tif").exists()
    scene_masks.find_objects = find
    again, _, _ = mask_scene(sam, scene, tmp_path / "b", LOOSE, tile=40, overlap=10, progress=False)
    assert len(by_colour) == 2 * total
    assert np.array_equal(read_raster(again).array, read_raster(whole).array)


def test_tiles_of_another_plan_are_not_mixed(sam, scene: Path, tmp_path: Path, by_colour) -> None:
    out = tmp_path / "out"
    begin_folder(out / "tiles", {"tile": 32})
    with pytest.raises(ValueError, match=r"holds tiles made with another scene, settings, tile"):
        mask_scene(sam, scene, out, LOOSE, tile=40, progress=False)


def test_no_data_belongs_to_no_object(sam, tmp_path: Path, by_colour) -> None:
    image = np.repeat(true_objects(80, 100)[None], 3, axis=0) + 1
    image[:, :, :50] = 0
    path = write_raster(tmp_path / "holes.tif", image, nodata=0)
    objects, _, _ = mask_scene(sam, path, tmp_path / "o", LOOSE, tile=50, overlap=0, progress=False)
    assert not read_raster(objects).array[0, :, :50].any()
    assert read_raster(objects).array[0, :, 50:].any()
    assert len(by_colour) == 2  # empty tiles were not asked about


def test_with_a_real_network(sam, scene: Path, tmp_path: Path) -> None:
    loose = ObjectSettings(
        points_per_side=2, pred_iou_thresh=-1.0, stability_score_thresh=0.0, min_area=1
    )
    objects, boundaries, count = mask_scene(sam, scene, tmp_path / "out", loose, progress=False)
    ids = read_raster(objects).array[0]
    assert ids.dtype == np.int32
    assert set(np.unique(ids)) == set(range(count + 1))
    assert set(np.unique(read_raster(boundaries).array)) <= {0, 1}


def test_matching_by_hand() -> None:
    a = np.array([[1, 1, 1, 0, 2, 2]], dtype=np.int32)
    b = np.array([[4, 4, 0, 0, 9, 3]], dtype=np.int32)
    assert match_objects(a, b).tolist() == [[1, 4]]  # IoU 2/3; 2 and 9 have exactly one half
    assert match_objects(np.zeros((2, 2), np.int32), b[:, :4].reshape(2, 2)).tolist() == []


def test_sixteen_bits_are_stretched_by_the_whole_scene(tmp_path: Path) -> None:
    values = np.linspace(1000, 9000, 64 * 64).reshape(1, 64, 64).astype(np.uint16)
    path = write_raster(tmp_path / "deep.tif", values)
    stretch = Stretch.of(path, (1,))
    whole, valid = read_rgb(path, stretch)
    part, _ = read_rgb(path, stretch, Window(10, 20, 5, 6))
    assert whole.dtype == np.uint8
    assert valid.all()
    assert whole.min() == 0
    assert whole.max() == 255
    assert np.array_equal(part, whole[10:15, 20:26])
    assert np.array_equal(whole[..., 0], whole[..., 2])


def test_errors(sam, scene: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        mask_scene(sam, tmp_path / "none.tif", tmp_path)
    with pytest.raises(ValueError, match="overlap must be between 0 and the tile's 32 pixels"):
        mask_scene(sam, scene, tmp_path, overlap=32)
    with pytest.raises(ValueError, match=r"has 3 bands, but bands \(1, 2, 4\)"):
        mask_scene(sam, scene, tmp_path, bands=(1, 2, 4))
    with pytest.raises(ValueError, match="expected one band or three"):
        mask_scene(sam, scene, tmp_path, bands=(1, 2))
    own = write_raster(tmp_path / "objects.tif", read_raster(scene).array)
    kept = own.read_bytes()
    with pytest.raises(ValueError, match=r"objects\.tif is an input"):
        mask_scene(sam, own, tmp_path, progress=False)
    assert own.read_bytes() == kept
