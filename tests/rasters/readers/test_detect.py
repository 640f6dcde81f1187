from __future__ import annotations

import pytest

from mfnet_lite.rasters import check_dataset, detect_kind, open_dataset
from mfnet_lite.world import write_plates


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


def test_real_folders(realdata):
    kinds = {path.name: detect_kind(path) for path in realdata.iterdir() if path.is_dir()}
    assert kinds.pop("deepforest_boxes") is None
    assert {name for name, kind in kinds.items() if kind == "pairs"} == {
        "change_levir",
        "change_dsifn",
    }
    assert {kind for name, kind in kinds.items() if not name.startswith("change")} == {"folder"}
