from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mfnet_lite.rasters import PlateSamples, check_dataset, open_plates, read_plates

CCPD = "025-95_113-10&20_50&40-48&40_10&36_12&20_50&24-0_0_22_27_27_33_16-37-15"


def write_image(path: Path, width: int = 64, height: int = 48) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def ufpr(tmp_path: Path) -> Path:
    for split, tracks in (("training", 2), ("validation", 1), ("testing", 1)):
        for k in range(tracks):
            image = write_image(tmp_path / split / f"track{k:04d}" / f"track{k:04d}[01].png")
            text = "camera: GoPro\nposition_vehicle: 1 1 40 40\n\ttype: car\nplate: ABC-1234\n"
            image.with_suffix(".txt").write_text(
                f"{text}position_plate: 10 20 30 8\n\tchar 1: 11 21 3 6\n"
            )
    return tmp_path


@pytest.fixture
def ccpd(tmp_path: Path) -> Path:
    write_image(tmp_path / "ccpd_base" / f"{CCPD}.jpg")
    return tmp_path


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    write_image(tmp_path / "images" / "a.jpg")
    mask = np.zeros((48, 64), np.uint8)
    mask[5:9, 10:30] = 255
    mask[30:36, 40:52] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    return tmp_path


def test_ufpr_boxes(ufpr: Path) -> None:
    plates = open_plates(ufpr)
    assert plates.kind == "ufpr"
    assert {split: len(tiles) for split, tiles in plates.splits.items()} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    tile = plates.tiles("train")[1]
    assert tile.id == "track0001/track0001[01]"
    image, label, boxes = read_plates(tile)
    assert image.shape == (3, 48, 64)
    assert boxes.tolist() == [[10, 20, 40, 28]]
    expected = np.zeros((48, 64))
    expected[20:28, 10:40] = 1
    assert (label == expected).all()


def test_ufpr_corners_are_drawn_instead_of_the_box(ufpr: Path) -> None:
    text = ufpr / "testing/track0000/track0000[01].txt"
    text.write_text("position_plate: 10 20 20 10\ncorners: 10,20 30,20 30,30 20,30\n")
    _, label, boxes = read_plates(open_plates(ufpr).tiles("test")[0])
    assert boxes.tolist() == [[10, 20, 30, 30]]
    assert label.sum() == pytest.approx(150, abs=12)  # a trapezium of 20 and 10 by 10
    assert label[29, 11] == 0
    assert label[20, 11] == 1


def test_ufpr_image_without_a_plate(ufpr: Path) -> None:
    (ufpr / "testing/track0000/track0000[01].txt").write_text("camera: GoPro\n")
    _, label, boxes = read_plates(open_plates(ufpr).tiles("test")[0])
    assert boxes.shape == (0, 4)
    assert not label.any()


def test_ccpd_name(ccpd: Path) -> None:
    plates = open_plates(ccpd)
    assert (plates.kind, set(plates.splits)) == ("ccpd", {"all"})
    tile = plates.tiles("train")[0]
    assert tile.boxes.tolist() == [[10, 20, 50, 40]]
    assert tile.corners[0].tolist() == [[12, 20], [50, 24], [48, 40], [10, 36]]
    _, label, _ = read_plates(tile)
    x, y = tile.corners[0].T
    area = 0.5 * abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    assert label.sum() == pytest.approx(area, rel=0.03)


def test_ccpd_lists_tell_the_splits(ccpd: Path) -> None:
    (ccpd / "splits").mkdir()
    (ccpd / "splits/test.txt").write_text(f"ccpd_base/{CCPD}.jpg\n")
    assert len(open_plates(ccpd).tiles("test")) == 1
    with pytest.raises(ValueError, match="no tiles in the split 'train': found the splits test"):
        open_plates(ccpd).tiles("train")


def test_masks_give_boxes_of_their_parts(masks: Path) -> None:
    _, label, boxes = read_plates(open_plates(masks).tiles("val")[0])
    assert boxes.tolist() == [[10, 5, 30, 9], [40, 30, 52, 36]]
    assert label.sum() == 80 + 72
    assert label.dtype == np.int64


def test_samples_are_square_and_padding_is_ignored(ufpr: Path) -> None:
    samples = PlateSamples(open_plates(ufpr).tiles("train"), size=32)
    assert len(samples) == 2
    sample = samples[0]
    assert sample["optical"].shape == (3, 32, 32)
    assert sample["optical"].dtype == torch.float32
    assert 0 <= float(sample["optical"].min()) <= float(sample["optical"].max()) <= 1
    label = sample["label"]
    assert label.dtype == torch.int64
    assert (label[24:] == 255).all()  # 48 of 64 rows become 24 of 32
    assert set(label[:24].unique().tolist()) == {0, 1}
    assert (label[10:14, 5:20] == 1).all()
    whole = PlateSamples(open_plates(ufpr).tiles("train"), size=64)[0]
    image, _, _ = read_plates(open_plates(ufpr).tiles("train")[0])
    assert (255 * whole["optical"][:, :48] == torch.from_numpy(image)).all()


def test_check_counts_and_is_content(ufpr: Path) -> None:
    report = check_dataset(ufpr)
    assert report.ok
    assert report.kind == "ufpr"
    assert report.counts()["train"] == {0: 2 * (48 * 64 - 240), 1: 480}


def broken_number(root: Path) -> None:
    (root / "training/track0000/track0000[01].txt").write_text("position_plate: 10 20 x 8\n")


def no_height(root: Path) -> None:
    (root / "training/track0000/track0000[01].txt").write_text("position_plate: 10 20 9 0\n")


def outside(root: Path) -> None:
    (root / "training/track0000/track0000[01].txt").write_text("position_plate: 60 20 30 8\n")


def odd_corners(root: Path) -> None:
    text = root / "training/track0000/track0000[01].txt"
    text.write_text(
        "position_plate: 1 2 3 8\ncorners: 1,2 4,2 4,10 1,10\ncorners: 1,2 4,2 4,10 1,10\n"
    )


def no_text(root: Path) -> None:
    (root / "training/track0000/track0000[01].txt").unlink()


FAULTS = {
    "number": (broken_number, "line 1: expected position_plate: with 4 numbers"),
    "height": (no_height, "w and h above 0"),
    "outside": (outside, "expected it inside the image of 64 x 48"),
    "corners": (odd_corners, "1 position_plate but 2 corners"),
    "text": (no_text, "no annotation"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_and_listed(ufpr: Path, fault: str) -> None:
    damage, words = FAULTS[fault]
    damage(ufpr)
    with pytest.raises((ValueError, FileNotFoundError), match=words) as caught:
        _ = [read_plates(tile) for tile in open_plates(ufpr).tiles("train")]
    assert "track0000[01]" in str(caught.value)
    report = check_dataset(ufpr)
    assert len(report.problems) == 1
    assert words in str(report.problems[0])
    assert len(report.rows) == 3


def test_other_faults(ccpd: Path, tmp_path: Path) -> None:
    (ccpd / "splits").mkdir()
    (ccpd / "splits/train.txt").write_text("ccpd_base/absent.jpg\n")
    with pytest.raises(FileNotFoundError, match="listed but not there"):
        open_plates(ccpd)
    write_image(ccpd / "ccpd_base/absent.jpg")
    with pytest.raises(ValueError, match="not named as in CCPD"):
        open_plates(ccpd)
    with pytest.raises(FileNotFoundError, match="holds no plates: looked for"):
        open_plates(tmp_path / "nowhere")


def test_mask_faults(masks: Path) -> None:
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(masks / "masks" / "a.png")
    with pytest.raises(ValueError, match="is 20 x 20 but its image 48 x 64"):
        read_plates(open_plates(masks).tiles()[0])
    (masks / "masks" / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match="has no mask"):
        open_plates(masks)
    write_image(masks / "masks" / "a.png")
    (masks / "images" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"a\.jpg"):
        read_plates(open_plates(masks).tiles()[0])
