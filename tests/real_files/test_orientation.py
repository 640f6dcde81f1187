"""Photographs that lie down: what is annotated belongs to the image as viewers show it.

Situations: CVHub520/X-AnyLabeling#1098, wkentaro/labelme#1529 and thtrieu/darkflow#774 (boxes drawn on the upright
image, pixels read as they are stored).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import PlateSamples, check_dataset, open_plates, read_plates
from mfnet_lite.rasters.orientation import check_upright

UPRIGHT = np.full((60, 80, 3), 60, np.uint8)
UPRIGHT[10:20, 45:70] = 250  # the plate
STORED_BY = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
STORED_BY |= {6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}


def lying(path: Path, tag: int, array: np.ndarray = UPRIGHT) -> Path:
    """Store an image as a camera that was held otherwise does; shown, it is the array."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[274] = tag
    turned = Image.fromarray(array).transpose(Image.Transpose[STORED_BY[tag]])
    turned.save(path, exif=exif, quality=95)
    with Image.open(path) as again:
        assert ImageOps.exif_transpose(again).size == (array.shape[1], array.shape[0])
    return path


def mean_of_plate(root: Path) -> tuple[float, float]:
    image, label, _ = read_plates(open_plates(root).tiles("train")[0])
    assert image.shape == (3, 60, 80)
    return float(image[0][label == 1].mean()), float(image[0][label == 0].mean())


@pytest.mark.parametrize("tag", STORED_BY)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_box_and_corners_lie_on_the_plate(tmp_path, tag, suffix):
    image = lying(tmp_path / "training/track0001" / f"track0001[01]{suffix}", tag)
    notes = image.with_suffix(".txt")
    notes.write_text("position_plate: 45 10 25 10\n")
    plate, rest = mean_of_plate(tmp_path)
    assert plate > 245
    assert rest < 65
    notes.write_text("position_plate: 45 10 25 10\ncorners: 45,10 70,10 70,20 45,20\n")
    assert mean_of_plate(tmp_path)[0] > 245
    sample = PlateSamples(open_plates(tmp_path).tiles("train"), size=80)[0]
    assert float(sample["optical"][0][sample["label"] == 1].mean()) > 0.96
    assert check_dataset(tmp_path, progress=False).ok


def test_ccpd_names(tmp_path):
    corners = "70&20_45&20_45&10_70&10"  # from the lower right, clockwise
    lying(tmp_path / f"025-95_113-45&10_70&20-{corners}-0_0_22_27_27_33_16-37-15.jpg", 8)
    assert mean_of_plate(tmp_path)[0] > 240


@pytest.mark.parametrize(("tag", "own"), [(6, 6), (6, None), (3, 8)])
def test_masks_follow_their_own_tag(tmp_path, tag, own):
    lying(tmp_path / "images" / "a.jpg", tag)
    mask = (UPRIGHT[..., 0] > 100).astype(np.uint8) * 255
    (tmp_path / "masks").mkdir()
    if own is None:
        Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    else:
        lying(tmp_path / "masks" / "a.png", own, mask)
    assert mean_of_plate(tmp_path)[0] > 245


def test_a_mask_drawn_on_the_stored_image_is_named(tmp_path):
    path = lying(tmp_path / "images" / "a.jpg", 6)
    (tmp_path / "masks").mkdir()
    with Image.open(path) as image:
        Image.new("L", image.size).save(tmp_path / "masks" / "a.png")
    report = check_dataset(tmp_path, progress=False)
    (problem,) = report.problems
    assert "a.png is 80 x 60 but its image 60 x 80 (turned by orientation tags 6 and 1)" in str(
        problem
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_scenes_that_lie_down_are_refused(tmp_path, suffix):
    path = lying(tmp_path / f"scene{suffix}", 6)
    with pytest.raises(ValueError, match="has the orientation tag 6"):
        check_upright(path)
    result = CliRunner().invoke(app, ["masks", str(path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "orientation tag 6, so it is shown turned by 90 degrees to the right" in result.stderr
    assert f"turn({str(path)!r}, 'NEW.tif')" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_tiles_of_a_dataset_that_lie_down_are_refused(tmp_path, suffix):
    for name in ("a", "b"):
        path = lying(tmp_path / "data/train/image" / f"{name}{suffix}", 3)
        label = Image.fromarray((UPRIGHT[..., 0] > 100).astype(np.uint8))
        (tmp_path / "data/train/label").mkdir(exist_ok=True)
        label.save(tmp_path / "data/train/label" / f"{name}.png")
    (tmp_path / "data/dataset.json").write_text('{"classes": ["rest", "plate"]}')
    told = [str(problem) for problem in check_dataset(tmp_path / "data", progress=False).problems]
    assert any("orientation tag 3, so it is shown turned by 180 degrees" in line for line in told)
    result = CliRunner().invoke(
        app, ["train", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--steps", "1"]
    )
    assert result.exit_code == 1
    assert "has the orientation tag 3" in result.stderr
    assert str(path.parent) in result.stderr
    assert not (tmp_path / "run").exists()
