"""PST900: holes of the thermal image are read as they are, those of the raw measurement and the depth are holes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from mfnet_lite.rasters import WholeTiles, check_dataset, detect_kind, open_dataset, open_pst900
from mfnet_lite.rasters.readers.pst900 import CLASSES
from mfnet_lite.utils.labels import IGNORE_INDEX
from tests.rasters.readers.image_sets import make_mf_street, make_pst900, save, split_channels


@pytest.fixture
def underground(tmp_path):
    return make_pst900(tmp_path / "PST900_RGBT_Dataset")


def test_the_published_folders(underground):
    data = open_dataset(underground)
    assert data.kind == "pst900"
    assert {split: len(tiles) for split, tiles in data.splits.items()} == {
        "train": 2,
        "val": 1,
        "test": 2,
    }
    assert data.info.classes == CLASSES
    kinds = {name: sensor.kind for name, sensor in data.info.sensors.items()}
    assert kinds == {
        "optical": "optical",
        "thermal": "thermal",
        "thermal_raw": "thermal",
        "depth": "other",
    }
    assert "thermal_raw and depth: 0 means that nothing was measured" in data.notes[0]
    assert not open_pst900(underground, ["optical", "thermal"], val_fraction=0).notes
    assert check_dataset(underground).ok


def test_values_and_holes(underground):
    tile = open_dataset(underground).tiles("test")[0]
    sample = WholeTiles([tile], valid=True)[0]
    for name, full in (("thermal", 255), ("thermal_raw", 65_535), ("depth", 65_535)):
        raw = np.array(Image.open(tile.files[name])).astype(np.float32)
        assert torch.allclose(sample[name][0], torch.from_numpy(raw / full), atol=1e-6)
    holes = np.array(Image.open(tile.files["depth"])) == 0
    holes |= np.array(Image.open(tile.files["thermal_raw"])) == 0
    assert torch.equal(~sample["valid"], torch.from_numpy(holes))
    assert (sample["label"] != IGNORE_INDEX).all()  # colours decide in training
    scored = WholeTiles([tile], nodata_policy="any")[0]["label"]
    assert torch.equal(scored == IGNORE_INDEX, torch.from_numpy(holes))
    with_8_bits = WholeTiles([tile], ["optical", "thermal"], nodata_policy="any")[0]["label"]
    assert (with_8_bits != IGNORE_INDEX).all()


def test_another_full_value(underground):
    stated = {"sensors": {"depth": {"scale": 25600, "unit": "m", "nodata": -1}}}
    (underground / "dataset.json").write_text(json.dumps(stated))
    data = open_pst900(underground, ["optical", "depth"])
    assert (data.info.sensors["depth"].kind, data.notes[:-1]) == ("other", ())
    tile = data.tiles("test")[0]
    sample = WholeTiles([tile], nodata_policy="any")[0]
    raw = torch.from_numpy(np.array(Image.open(tile.files["depth"])).astype(np.float32))
    assert torch.allclose(sample["depth"][0], raw / 25_600)
    assert (sample["label"] != IGNORE_INDEX).all()


def test_sensors_that_are_not_there(underground):
    shutil.rmtree(underground / "test" / "depth")
    shutil.rmtree(underground / "train" / "thermal_raw")
    shutil.rmtree(underground / "test" / "thermal_raw")
    data = open_dataset(underground)
    assert list(data.info.sensors) == ["optical", "thermal"]
    assert "sensor depth is left out: test has no depth/" in data.notes
    assert "the split test has no rasters of the sensor depth" in data.faults[0].problem
    assert not open_pst900(underground, ["optical", "thermal"], val_fraction=0).faults
    with pytest.raises(FileNotFoundError, match="no sensor 'depth': found optical, thermal"):
        open_dataset(underground, sensors=["optical", "depth"])


def test_faults_are_named(underground):
    first, second, third = sorted((underground / "train" / "rgb").iterdir())
    (underground / "train" / "thermal" / first.name).unlink()
    save(underground / "train" / "labels" / second.name, np.full((24, 31), 1, np.uint8))
    save(underground / "train" / "labels" / third.name, np.full((24, 32), 7, np.uint8))
    said = [str(problem) for problem in check_dataset(underground).problems]
    for words in (
        "missing partner: no thermal of this name",
        "24 x 31 pixels instead of 24 x 32",
        "holds 1 unknown label value: 7 (768 px)",
    ):
        assert any(words in line for line in said), (words, said)


def test_labels_may_lie_in_label(underground):
    for split in ("train", "test"):
        (underground / split / "labels").rename(underground / split / "label")
    assert detect_kind(underground) == "pst900"
    report = check_dataset(underground)
    assert report.ok
    assert set(report.counts()["train"]) == set(range(5))


def test_three_bands_of_heat_are_read(underground):
    for path in underground.glob("*/thermal/*.png"):
        save(path, np.dstack([np.array(Image.open(path))] * 3))
    assert check_dataset(underground).ok
    assert WholeTiles(open_dataset(underground).tiles("test"))[0]["thermal"].shape[0] == 3


def test_neither_steals_from_the_other(underground, tmp_path):
    """Street images in folders of their own have the same names of folders; the files' names tell."""
    apart = split_channels(
        make_mf_street(tmp_path / "mf"), tmp_path / "x", ("rgb", "thermal", "labels")
    )
    assert detect_kind(apart) == "mf_street"
    assert detect_kind(underground) == "pst900"
    assert detect_kind(underground / "train") is None
    with pytest.raises(FileNotFoundError, match="is not PST900"):
        open_pst900(tmp_path)
