"""Referring expressions of DIOR-RSVG, whose lists count objects."""

from __future__ import annotations

import re

import pytest

from mfnet_lite.language.sources import read_source
from tests.language.sources.made import referring, write, xml


def test_reads_with_the_lists_counting_objects(tmp_path):
    source = read_source(referring(tmp_path))
    assert source.kind == "referring"
    assert source.problems == []
    found = [
        (image.path.stem, image.split, [phrase for phrase, _ in image.phrases])
        for image in source.images
    ]
    assert found == [
        ("00001", "train", ["The ship on the left"]),
        ("00001", "test", ["The large ship"]),
        ("00002", "train", ["A dam"]),
    ]
    assert source.images[1].phrases[0][1] == (50, 25, 99, 50)
    assert source.notes[1] == "1 image has objects in several splits"


def test_told(tmp_path):
    write(referring(tmp_path) / "val.txt", "17\n")
    source = read_source(tmp_path)
    assert "the lists name 1 object beyond the 3 that there are" in str(source.problems[0])
    write(tmp_path / "test.txt", "")
    assert "an object that no list names is left out (1 x)" in read_source(tmp_path).all_notes()
    (tmp_path / "JPEGImages" / "00001.jpg").unlink()
    source = read_source(tmp_path)  # the missing image's objects are counted all the same
    assert [image.phrases[0][0] for image in source.images] == ["A dam"]


def test_malformed(tmp_path):
    write(referring(tmp_path) / "val.txt", "3\n00001.jpg\n")
    with pytest.raises(
        ValueError,
        match=re.escape("line 2: expected the number of an object, found '00001.jpg'"),
    ):
        read_source(tmp_path)
    write(tmp_path / "val.txt", "")
    write(tmp_path / "Annotations" / "00002.xml", xml("00002.jpg", [("dam", (1, 1, 40, 40), " ")]))
    with pytest.raises(ValueError, match="object 0: expected <description> with a phrase"):
        read_source(tmp_path)
    with pytest.raises(ValueError, match="has no XML file"):
        read_source(tmp_path / "JPEGImages", "referring")


def test_an_object_in_several_lists_and_a_stale_filename(tmp_path):
    write(referring(tmp_path) / "val.txt", "0\n")
    text = xml("00001.jpg", [("dam", (1, 1, 40, 40), "A dam")])
    write(tmp_path / "Annotations" / "00002.xml", text)
    source = read_source(tmp_path)
    found = [(image.path.stem, image.split, image.phrases[0][0]) for image in source.images]
    assert found == [
        ("00001", "val", "The ship on the left"),
        ("00001", "test", "The large ship"),
        ("00002", "train", "A dam"),
    ]
    assert [str(problem).partition(": ")[2] for problem in source.problems] == [
        "1 object is named by the lists of several splits, such as 0, which is taken for val; name each in one list"
    ]
    assert any("than that of its XML file's own stem" in note for note in source.all_notes())
    # Without an image of its own, its boxes do not go to another one, and its objects are counted all the same.
    (tmp_path / "JPEGImages" / "00002.jpg").unlink()
    source = read_source(tmp_path)
    assert [image.path.stem for image in source.images] == ["00001", "00001"]
    assert "00002.xml: annotates 00001.jpg, as 00001.xml does" in str(source.problems[1])
