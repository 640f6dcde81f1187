"""Folders of classes, with and without splits."""

from __future__ import annotations

import pytest

from mfnet_lite.language.sources import read_source
from tests.language.sources.made import classes


def test_reads(tmp_path):
    source = read_source(classes(tmp_path), "class_folders")
    assert {image.class_name for image in source.images} == {"dense residential", "airport"}
    assert len(source.images) == 20
    assert {image.split for image in source.images} == {""}


def test_splits_are_folders(tmp_path):
    for split in ("train", "Validation"):
        classes(tmp_path / split)
    source = read_source(tmp_path, "class_folders")
    assert {image.split for image in source.images} == {"train", "val"}
    assert {image.class_name for image in source.images} == {"dense residential", "airport"}


def test_told(tmp_path):
    (classes(tmp_path) / "empty").mkdir()
    source = read_source(tmp_path, "class_folders")
    assert "empty: holds no image of a class" in str(source.problems[0])
    with pytest.raises(ValueError, match="holds no class"):
        read_source(tmp_path / "empty", "class_folders")
