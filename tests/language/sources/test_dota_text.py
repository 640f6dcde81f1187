"""Oriented boxes in DOTA's text, with and without header and difficulty."""

from __future__ import annotations

import re

import pytest

from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.sources import read_source
from mfnet_lite.language.sources.dota_text import read_dota
from tests.language.sources.made import DOTA, dota, image, write

CAR = ObjectBox("small vehicle", (20, 10, 30, 20, 20, 30, 10, 20))


def test_reads(tmp_path):
    dota(tmp_path)
    source = read_source(dota(tmp_path, split="val"))
    assert source.kind == "dota"
    first, second, *_ = source.images
    assert first.objects == (CAR, ObjectBox("plane", (60, 10, 90, 10, 90, 40, 60, 40)))
    assert second.objects == ()
    assert [image.split for image in source.images] == ["train", "train", "val", "val"]
    assert source.all_notes() == ("an object marked as difficult is kept (2 x)",)
    fewer = read_dota(tmp_path, difficult=False)
    assert fewer.images[0].objects == (CAR,)
    assert fewer.all_notes() == ("an object marked as difficult is left out (2 x)",)


def test_early_releases_without_header_and_difficulty(tmp_path):
    image(tmp_path / "images" / "P1.png")
    write(tmp_path / "labelTxt-v1.0" / "P1.txt", "\ufeff20 10 30 20 20 30 10 20 small-vehicle\n\n")
    (found,) = read_source(tmp_path).images
    assert found.objects == (CAR,)
    assert found.split == ""


@pytest.mark.parametrize(
    "line",
    [
        "1 2 3 4 5 6 7 ship 0", "1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 8 ship x", "a b c",
        "1 2 3 4 5 6 7 nan ship 0", "1 2 3 4 5 -inf 7 8 ship 0",
    ],
)  # fmt: skip
def test_malformed(tmp_path, line):
    with pytest.raises(
        ValueError, match=re.escape("P0001.txt line 5: expected x and y of four corners")
    ) as caught:
        read_source(dota(tmp_path, DOTA + line + "\n"), "dota")
    assert repr(line) in str(caught.value)


def test_told(tmp_path):
    outside = "200 10 300 10 300 20 200 20 ship 0\n"
    twisted = "10 10 30 30 30 10 10 30 ship 0\n"
    dota(tmp_path, "weather:fine\n" + outside + twisted)
    (tmp_path / "train" / "images" / "P0002.png").unlink()
    source = read_source(tmp_path)
    told = [str(p) for p in source.problems]
    assert "line 2: the box" in told[0]
    assert "lies outside" in told[0]
    assert "line 3: the box" in told[1]
    assert "the image P0002 is missing" in told[2]
    assert source.all_notes() == ("the unknown header weather is not read (1 x)",)
    with pytest.raises(ValueError, match="has no folder labelTxt"):
        read_source(tmp_path / "train" / "images", "dota")


@pytest.mark.parametrize("home", ["", "train"])
def test_several_releases_beside_each_other(tmp_path, home):
    dota(tmp_path)
    folder = tmp_path / home
    write(folder / "labelTxt-v1.5" / "P0001.txt", DOTA)
    write(folder / "labelTxt" / "P0001.txt", DOTA)
    told = (
        f"{folder}: expected one folder of labels, found labelTxt and labelTxt-v1.5; move all out but the one that "
        "is meant"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        read_source(tmp_path)
    # One folder in each of several splits is as it should be.
    for name in ("train", "val"):
        dota(tmp_path / "divided", split=name)
    assert len(read_source(tmp_path / "divided").images) == 4


def test_labels_of_the_set_beside_those_of_a_split(tmp_path):
    dota(tmp_path)
    write(tmp_path / "labelTxt" / "P0001.txt", "10 10 30 10 30 20 10 20 ship 0\n")
    source = read_source(tmp_path)
    assert [(found.path.stem, found.split) for found in source.images] == [
        ("P0001", "train"), ("P0002", "train"),
    ]  # fmt: skip
    assert source.images[0].objects[0] == CAR
    (problem,) = map(str, source.problems)
    assert problem == (
        f"{tmp_path / 'labelTxt' / 'P0001.txt'}: annotates P0001.png, as train/labelTxt/P0001.txt does; keep one of "
        "the files"
    )
