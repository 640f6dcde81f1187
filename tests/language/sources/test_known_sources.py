"""The table of sources: each made sample is recognised as what it is, and nothing else is."""

from __future__ import annotations

import pytest

from mfnet_lite.language.sources import SOURCES, detect_source, read_source
from mfnet_lite.language.sources.source import ImageFinder, split_of_name
from tests.language.sources import made

MAKERS = {
    "captions": made.captions,
    "vqa": made.vqa,
    "coco": made.coco,
    "dota": made.dota,
    "referring": made.referring,
    "voc": made.voc,
}


@pytest.mark.parametrize("kind", MAKERS)
def test_recognised(tmp_path, kind):
    assert detect_source(MAKERS[kind](tmp_path)) == kind


def test_other_folders(tmp_path):
    assert detect_source(made.classes(tmp_path)) is None
    assert set(MAKERS) | {"class_folders"} == set(SOURCES)
    with pytest.raises(FileNotFoundError, match="looked for a JSON file of images with sentences"):
        read_source(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        read_source(tmp_path / "x")
    with pytest.raises(ValueError, match="unknown kind 'yolo'"):
        read_source(tmp_path, "yolo")


def test_images_are_found_by_name(tmp_path):
    made.image(tmp_path / "train" / "a.jpg")
    made.image(tmp_path / "test" / "a.jpg")
    made.image(tmp_path / "b.tif")
    finder = ImageFinder(tmp_path)
    assert finder.find("train/a.jpg") == tmp_path / "train" / "a.jpg"
    assert finder.find("a.jpg") is None  # of two
    assert finder.find("a.jpg", "test") == tmp_path / "test" / "a.jpg"
    assert finder.find("elsewhere/b.tif") == finder.find("b") == tmp_path / "b.tif"
    assert finder.find("c.jpg") is None


def test_splits_in_names():
    assert [split_of_name(n) for n in ("Testing", "x_valid.json", "latest", "trainval")] == [
        "test",
        "val",
        "",
        "",
    ]
