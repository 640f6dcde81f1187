from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mfnet_lite.world import make_plate_image, write_plates


def test_ufpr_layout(tmp_path) -> None:
    root = write_plates(tmp_path / "u", 5, 64, seed=3, quiet=True)
    found = sorted(p.relative_to(root).as_posix() for p in root.rglob("*.txt"))
    assert found == [
        "testing/track0001/track0001[01].txt",
        "testing/track0002/track0002[01].txt",
        "training/track0001/track0001[01].txt",
        "training/track0002/track0002[01].txt",
        "validation/track0001/track0001[01].txt",
    ]
    image = make_plate_image(4, 64)
    path = root / "training/track0002/track0002[01].png"
    assert (np.asarray(Image.open(path)).transpose(2, 0, 1) == image.image).all()
    x0, y0, x1, y1 = (round(float(v)) for v in image.plate_boxes[0])
    assert (
        f"position_plate: {x0} {y0} {x1 - x0} {y1 - y0}\n" in path.with_suffix(".txt").read_text()
    )
    assert not [p for p in root.rglob("*") if "part" in p.name]


def test_ccpd_layout_has_one_plate_in_each_name(tmp_path) -> None:
    root = write_plates(tmp_path / "c", 4, 64, layout="ccpd", quiet=True)
    listed = [
        name
        for split in ("train", "val", "test")
        for name in (root / f"splits/{split}.txt").read_text().split()
    ]
    assert len(listed) == len(set(listed)) == 4
    for name in listed:
        assert (root / name).is_file()
        fields = name.removeprefix("ccpd_base/").removesuffix(".jpg").split("-")
        assert len(fields) == 7
        assert fields[2].count("&") == 2
        assert fields[3].count("&") == 4


def test_masks_layout(tmp_path) -> None:
    root = write_plates(tmp_path / "m", 3, 64, seed=1, layout="masks", splits=(1, 0, 0), quiet=True)
    image = make_plate_image(2, 64)
    mask = np.asarray(Image.open(root / "train/masks/plates_000002.png"))
    assert set(np.unique(mask)) <= {0, 255}
    assert ((mask > 0) == image.plate).all()
    numbers = np.asarray(Image.open(root / "train/instances/plates_000002.png"))
    assert (numbers == image.instances).all()


def test_share_of_nights(tmp_path) -> None:
    root = write_plates(
        tmp_path / "m", 8, 64, layout="masks", night=0.25, splits=(1, 0, 0), quiet=True
    )
    images = sorted((root / "train/images").glob("*.png"))
    assert len(images) == 8
    made = [make_plate_image(seed, 64, night=seed % 4 == 3).image for seed in range(8)]
    for path, image in zip(images, made, strict=True):
        assert (np.asarray(Image.open(path)).transpose(2, 0, 1) == image).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layout": "coco"}, "available: ufpr, ccpd, masks"),
        ({"night": 2}, "share"),
        ({"images": 0}, "at least 1"),
    ],
)
def test_refusals(tmp_path, options, words) -> None:
    with pytest.raises(ValueError, match=words):
        write_plates(tmp_path / "x", **{"images": 2, "size": 64, "quiet": True} | options)
    assert not (tmp_path / "x").exists()


def test_never_writes_over_others(tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        write_plates(tmp_path, 1, 64, quiet=True)
