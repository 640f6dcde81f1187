from __future__ import annotations

import pytest
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import open_plates, read_plates
from mfnet_lite.world import make_plate_image


@pytest.mark.parametrize("layout", ["ufpr", "ccpd", "masks"])
def test_world_plates_are_read_back(tmp_path, layout) -> None:
    out = tmp_path / "plates"
    options = ["--images", "4", "--size", "64", "--layout", layout, "--night", "0"]
    made = CliRunner().invoke(app, ["world", "plates", str(out), *options])
    assert made.exit_code == 0, made.output
    assert "wrote 4 images of 64 x 64" in made.output
    plates = open_plates(out)
    assert plates.kind == layout
    assert {split: len(tiles) for split, tiles in plates.splits.items()} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    checked = CliRunner().invoke(app, ["data", "check", str(out)])
    assert checked.exit_code == 0, checked.output
    if layout == "ccpd":
        return
    image, label, _ = read_plates(plates.tiles("train")[1])
    rgb = make_plate_image(1, 64)
    assert (image == rgb.image).all()
    # The annotation knows tenths of pixels, so a border pixel may fall to the other side.
    assert (label != rgb.plate).sum() <= 0.1 * rgb.plate.sum()


def test_unknown_layout_is_one_sentence(tmp_path) -> None:
    result = CliRunner().invoke(app, ["world", "plates", str(tmp_path / "x"), "--layout", "yolo"])
    assert result.exit_code == 1
    assert "available: ufpr, ccpd, masks" in result.output
