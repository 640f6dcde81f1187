"""Masks of a dataset: what is there stays, what a kill left is done again, faults in one sentence.

That they are those of the single scenes is tested in cli/test_objects.py.
"""

from __future__ import annotations

import numpy as np
import pytest

import mfnet_lite.scenes.mask_dataset as module
from mfnet_lite import world
from mfnet_lite.rasters import open_folder, open_pairs, raster_info, write_raster
from mfnet_lite.sam import SamConfig, build_sam
from mfnet_lite.scenes.masks import MaskedScene


@pytest.fixture(scope="module")
def sam():
    return build_sam(SamConfig(image_size=64, patch_size=8, width=16, depth=2, heads=2, window=4))


@pytest.fixture
def tiles(tmp_path):
    folder = tmp_path / "world"
    world.write_folder(folder, 3, 64, seed=5, splits=(1.0, 0.0, 0.0), quiet=True)
    return open_folder(folder, ["optical"], val_fraction=0.0).tiles("train")


@pytest.fixture
def asked(monkeypatch):
    """Replace the asking by writing one object, and note what was asked."""
    calls = []

    def mask_scene(sam, path, out, settings, **options):
        calls.append((path.stem, options["bands"]))
        info = raster_info(path)
        objects = write_raster(out / "objects.tif", np.ones((64, 64), np.int32), info)
        boundaries = write_raster(out / "boundaries.tif", np.zeros((64, 64), np.uint8), info)
        return MaskedScene(objects, boundaries, 1)

    monkeypatch.setattr(module, "mask_scene", mask_scene)
    return calls


def test_an_interrupted_run_goes_on(sam, tiles, asked, tmp_path):
    out = tmp_path / "maps"
    written = module.mask_tiles(sam, tiles, out, progress=False)
    assert [name for name, _ in asked] == [tile.id for tile in tiles]
    assert all(f.objects.exists() and f.boundaries.exists() for f in written)
    assert not (out / "unfinished").exists()
    written[1].objects.unlink()  # as if stopped between the two moves
    asked.clear()
    assert module.mask_tiles(sam, tiles, out, progress=False) == written
    assert [name for name, _ in asked] == [tiles[1].id]


def test_bands_are_those_of_the_dataset(sam, tmp_path, asked):
    folder = tmp_path / "bands"
    world.write_folder(folder, 1, 64, seed=5, splits=(1.0, 0.0, 0.0), quiet=True)
    data = open_folder(folder, ["optical"], val_fraction=0.0, optical_bands=(3, 1, 2))
    module.mask_tiles(sam, data.tiles("train"), tmp_path / "a", progress=False)
    module.mask_tiles(sam, data.tiles("train"), tmp_path / "b", bands=(2,), progress=False)
    assert [bands for _, bands in asked] == [(3, 1, 2), (2,)]


def test_mistakes(sam, tiles, asked, tmp_path):
    module.mask_tiles(sam, tiles[:1], tmp_path / "maps", progress=False)
    other = build_sam(
        SamConfig(image_size=64, patch_size=8, width=16, depth=2, heads=2, window=4), seed=1
    )
    with pytest.raises(ValueError, match="made with another weights"):
        module.mask_tiles(other, tiles, tmp_path / "maps", progress=False)
    world.write_pairs(tmp_path / "pairs", 1, 64, splits=(1.0, 0.0, 0.0), quiet=True)
    pairs = open_pairs(tmp_path / "pairs").tiles("train")
    with pytest.raises(ValueError, match="has the sensors before, after, but SAM needs optical"):
        module.mask_tiles(sam, pairs, tmp_path / "more", progress=False)
