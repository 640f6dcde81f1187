"""Boxes in COCO's JSON."""

from __future__ import annotations

import re

import pytest

from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.sources import read_source
from tests.language.sources.made import coco, image


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
        ({"category_id": 9}, "expected a listed category_id, found 9"),
        ({"image_id": 9}, "expected a listed image_id, found 9"),
        ({"image_id": None}, "expected a whole number as image_id, found nothing"),
    ],
)
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
