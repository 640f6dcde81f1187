"""Work that is taken up again after a file was replaced by another of the same name and size.

Situations: lisa-lab/pylearn2#870 (a cache that knows files by name trains on the old ones),
ultralytics/ultralytics#20132 and bespokelabsai/curator#143 (what a cached data set is known by).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import mfnet_lite.scenes.masks as module
from mfnet_lite.rasters import open_folder, raster_info, read_raster, write_raster
from mfnet_lite.sam import SamConfig, build_sam
from mfnet_lite.sam.objects import ObjectSettings
from tests.real_files.makers import TINY, call

FEW = ObjectSettings(points_per_side=2)


def dataset(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for split, count in (("train", 2), ("test", 1)):
        for k in range(count):
            label = rng.integers(0, 2, (32, 32)).astype(np.uint8)
            write_raster(root / split / "label" / f"t{k}.tif", label)
            write_raster(
                root / split / "image" / f"t{k}.tif", rng.integers(0, 256, (3, 32, 32), np.uint8)
            )
    (root / "dataset.json").write_text('{"classes": ["ground", "roof"]}')
    return root


def swap(path: Path) -> None:
    """Put another raster of the same name, size in bytes and time in the place of one."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    raster = read_raster(path)
    for shift in range(1, 60):  # until it compresses to as many bytes
        write_raster(path, np.roll(raster.array, shift, -1), raster)
        if path.stat().st_size <= stat.st_size:
            break
    with path.open("ab") as file:
        file.write(b"\0" * (stat.st_size - path.stat().st_size))
    assert path.read_bytes() != content
    assert path.stat().st_size == stat.st_size
    os.utime(path, (stat.st_atime, stat.st_mtime + 1))


@pytest.fixture
def run(tmp_path):
    data, out = dataset(tmp_path / "data"), tmp_path / "run"
    result = call("train", data, "--out", out, "--steps", 2, *TINY)
    assert result.exit_code == 0, result.output
    return data, out


def test_training_goes_on_with_the_same_files_only(run):
    data, out = run
    again = ("train", data, "--out", out, "--steps", 2, *TINY, "--resume")
    assert call(*again).exit_code == 0
    swap(data / "test" / "image" / "t0.tif")  # no training reads it
    assert call(*again).exit_code == 0
    label = data / "train" / "label" / "t1.tif"
    swap(label)
    result = call(*again)
    assert result.exit_code == 1
    assert str(label) in result.stderr
    assert "has changed since the run began; bring the old one back or choose" in result.stderr
    assert "another --out" in result.stderr


def test_what_the_dataset_says_about_itself_counts(run):
    data, out = run
    classes = '"classes": ["ground", "roof"]'
    values = '"label_values": {"0": "ground", "1": "roof", "9": "roof"}'
    for said, told in (
        (values, "dataset.json"),
        ('"image_scale": 128', "scale of optical was None"),
    ):
        (data / "dataset.json").write_text(f"{{{classes}, {said}}}")
        result = call("train", data, "--out", out, "--steps", 2, *TINY, "--resume")
        assert result.exit_code == 1
        assert told in result.stderr


def test_a_run_of_an_earlier_version_goes_on_with_a_note(run):
    data, out = run
    config = json.loads((out / "config.json").read_text())
    assert sorted(config["content"])[:2] == ["dataset.json", "train/t0/label"] or config["content"]
    del config["content"]
    (out / "config.json").write_text(json.dumps(config))
    swap(data / "train" / "image" / "t0.tif")
    result = call("train", data, "--out", out, "--steps", 2, *TINY, "--resume")
    assert result.exit_code == 0, result.output
    assert "note: " in result.stderr
    assert "does not know the content of its files" in result.stderr


@pytest.fixture(scope="module")
def sam():
    return build_sam(SamConfig(image_size=32, patch_size=8, width=16, depth=2, heads=2, window=4))


@pytest.fixture
def stopped(tmp_path, sam, monkeypatch):
    """A scene whose masks were interrupted after the first tile."""
    scene = write_raster(
        tmp_path / "scene.tif", np.random.default_rng(0).integers(0, 256, (3, 32, 80), np.uint8)
    )
    real, calls = module._save, []

    def save(*arguments):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_save", save)
        with pytest.raises(KeyboardInterrupt):
            module.mask_scene(sam, scene, tmp_path / "out", FEW, progress=False)
    return scene, tmp_path / "out"


def test_masks_of_an_interrupted_scene(sam, stopped):
    scene, out = stopped
    renamed = scene.rename(scene.with_name("the same.tif"))
    written = module.mask_scene(sam, renamed, out, FEW, progress=False)
    assert raster_info(written.objects).width == 80


def test_masks_of_a_scene_that_was_replaced(sam, stopped):
    scene, out = stopped
    swap(scene)
    with pytest.raises(
        ValueError, match=r"made with another scene \(.*scene\.tif or a file beside"
    ):
        module.mask_scene(sam, scene, out, FEW, progress=False)


def test_masks_begun_by_an_earlier_version(sam, stopped, capsys):
    scene, out = stopped
    plan = json.loads((out / "tiles" / "plan.json").read_text())
    plan["scene"] = [scene.name, scene.stat().st_size, 32, 80]
    (out / "tiles" / "plan.json").write_text(json.dumps(plan))
    module.mask_scene(sam, scene, out, FEW)
    assert "note: " in capsys.readouterr().err


def test_maps_of_tiles_whose_image_was_replaced(sam, tmp_path):
    from mfnet_lite.rasters import find_object_files
    from mfnet_lite.scenes.mask_dataset import mask_tiles

    data = dataset(tmp_path / "data")
    tiles = open_folder(data, ["optical"], val_fraction=0.0).tiles("train")
    mask_tiles(sam, tiles, tmp_path / "maps", FEW, progress=False)
    assert mask_tiles(sam, tiles, tmp_path / "maps", FEW, progress=False)
    assert find_object_files(tiles, tmp_path / "maps")
    swap(data / "train" / "image" / "t1.tif")
    message = r"t1\.tif was made from another image than .*t1\.tif is now; delete the map"
    with pytest.raises(ValueError, match=message):
        mask_tiles(sam, tiles, tmp_path / "maps", FEW, progress=False)
    result = call(
        "train", data, "--out", tmp_path / "run", "--steps", 1, *TINY, "--objects", tmp_path / "maps",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "was made from another image" in result.stderr
    # maps of other programs do not say what they were made from
    path = tmp_path / "maps" / "objects" / "t1.tif"
    write_raster(path, read_raster(path).array)
    assert find_object_files(tiles, tmp_path / "maps")


def test_a_test_tile_that_is_a_copy_of_a_training_tile(run):
    """stefyste/RIAWELC#2: every image of the test set is one of the training set."""
    data, out = run
    train = json.loads((out / "config.json").read_text())["dataset"]["tiles"]["train"][0]
    assert "warning" not in call("evaluate", out, data, "--device", "cpu").stderr
    for kind in ("image", "label"):
        (data / "test" / kind / "t0.tif").unlink()
        copy = (data / "train" / kind / f"{train}.tif").read_bytes()
        (data / "test" / kind / "elsewhere.tif").write_bytes(copy)
    result = call("evaluate", out, data, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "1 of 1 tiles bear the names or the pixels of tiles which" in result.stderr
