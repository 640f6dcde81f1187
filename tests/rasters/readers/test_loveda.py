from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mfnet_lite.rasters import WholeTiles, check_dataset, open_dataset, open_loveda
from mfnet_lite.rasters.readers.loveda import PALETTE

MASK = np.arange(8, dtype=np.uint8).reshape(2, 4)


def write(folder, numbers, masks=True):
    for number in numbers:
        for name, array in (("images_png", np.zeros((2, 4, 3), np.uint8)), ("masks_png", MASK)):
            if name == "images_png" or masks:
                (folder / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / name / f"{number}.png")


def test_official_tree(tmp_path):
    write(tmp_path / "Train" / "Urban", [1366, 1367, 1368])
    write(tmp_path / "Train" / "Rural", [0, 1])
    write(tmp_path / "Val" / "Urban", [3514])
    write(tmp_path / "Test" / "Rural", [4191], masks=False)
    data = open_dataset(tmp_path)
    assert data.kind == "loveda"
    assert [len(data.tiles(s)) for s in ("train", "val", "test", "unlabelled")] == [4, 1, 1, 1]
    assert data.tiles("test")[0].id == "Urban_3514"
    label = WholeTiles(data.tiles("test"))[0]["label"]
    assert label.flatten().tolist() == [255, 0, 1, 2, 3, 4, 5, 6]
    assert len(open_loveda(tmp_path, scenes=("Urban",), val_fraction=0).tiles("train")) == 3
    assert check_dataset(tmp_path).ok
    (tmp_path / "Train" / "Urban" / "masks_png" / "1367.png").unlink()
    assert check_dataset(tmp_path).problems[0].file.name == "1367.png"


def test_masks_with_a_colour_table(tmp_path):
    write(tmp_path / "Train" / "Urban", [1, 2])
    for number, order in ((1, range(8)), (2, range(7, -1, -1))):
        colours = [(0, 0, 0), *PALETTE]
        image = Image.fromarray(np.array(order, np.uint8)[MASK], "P")
        table = colours if number == 1 else colours[::-1]
        image.putpalette([band for colour in table for band in colour])
        image.save(tmp_path / "Train" / "Urban" / "masks_png" / f"{number}.png")
    for sample in WholeTiles(open_loveda(tmp_path, val_fraction=0).tiles("train")):
        assert sample["label"].flatten().tolist() == [255, 0, 1, 2, 3, 4, 5, 6]


def test_authors_tree_is_divided_by_number(tmp_path):
    write(tmp_path / "Urban", [1366, 2521, 3514, 4190])
    data = open_loveda(tmp_path, val_fraction=0)
    assert [tile.id for tile in data.tiles("train")] == ["Urban_1366", "Urban_2521"]
    assert [tile.id for tile in data.tiles("test")] == ["Urban_3514", "Urban_4190"]


def test_not_loveda(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not LoveDA"):
        open_loveda(tmp_path)


def test_real_tile(realdata):
    data = open_dataset(realdata / "loveda", "loveda")
    label = WholeTiles(data.tiles("test"))[0]["label"]
    values, counts = label.unique(return_counts=True)
    found = dict(zip([data.info.classes[v] for v in values], counts.tolist(), strict=True))
    assert found == {"background": 8244, "water": 29109, "forest": 914057, "agriculture": 97166}
