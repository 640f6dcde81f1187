from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mfnet_lite.rasters import WholeTiles, open_dataset, open_hunan, write_raster


def test_original_form(tmp_path):
    s2 = np.stack([np.full((3, 3), 1000 * band, np.uint16) for band in range(13)])
    topo = np.stack([np.linspace(50, 80, 9).reshape(3, 3), np.full((3, 3), 900)])
    codes = np.array([[0, 1, 2], [3, 5, 6], [8, 9, 9]], np.uint8)
    for split, prefix in (("train", ""), ("val", ""), ("test", "s2_")):
        name = prefix.removeprefix("s2_") if prefix else "12"
        write_raster(tmp_path / split / "s2" / f"{prefix}{name or 7}.tif", s2)
        for folder, array in (("topo", topo.astype(np.float32)), ("lc", codes)):
            stem = f"{folder}_7" if prefix else "12"
            write_raster(tmp_path / split / folder / f"{stem}.tif", array)
    data = open_dataset(tmp_path)
    assert data.kind == "hunan"
    assert data.tiles("test")[0].id == "7"
    sample = WholeTiles(data.tiles("test"), scaling="minmax")[0]
    assert sample["optical"][:, 0, 0].tolist() == pytest.approx([0.3, 0.2, 0.1])
    assert sample["dsm"].shape == (1, 3, 3)
    assert (sample["dsm"].min(), sample["dsm"].max()) == (0, 1)
    assert sample["label"].flatten().tolist() == [255, 0, 1, 2, 3, 4, 5, 6, 6]


def test_codes_that_mfnets_preparation_leaves_out(tmp_path):
    codes = np.array([[1, 4, 7], [8, 9, 10], [11, 2, 255]], np.uint8)
    write_raster(tmp_path / "train" / "s2" / "1.tif", np.zeros((13, 3, 3), np.uint16))
    write_raster(tmp_path / "train" / "topo" / "1.tif", np.ones((2, 3, 3), np.float32))
    write_raster(tmp_path / "train" / "lc" / "1.tif", codes)
    data = open_dataset(tmp_path)
    assert "as MFNet's preparation does" in data.notes[0]
    label = WholeTiles(data.tiles("train"), scaling="minmax")[0]["label"]
    assert label.flatten().tolist() == [0, 255, 255, 5, 6, 255, 255, 1, 255]
    (tmp_path / "dataset.json").write_text('{"label_values": {"4": "forest", "8": 6, "9": 5}}')
    label = WholeTiles(open_dataset(tmp_path).tiles("train"), scaling="minmax")[0]["label"]
    assert label.flatten().tolist() == [0, 1, 255, 6, 5, 255, 255, 1, 255]


def test_prepared_form_with_lists(tmp_path):
    for folder in ("images_png", "dsm_pngs"):
        (tmp_path / folder).mkdir()
    for number in (1, 2, 3):
        Image.fromarray(np.zeros((2, 4, 3), np.uint8)).save(
            tmp_path / "images_png" / f"{number}.png"
        )
        Image.fromarray(np.full((2, 4), 51, np.uint8)).save(tmp_path / "dsm_pngs" / f"{number}.png")
        mask = np.arange(-1, 7, dtype=np.int8).reshape(2, 4)
        write_raster(tmp_path / "masks_png" / f"{number}.tif", mask)
    assert len(open_hunan(tmp_path).tiles("train")) == 3
    (tmp_path / "train.txt").write_text("1\n3\n")
    (tmp_path / "test.txt").write_text("2\n")
    data = open_dataset(tmp_path, val_fraction=0)
    assert [tile.id for tile in data.tiles("train")] == ["1", "3"]
    sample = WholeTiles(data.tiles("test"))[0]
    assert sample["label"].flatten().tolist() == [255, 0, 1, 2, 3, 4, 5, 6]
    assert sample["dsm"].unique().tolist() == [pytest.approx(0.2)]


def test_not_hunan(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not MMHunan"):
        open_hunan(tmp_path)
