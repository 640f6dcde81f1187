"""NYUDv2 and SUN RGB-D: 0 is void, and a distance is no elevation."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mfnet_lite.rasters import (
    WholeTiles,
    check_dataset,
    detect_kind,
    open_dataset,
    open_nyud,
    open_sunrgbd,
    read_raster,
    write_raster,
)
from mfnet_lite.rasters.readers.nyud import CLASSES, SUN_CLASSES
from mfnet_lite.utils.labels import IGNORE_INDEX
from tests.rasters.readers.image_sets import make_nyud, save, write_list


@pytest.fixture
def indoor(tmp_path):
    return make_nyud(tmp_path / "NYUDepthv2")


def test_the_folders_of_cmx(indoor):
    data = open_dataset(indoor)
    assert data.kind == "nyud"
    assert {split: [tile.id for tile in tiles] for split, tiles in data.splits.items()} == {
        "train": ["0", "1"],
        "val": ["2"],
        "test": ["3", "4"],
    }
    assert (len(CLASSES), CLASSES[0], CLASSES[36], CLASSES[-1]) == (40, "wall", "bag", "other prop")
    assert {name: s.kind for name, s in data.info.sensors.items()} == {
        "optical": "optical",
        "hha": "other",
        "depth": "other",
    }
    report = check_dataset(indoor)
    assert report.ok
    assert set(report.counts()["train"]) == {*range(40), IGNORE_INDEX}


def test_labels_count_from_one(indoor):
    tile = open_dataset(indoor).tiles("test")[0]
    written = np.array(Image.open(tile.label)).astype(np.int64)
    label = WholeTiles([tile], ["optical"])[0]["label"]
    assert torch.equal(label, torch.from_numpy(np.where(written == 0, IGNORE_INDEX, written - 1)))


@pytest.mark.parametrize("scaling", ["ground", "minmax", "robust"])
def test_depth_is_no_elevation(indoor, scaling):
    """Equal distances are equal values in every image, whatever is done to elevations; 0 is missing."""
    tile = open_dataset(indoor).tiles("test")[0]
    raw = torch.from_numpy(np.array(Image.open(tile.files["depth"])).astype(np.float32))
    sample = WholeTiles([tile], ["optical", "depth"], scaling, valid=True)[0]
    assert torch.allclose(sample["depth"][0], raw / 10_000)
    assert torch.equal(sample["valid"], raw > 0)


def test_depth_of_bytes_and_in_another_unit(indoor):
    (indoor / "dataset.json").write_text('{"sensors": {"depth": {"scale": 5000, "unit": "mm"}}}')
    data = open_nyud(indoor, ["optical", "depth"])
    assert data.info.sensors["depth"].kind == "other"
    raw = np.array(Image.open(data.tiles("test")[0].files["depth"])).astype(np.float32)
    depth = WholeTiles(data.tiles("test"))[0]["depth"][0]
    assert torch.allclose(depth, torch.from_numpy(np.minimum(raw / 5000, 1)))
    (indoor / "dataset.json").unlink()
    for path in (indoor / "Depth").iterdir():
        save(path, (np.array(Image.open(path)) / 20).astype(np.uint8))
    tile = open_nyud(indoor).tiles("test")[0]
    raw = np.array(Image.open(tile.files["depth"])).astype(np.float32)
    assert torch.allclose(WholeTiles([tile])[0]["depth"][0], torch.from_numpy(raw / 255))


def test_depth_of_floats_is_in_metres(indoor):
    for path in list((indoor / "Depth").iterdir()):
        metres = np.array(Image.open(path)).astype(np.float32) / 1000
        path.unlink()
        write_raster(path.with_suffix(".tif"), metres)
    tile = open_nyud(indoor).tiles("test")[0]
    raw = torch.from_numpy(read_raster(tile.files["depth"]).array)
    sample = WholeTiles([tile], valid=True)[0]
    assert torch.allclose(sample["depth"], raw / 10)
    assert torch.equal(sample["valid"], raw[0] > 0)
    assert check_dataset(indoor).ok


@pytest.mark.parametrize(
    "line",
    ["RGB/{}.jpg", "{}", "RGB\\{}.jpg", "RGB/{}.jpg Label/{}.png", "RGB/{}.jpg\tLabel/{}.png"],
)
def test_lists_as_they_occur(indoor, line):
    write_list(indoor / "train.txt", ["", *(line.format(i, i) for i in range(3)), ""], "\r\n")
    data = open_nyud(indoor, val_fraction=0)
    assert [tile.id for tile in data.tiles("train")] == ["0", "1", "2"]


def test_sun_rgbd_has_the_first_37_classes(tmp_path):
    sun = make_nyud(tmp_path / "SUN-RGBD", classes=37, labels="labels")
    data = open_dataset(sun)
    assert (data.kind, data.info.classes) == ("sunrgbd", SUN_CLASSES)
    assert check_dataset(sun).ok
    tile = data.tiles("test")[0]
    raw = torch.from_numpy(np.array(Image.open(tile.files["depth"])).astype(np.float32))
    assert torch.allclose(
        WholeTiles([tile])[0]["depth"][0], raw / 65_535
    )  # eighths of a millimetre
    other = make_nyud(tmp_path / "indoor", classes=37)
    assert (detect_kind(other), open_dataset(other, "sunrgbd").info.classes) == ("nyud", SUN_CLASSES)  # fmt: skip
    save(other / "Label" / "0.png", np.full((24, 32), 38, np.uint8))
    assert any(
        "unknown label value: 38" in p.problem for p in check_dataset(other, "sunrgbd").problems
    )
    with pytest.raises(FileNotFoundError, match="is not SUN RGB-D"):
        open_sunrgbd(tmp_path)


def test_labels_that_are_shifted_already_are_refused(indoor):
    """0 to 39 with 255 for void would be read one class too low."""
    for path in (indoor / "Label").iterdir():
        save(path, np.array(Image.open(path)) - np.uint8(1))
    report = check_dataset(indoor)
    assert len(report.problems) == 5
    assert "unknown label value: 255" in report.problems[0].problem
    values = {str(i): i for i in range(40)} | {"255": "ignore"}
    (indoor / "dataset.json").write_text(json.dumps({"label_values": values}))
    assert check_dataset(indoor).ok
    tile = open_nyud(indoor).tiles("test")[0]
    written = torch.from_numpy(np.array(Image.open(tile.label)).astype(np.int64))
    assert torch.equal(WholeTiles([tile])[0]["label"], written)


def test_classes_of_its_own_are_no_nyud(indoor):
    (indoor / "dataset.json").write_text('{"classes": ["floor", "rest"]}')
    with pytest.raises(ValueError, match=r"dataset\.json has classes of its own.*folder layout"):
        open_dataset(indoor)
    assert "classes of its own" in check_dataset(indoor).problems[0].problem


def test_faults_are_named(indoor):
    (indoor / "HHA" / "0.jpg").unlink()
    save(indoor / "Depth" / "1.png", np.full((24, 30), 900, np.uint16))
    save(indoor / "Label" / "2.png", np.full((24, 32), 41, np.uint8))
    write_list(indoor / "test.txt", ["RGB/3.jpg", "RGB/77.jpg", "RGB/2.jpg"])
    said = [str(problem) for problem in check_dataset(indoor).problems]
    for words in (
        "0.jpg: missing partner: no hha of this name",
        "24 x 30 pixels instead of 24 x 32",
        "unknown label value: 41 (768 px)",
        "test.txt: lists RGB/77.jpg, which has no complete set of files",
        "test.txt: lists 1 tile that train.txt lists, too, such as 2",
    ):
        assert any(words in line for line in said), (words, said)
    save(indoor / "RGB" / "3.png", np.zeros((24, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"3\.jpg and 3\.png, rasters of one name"):
        open_nyud(indoor)


def test_what_is_no_nyud(indoor, tmp_path):
    for path in [*indoor.glob("RGB/*"), *indoor.glob("HHA/*"), *indoor.glob("*/*.png")]:
        path.rename(path.with_name(f"2013_05_28_drive_{path.name}"))
    assert (
        detect_kind(indoor) is None
    )  # KITTI-360 and others come in such folders, with other classes
    with pytest.raises(FileNotFoundError, match="is not NYUDv2"):
        open_nyud(tmp_path)
