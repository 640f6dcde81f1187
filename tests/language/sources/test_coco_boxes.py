"""Boxes in COCO's JSON."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.sources import read_source
from mfnet_lite.language.sources.source import Source
from tests.language.sources.made import coco, image, write


def test_reads(tmp_path):
    source = read_source(coco(tmp_path))
    assert source.kind == "coco"
    first, second = source.images
    assert first.objects == (
        ObjectBox("ship", (10, 0, 30, 20)),
        ObjectBox("storage tank", (50, 25, 100, 50)),
    )
    assert second.objects == ()  # an image without objects is asked about, too
    assert {first.split, second.split} == {"train"}
    assert first.size == (100, 50)
    assert source.all_notes() == ("a crowd is left out (1 x)",)


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        ({"bbox": [1, 2, 3]}, "expected [x, y, width, height] as bbox, found [1, 2, 3]"),
        ({"bbox": [1, 2, 3, "4"]}, "expected [x, y, width, height]"),
        ({"bbox": [0, 0, float("inf"), 10]}, "expected [x, y, width, height] as bbox, found [0, 0, Infinity, 10]"),
        ({"bbox": [float("nan"), 0, 5, 10]}, "expected [x, y, width, height] as bbox, found [NaN, 0, 5, 10]"),
        ({"bbox": [10**400, 0, 5, 10]}, "expected [x, y, width, height] as bbox"),
        ({"bbox": [True, 0, 5, 10]}, "expected [x, y, width, height] as bbox"),
        ({"category_id": 9}, "expected a listed category_id, found 9"),
        ({"image_id": 9}, "expected a listed image_id, found 9"),
        ({"image_id": None}, "expected a whole number as image_id, found nothing"),
    ],
)  # fmt: skip
def test_malformed(tmp_path, box, sentence):
    good = {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4]}
    with pytest.raises(
        ValueError, match=re.escape(f"instances_train.json annotations[3]: {sentence}")
    ):
        read_source(coco(tmp_path, [good | box]), "coco")


def test_told(tmp_path):
    odd = [
        {"image_id": 7, "category_id": 1, "bbox": [200, 0, 10, 10]},
        {"image_id": 7, "category_id": 1, "bbox": [5, 5, 0, 10]},
        {"image_id": 7, "category_id": 1, "bbox": [90, 40, 30, 10], "rotation": 3},
    ]
    source = read_source(coco(tmp_path, odd))
    assert [str(p).split(": ", 1)[1].split(";")[0] for p in source.problems] == [
        "annotations[3]: the box 200, 0, 210, 10 lies outside the image of 100 x 50",
        "annotations[4]: the box 5, 5, 5, 15 has no area",
    ]
    assert source.images[0].objects[-1].box == (90, 40, 100, 50)
    notes = " ".join(source.all_notes())
    assert "beyond its image" in notes
    assert "unknown key rotation" in notes
    (tmp_path / "images" / "b.jpg").unlink()
    image(tmp_path / "images" / "a.jpg", 64, 64)
    source = read_source(tmp_path)
    told = " ".join(map(str, source.problems))
    assert "b.jpg is missing" in told
    assert "has 64 x 64 pixels where its annotation says 100 x 50" in told
    assert source.images == []
    with pytest.raises(ValueError, match="expected a list as images"):
        read_source(coco(tmp_path, images=3), "coco")


A = {"id": 7, "file_name": "a.jpg", "width": 100, "height": 50}
B = {"id": 8, "file_name": "b.jpg", "width": 100, "height": 50}
SHIP, TANK = {"id": 1, "name": "ship"}, {"id": 2, "name": "storage-tank"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"images": [A, B, B | {"id": 7}]},
            "images[2]: expected an id of its own for b.jpg of 100 x 50 pixels, found 7, which is that of a.jpg of "
            "100 x 50 pixels; number the images anew, in the annotations as well",
        ),
        (
            {"images": [A, B, A | {"width": 90}]},
            "images[2]: expected an id of its own for a.jpg of 90 x 50 pixels, found 7",
        ),
        (
            {"images": [A, B, A | {"id": 9}]},
            "images[2]: expected another image than images[0], found {root}/images/a.jpg for both; give its "
            "annotations one image_id, or correct file_name",
        ),
        (
            {"categories": [SHIP, TANK, TANK | {"id": 1}]},
            "categories[2]: expected an id of its own for storage tank, found 1, which is that of ship; number the "
            "categories anew, in the annotations as well",
        ),
    ],
)
def test_ids_that_occur_twice(tmp_path, change, sentence):
    told = re.escape("instances_train.json " + sentence.replace("{root}", str(tmp_path)))
    with pytest.raises(ValueError, match=told):
        read_source(coco(tmp_path, **change))


def test_entries_repeated_word_for_word_are_one(tmp_path):
    once = read_source(coco(tmp_path)).images
    twice = read_source(
        coco(tmp_path, images=[A, B, B, A], categories=[SHIP, TANK, SHIP, TANK | {"id": 3}])
    )
    assert twice.images == once
    assert twice.problems == []


def several(root: Path, files: dict[str, str], **boxes: list[int]) -> Source:
    """Write files that list some of the images a to f, all with one box, and read them."""
    for name in "abcdef":
        image(root / "images" / f"{name}.jpg")
    for file, names in files.items():
        box = boxes.get(file, [10, 10, 20, 20])
        numbers = range(len(names))
        content = {
            "images": [A | {"id": k, "file_name": f"{names[k]}.jpg"} for k in numbers],
            "annotations": [{"image_id": k, "category_id": 1, "bbox": box} for k in numbers],
            "categories": [SHIP],
        }
        write(root / "annotations" / f"{file}.json", content)
    return read_source(root)


def by_split(source: Source) -> dict[str, str]:
    """Names of the images by split, in order."""
    found: dict[str, str] = {}
    for one in source.images:
        found[one.split] = found.get(one.split, "") + one.path.stem
    return found


@pytest.mark.parametrize(
    ("files", "splits", "notes"),
    [
        # HRSID: the third file holds both others.
        (
            {"train2017": "abc", "test2017": "de", "train_test2017": "abcde"},
            {"test": "de", "train": "abc"},
            ["train_test2017.json is left out, since there are files by split"],
        ),
        # SSDD: the test, once more in parts.
        (
            {"train": "abc", "test": "de", "test_inshore": "d", "test_offshore": "e"},
            {"test": "de", "train": "abc"},
            ["an image of test_inshore.json is taken from test.json (1 x)",
             "an image of test_offshore.json is taken from test.json (1 x)"],
        ),
        # What no file by split lists stays: the rest of a combined file is of the split that is left.
        (
            {"test": "de", "all": "abcde"},
            {"test": "de", "": "abc"},
            ["an image of all.json is taken from test.json (2 x)"],
        ),
        (
            {"train": "abc", "trainval": "abcd", "test": "ef"},
            {"test": "ef", "train": "abc", "val": "d"},
            ["an image of trainval.json is taken from train.json (3 x)"],
        ),
        ({"trainval": "abc", "test": "de"}, {"test": "de", "": "abc"}, []),
        ({"train_test2017": "abc"}, {"": "abc"}, []),
        ({"one": "abc", "two": "cd"}, {"": "abcd"}, ["an image of two.json is taken from one.json (1 x)"]),
    ],
)  # fmt: skip
def test_every_image_is_taken_once(tmp_path, files, splits, notes):
    source = several(tmp_path, files)
    assert by_split(source) == splits
    assert list(source.all_notes()) == notes
    assert source.problems == []


def test_an_image_of_several_splits_is_told_and_taken_for_the_last(tmp_path):
    box = [30, 10, 20, 20]
    source = several(tmp_path, {"test": "ab", "train": "bcd", "val": "de"}, test=box)
    assert by_split(source) == {"test": "ab", "train": "c", "val": "de"}
    assert source.images[1].objects == (ObjectBox("ship", (30, 10, 50, 30)),)  # those of the test
    assert [str(problem) for problem in source.problems] == [
        f"{tmp_path}: 2 images are listed for several splits, such as b.jpg, which is taken for test; list each for "
        "one"
    ]


def test_other_boxes_of_one_image_in_another_file(tmp_path):
    told = (
        f"{tmp_path / 'annotations' / 'ships.json'}: expected the boxes of a.jpg that harbours.json has, found others; "
        "keep one of the files, or put all boxes of an image into one"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        several(tmp_path, {"harbours": "ab", "ships": "ab"}, ships=[0, 0, 5, 5])
