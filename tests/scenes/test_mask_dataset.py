"""Masks of a dataset: what is there stays, what a kill left is done again, faults in one sentence.

That they are those of the single scenes is tested in cli/test_objects.py.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mfnet_lite import world
from mfnet_lite.rasters import open_folder, open_pairs, read_raster
from mfnet_lite.sam import ObjectSettings, SamConfig, build_sam
from mfnet_lite.scenes.mask_dataset import mask_tiles
from mfnet_lite.scenes.masks import mask_scene

SMALL = SamConfig(image_size=64, patch_size=8, width=16, depth=2, heads=2, window=4)
LOOSE = ObjectSettings(
    points_per_side=2, pred_iou_thresh=-1.0, stability_score_thresh=0.0, min_area=1
)
"""Keeps masks of a network that has learnt nothing."""


@pytest.fixture(scope="module")
def sam():
    return build_sam(SMALL)


@pytest.fixture
def tiles(tmp_path):
    folder = tmp_path / "world"
    world.write_folder(folder, 3, 64, seed=5, splits=(1.0, 0.0, 0.0), quiet=True)
    return open_folder(folder, ["optical"], val_fraction=0.0).tiles("train")


def pixels(path: Path) -> np.ndarray:
    return read_raster(path).array


def test_an_interrupted_run_goes_on(sam, tiles, tmp_path):
    out = tmp_path / "maps"
    written = mask_tiles(sam, tiles, out, LOOSE, progress=False)
    assert [f.objects.stem for f in written] == [tile.id for tile in tiles]
    assert all(f.objects.exists() and f.boundaries.exists() for f in written)
    assert not (out / "unfinished").exists()
    files = [path for f in written for path in (f.objects, f.boundaries)]
    made = {path: path.stat().st_mtime_ns for path in files}
    lost = pixels(written[1].objects)
    written[1].objects.unlink()  # as if stopped between the two moves
    assert mask_tiles(sam, tiles, out, LOOSE, progress=False) == written
    assert np.array_equal(pixels(written[1].objects), lost)
    again = {path for path in files if path.stat().st_mtime_ns != made[path]}
    assert again == {written[1].objects, written[1].boundaries}


def test_bands_are_those_of_the_dataset(sam, tmp_path):
    folder = tmp_path / "bands"
    world.write_folder(folder, 1, 64, seed=5, splits=(1.0, 0.0, 0.0), quiet=True)
    data = open_folder(folder, ["optical"], val_fraction=0.0, optical_bands=(3, 1, 2))
    (tile,) = data.tiles("train")
    (own,) = mask_tiles(sam, [tile], tmp_path / "a", LOOSE, progress=False)
    (chosen,) = mask_tiles(sam, [tile], tmp_path / "b", LOOSE, bands=(2,), progress=False)
    for made, bands in ((own, (3, 1, 2)), (chosen, (2,))):
        expected = mask_scene(
            sam, tile.files["optical"], tmp_path / "c", LOOSE, bands=bands, progress=False
        )
        assert np.array_equal(pixels(made.objects), pixels(expected.objects))
        assert np.array_equal(pixels(made.boundaries), pixels(expected.boundaries))
    assert not np.array_equal(pixels(own.boundaries), pixels(chosen.boundaries))


def test_maps_of_other_bands_are_not_gone_on_with(sam, tmp_path):
    folder, out = tmp_path / "bands", tmp_path / "maps"
    world.write_folder(folder, 2, 64, seed=5, splits=(1.0, 0.0, 0.0), quiet=True)

    def go_on(select=None, bands=None, most=2) -> None:
        data = open_folder(folder, ["optical"], val_fraction=0.0, optical_bands=select)
        mask_tiles(sam, data.tiles("train")[:most], out, LOOSE, bands=bands, progress=False)

    go_on((3, 1, 2), most=1)
    assert json.loads((out / "plan.json").read_text())["bands"] == [3, 1, 2]
    for select, bands in (((1, 2, 3), None), (None, None), ((3, 1, 2), (2,))):
        with pytest.raises(ValueError, match="maps holds tiles made with another bands; delete"):
            go_on(select, bands)
    go_on((1, 2, 3), bands=(3, 1, 2))  # the same bands, named by the call
    go_on((3, 1, 2))
    shutil.rmtree(out)
    go_on(most=1)
    with pytest.raises(ValueError, match="made with another bands"):
        go_on((3, 1, 2))
    go_on()


@pytest.mark.parametrize("select", [None, (3, 1, 2)])
def test_maps_of_before_the_bands_of_a_dataset_were_noted(sam, tmp_path, select, capsys):
    folder, out = tmp_path / "bands", tmp_path / "maps"
    world.write_folder(folder, 2, 64, seed=5, splits=(1.0, 0.0, 0.0), quiet=True)
    tiles = open_folder(folder, ["optical"], val_fraction=0.0, optical_bands=select).tiles("train")
    mask_tiles(sam, tiles[:1], out, LOOSE, progress=False)
    plan = json.loads((out / "plan.json").read_text())
    assert plan["bands"] == (list(select) if select else "of each file")
    (out / "plan.json").write_text(json.dumps(plan | {"bands": None}))
    mask_tiles(sam, tiles, out, LOOSE)
    note = "is of an earlier version and does not know of which bands its maps were made"
    assert capsys.readouterr().err.count(note) == 1
    with pytest.raises(
        ValueError, match="made with another bands"
    ):  # these were noted, and there are none
        mask_tiles(sam, tiles, out, LOOSE, bands=(3, 1, 2), progress=False)


def test_mistakes(sam, tiles, tmp_path):
    mask_tiles(sam, tiles[:1], tmp_path / "maps", LOOSE, progress=False)
    other = build_sam(SMALL, seed=1)
    with pytest.raises(ValueError, match="made with another weights"):
        mask_tiles(other, tiles, tmp_path / "maps", LOOSE, progress=False)
    world.write_pairs(tmp_path / "pairs", 1, 64, splits=(1.0, 0.0, 0.0), quiet=True)
    pairs = open_pairs(tmp_path / "pairs").tiles("train")
    with pytest.raises(ValueError, match="has the sensors before, after, but SAM needs optical"):
        mask_tiles(sam, pairs, tmp_path / "more", LOOSE, progress=False)


def test_maps_of_unknown_settings_do_not_count_as_done(sam, tiles, tmp_path):
    out = tmp_path / "maps"
    out.mkdir()
    (out / "notes.txt").touch()  # a folder may hold other things
    mask_tiles(sam, tiles[:1], out, LOOSE, progress=False)
    (out / "plan.json").unlink()
    with pytest.raises(ValueError, match=r"maps holds parts of which nothing says what they were"):
        mask_tiles(sam, tiles, out, LOOSE, progress=False)
