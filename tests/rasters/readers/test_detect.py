from __future__ import annotations

from pathlib import Path

import pytest

from mfnet_lite.rasters import (
    KINDS,
    READERS,
    DatasetInfo,
    LabelCoding,
    Problem,
    Tile,
    check_dataset,
    detect_kind,
    open_dataset,
)
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.world import write_plates

INFO = DatasetInfo(("a", "b"), LabelCoding(2), {})
TILES = [Tile(name, {}, None, INFO) for name in "ab"]
PROBLEM = Problem(Path("x"), "is odd", "look at it")


def test_nothing_matches_lists_what_was_looked_for(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"image/.*A/.*images_png.*s2/.*top_mosaic.*top_potsdam"
    ):
        open_dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        open_dataset(tmp_path / "no")
    with pytest.raises(ValueError, match=r"unknown kind 'cityscapes'.*folder, pairs"):
        open_dataset(tmp_path, "cityscapes")


def test_plates_are_recognised_and_told_what_reads_them(tmp_path):
    write_plates(tmp_path / "pl", 3, 64, quiet=True)
    assert check_dataset(tmp_path / "pl").ok
    with pytest.raises(FileNotFoundError, match=r"layout ufpr.*train_plates.*train/image/"):
        open_dataset(tmp_path / "pl")


def test_a_folder_named_validation_does_not_make_plates_of_a_dataset(dataset):
    (dataset / "test").rename(dataset / "validation")
    assert detect_kind(dataset) == "folder"
    report = check_dataset(dataset)
    assert report.kind == "folder"
    assert {row.split for row in report.rows} == {"train", "val"}


def test_plates_are_one_of_the_formats(tmp_path):
    write_plates(tmp_path / "pl", 6, 64, quiet=True)
    assert detect_kind(tmp_path / "pl") == "plates"
    assert set(READERS) - set(KINDS) == {"plates"}
    text = next((tmp_path / "pl").rglob("*.txt"))
    text.unlink()
    (problem,) = check_dataset(tmp_path / "pl", "plates").problems
    assert problem.file == text.with_suffix(".png")
    assert "no annotation" in problem.problem
    (tmp_path / "empty").mkdir()
    (problem,) = check_dataset(tmp_path / "empty", "plates").problems
    assert "holds no plates" in problem.problem


def test_one_end_of_all_readers():
    opened = finished(
        *(Path("x"), "toy", INFO, {"train": TILES}, {"train": (PROBLEM,)}, ["seen"], [PROBLEM]),
        seed=3,
        val_fraction=0.5,
    )
    assert sorted(tile.id for part in opened.splits.values() for tile in part) == ["a", "b"]
    assert opened.incomplete == {"train": (PROBLEM,), "val": (PROBLEM,)}
    assert opened.notes == (
        "seen",
        "no val split: 1 of 2 training tiles is held out for validation",
    )
    whole = finished(Path("x"), "toy", INFO, {"train": TILES}, {}, seed=3, val_fraction=0)
    assert (set(whole.splits), whole.incomplete, whole.notes) == ({"train"}, {}, ())


def test_a_choice_that_a_reader_does_not_have_is_refused(tmp_path):
    for folder in ("images_png", "masks_png"):
        (tmp_path / "Train" / "Urban" / folder).mkdir(parents=True)
    with pytest.raises(ValueError, match="is read as loveda, which has no choice of optical_bands"):
        open_dataset(tmp_path, optical_bands=(1, 2, 3))


def test_real_folders(realdata):
    kinds = {path.name: detect_kind(path) for path in realdata.iterdir() if path.is_dir()}
    assert kinds.pop("deepforest_boxes") is None
    assert {name for name, kind in kinds.items() if kind == "pairs"} == {
        "change_levir",
        "change_dsifn",
    }
    assert {kind for name, kind in kinds.items() if not name.startswith("change")} == {"folder"}
