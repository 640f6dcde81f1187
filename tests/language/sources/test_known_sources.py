"""The table of sources: each made sample is recognised as what it is, and nothing else is."""

from __future__ import annotations

import pytest

from mfnet_lite.language.sources import SOURCES, detect_source, read_source
from mfnet_lite.language.sources.source import ImageFinder, splits_named
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


def test_a_missing_image_is_not_replaced_by_its_namesake(tmp_path):
    for name in ("train/0001.jpg", "val/0001.jpg", "val/0002.jpg", "aerial/ship/1.jpg"):
        made.image(tmp_path / name)
    finder = ImageFinder(tmp_path)
    assert finder.find("train/0002.jpg") is None  # the folder is here, the image is not
    assert finder.find("0002.jpg", "train") is None  # train and val have the same names
    assert finder.find("0002.jpg", "val") == tmp_path / "val" / "0002.jpg"
    assert finder.find("1.jpg", "train") == tmp_path / "aerial" / "ship" / "1.jpg"
    assert finder.find("/data/set/val/0001.jpg") == tmp_path / "val" / "0001.jpg"
    assert finder.find("D:\\set\\train\\0001.jpg") == tmp_path / "train" / "0001.jpg"


def test_an_image_may_lie_in_the_folder_of_another_split_where_names_are_given_once(tmp_path):
    # such as annotations for validation on images that were published for training
    made.image(tmp_path / "train2014" / "a.jpg")
    made.image(tmp_path / "val2014" / "b.jpg")
    assert ImageFinder(tmp_path).find("a.jpg", "val") == tmp_path / "train2014" / "a.jpg"


def test_splits_in_names():
    names = ("Testing", "x_valid.json", "latest", "trainval", "train_test2017.json")
    assert [splits_named(name) for name in names] == [
        {"test"}, {"val"}, set(), {"train", "val"}, {"train", "test"},
    ]  # fmt: skip
