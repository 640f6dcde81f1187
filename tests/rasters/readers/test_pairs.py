from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from mfnet_lite.rasters import RandomCrops, WholeTiles, check_dataset, open_dataset, open_pairs


def write_pairs(folder, names=("a", "b", "c"), folders=("A", "B", "label")):
    rng = np.random.default_rng(0)
    for place in folders:
        (folder / place).mkdir(parents=True, exist_ok=True)
    for name in names:
        for place in folders[:2]:
            image = rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(image).save(folder / place / f"{name}.png")
        mask = np.zeros((20, 24), np.uint8)
        mask[:5] = 255
        Image.fromarray(mask).save(folder / folders[2] / f"{name}.png")


def test_pairs_are_tiles_of_two_dates(tmp_path):
    write_pairs(tmp_path)
    data = open_dataset(tmp_path)
    assert data.kind == "pairs"
    assert data.info.classes == ("unchanged", "changed")
    sample = WholeTiles(data.tiles("test"))[1]
    assert sample["before"].shape == sample["after"].shape == (3, 20, 24)
    assert torch.bincount(sample["label"].flatten()).tolist() == [15 * 24, 5 * 24]
    assert RandomCrops(data.tiles("train"), 8)[0]["label"].max() <= 1
    assert check_dataset(tmp_path).ok


def test_lists_choose_and_divide(tmp_path):
    write_pairs(tmp_path)
    (tmp_path / "list.txt").write_text("b.png\n\na.png\n")
    data = open_pairs(tmp_path)
    assert [tile.id for tile in data.tiles("train")] == ["b", "a"]
    assert data.notes == ("1 tile in no list is left out",)
    (tmp_path / "list").mkdir()
    for split, name in (("train", "a"), ("val", "b"), ("test", "c")):
        (tmp_path / "list" / f"{split}.txt").write_text(f"{name}.png\n")
    assert [open_pairs(tmp_path).tiles(s)[0].id for s in ("train", "val", "test")] == [
        "a",
        "b",
        "c",
    ]


def test_listed_name_without_files(tmp_path):
    write_pairs(tmp_path)
    (tmp_path / "list.txt").write_text("a.png\nz.png\n")
    with pytest.raises(FileNotFoundError, match=r"list\.txt: lists z"):
        open_pairs(tmp_path).tiles()


def test_split_folders_and_other_names(tmp_path):
    write_pairs(tmp_path / "train", folders=("t1", "t2", "mask"))
    write_pairs(tmp_path / "test", ("z",), folders=("t1", "t2", "mask"))
    data = open_dataset(tmp_path)
    assert [len(data.tiles(s)) for s in ("train", "val", "test")] == [2, 1, 1]


@pytest.mark.parametrize(("first", "second"), [("2012", "2016_test"), ("before", "after")])
def test_single_scene_named_by_its_dates(tmp_path, first, second):
    write_pairs(tmp_path, ("x",))
    (tmp_path / "A" / "x.png").rename(tmp_path / "A" / f"{first}.png")
    (tmp_path / "B" / "x.png").rename(tmp_path / "B" / f"{second}.png")
    data = open_pairs(tmp_path)
    assert data.tiles()[0].files["after"].stem == second
    assert data.notes == (
        f"all: the names tell the dates, so {first}.png, {second}.png, x.png are taken for one scene",
    )
    assert check_dataset(tmp_path).ok


@pytest.mark.parametrize(("first", "second"), [("x", "other"), ("2012_x", "2012_y"), ("x", "2016")])
def test_a_single_file_of_another_name_is_no_partner(tmp_path, first, second):
    write_pairs(tmp_path, ("x",))
    (tmp_path / "A" / "x.png").rename(tmp_path / "A" / f"{first}.png")
    (tmp_path / "B" / "x.png").rename(tmp_path / "B" / f"{second}.png")
    problems = {p.file.name: p.problem for p in check_dataset(tmp_path).problems}
    assert "no before" in problems[f"{second}.png"]
    assert "no after" in problems[f"{first}.png"]


def test_a_single_pair_keeps_its_name(tmp_path):
    write_pairs(tmp_path, ("pair_00000",))
    data = open_pairs(tmp_path)
    assert data.tiles()[0].id == "pair_00000"
    assert data.notes == ()


def test_an_empty_label_folder_is_a_fault(tmp_path):
    write_pairs(tmp_path / "train")
    write_pairs(tmp_path / "test")
    for path in (tmp_path / "test" / "label").iterdir():
        path.unlink()
    (problem,) = check_dataset(tmp_path).problems
    assert problem.file == tmp_path / "test" / "label"


def test_blended_mask_and_missing_date(tmp_path):
    write_pairs(tmp_path)
    Image.fromarray(np.full((20, 24), 128, np.uint8)).save(tmp_path / "label" / "a.png")
    with pytest.raises(ValueError, match=r"a\.png holds 1 unknown label value.*128"):
        WholeTiles(open_pairs(tmp_path).tiles())[0]
    (tmp_path / "B" / "b.png").unlink()
    assert {p.problem.split(":")[0] for p in check_dataset(tmp_path).problems} == {
        "missing partner",
        "holds 1 unknown label value",
    }


def test_masks_with_a_colour_table_and_keys_of_dataset_json(tmp_path):
    write_pairs(tmp_path, ("a",))
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8).repeat(10, 0).repeat(12, 1), "P")
    image.putpalette([255, 255, 255, 0, 0, 0])  # white, changed, comes first
    image.save(tmp_path / "label" / "a.png")
    label = WholeTiles(open_pairs(tmp_path).tiles())[0]["label"]
    assert label[::10, ::12].tolist() == [[1, 0], [0, 1]]
    for table in ([0, 0, 0, 255, 255, 255], [0, 0, 0, 128, 0, 0]):
        image.putpalette(table)
        image.save(tmp_path / "label" / "a.png")
        label = WholeTiles(open_pairs(tmp_path).tiles())[0]["label"]
        assert label[::10, ::12].tolist() == [[0, 1], [1, 0]]
    Image.fromarray(np.full((20, 24), 7, np.uint8)).save(tmp_path / "label" / "a.png")
    (tmp_path / "dataset.json").write_text('{"label_values": {"7": "ignore"}}')
    assert WholeTiles(open_pairs(tmp_path).tiles())[0]["label"].unique().tolist() == [255]


def test_real_pairs_follow_their_list(realdata):
    for name in ("change_levir", "change_dsifn"):
        listed = (realdata / name / "list.txt").read_text().split()
        data = open_dataset(realdata / name)
        assert [f"{tile.id}.png" for tile in data.tiles("test")] == listed
        labels = torch.stack([s["label"] for s in WholeTiles(data.tiles())])
        assert labels.unique().tolist() == [0, 1]
