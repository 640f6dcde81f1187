"""Boxes in Pascal VOC's XML."""

from __future__ import annotations

import re

import pytest

from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.sources import read_source
from tests.language.sources.made import image, voc, write, xml

STALE = (
    "a <filename> names another image than that of its XML file's own stem, which is taken (1 x)"
)


def test_reads(tmp_path):
    source = read_source(voc(tmp_path))
    assert source.kind == "voc"
    assert source.problems == []
    first, second = source.images
    assert first.objects == (
        ObjectBox("ship", (10, 0, 30, 20)),
        ObjectBox("ship", (50, 25, 100, 50)),
    )
    assert (first.split, second.split) == ("train", "test")
    assert second.size == (100, 50)
    assert second.objects == (ObjectBox("bridge", (1, 1, 40, 40)),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<annotation>\n<object>", "line 2 is not valid XML"),
        ("<data></data>", "expected <annotation> as root, found <data>"),
        (xml("000001.jpg", [("", (1, 2, 3, 4), "")]), "object 0: expected <name> with a class"),
        (xml("000001.jpg", [("ship", (1, 2, 3), "")]), "found 1, 2, 3, nothing"),
        (xml("000001.jpg", [("ship", (1, 2, 3, "x"), "")]), "found 1, 2, 3, x"),
        (xml("000001.jpg", [("ship", (1, 2, "nan", 4), "")]), "found 1, 2, nan, 4"),
        (xml("000001.jpg", [("ship", (1, 2, 3, "inf"), "")]), "found 1, 2, 3, inf"),
        (xml("000001.jpg", [], ("wide", 3)), "expected whole numbers as size"),  # type: ignore[arg-type]
    ],
)
def test_malformed(tmp_path, text, sentence):
    voc(tmp_path)
    file = write(tmp_path / "Annotations" / "000001.xml", text)
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        read_source(tmp_path)
    assert str(caught.value).startswith(str(file))


def test_told(tmp_path):
    voc(tmp_path)
    write(
        tmp_path / "Annotations" / "000001.xml",
        xml("000001.jpg", [("ship", (30, 0, 10, 20), "")], (0, 0)),
    )
    write(tmp_path / "Annotations" / "000003.xml", xml("000003.jpg", []))
    write(tmp_path / "ImageSets" / "Main" / "val.txt", "000009\n")
    (tmp_path / "JPEGImages" / "000002.jpg").unlink()
    source = read_source(tmp_path)
    told = " ".join(map(str, source.problems))
    assert "object 0: the box 30, 0, 10, 20 ends before it begins" in told
    assert "the image 000002 is missing" in told
    assert "1 listed image has no annotation, such as 000009" in told
    notes = " ".join(source.all_notes())
    assert "no list of a split names is left out" in notes
    assert "a size of 0 is not believed" in notes
    with pytest.raises(ValueError, match="has no XML file"):
        read_source(tmp_path / "JPEGImages", "voc")


def boxes(source) -> dict[str, tuple[float, ...]]:
    """The first box of each image, by its name."""
    return {found.path.name: found.objects[0].box for found in source.images}


def test_the_image_of_its_own_stem_comes_before_a_stale_filename(tmp_path):
    for name, box in (("a", (0, 0, 20, 20)), ("a_flip", (80, 0, 100, 20))):
        image(tmp_path / "JPEGImages" / f"{name}.png")
        write(tmp_path / "Annotations" / f"{name}.xml", xml("a.png", [("ship", box, "")]))
    source = read_source(tmp_path)
    assert boxes(source) == {"a.png": (0, 0, 20, 20), "a_flip.png": (80, 0, 100, 20)}
    assert source.all_notes() == (STALE,)
    assert source.problems == []


def test_a_filename_counts_where_the_stem_does_not_tell(tmp_path):
    image(tmp_path / "JPEGImages" / "P7.png")
    write(tmp_path / "Annotations" / "x.xml", xml("P7", [("ship", (0, 0, 9, 9), "")]))
    # The image and its mask have one stem.
    image(tmp_path / "JPEGImages" / "y.jpg")
    image(tmp_path / "Masks" / "y.png")
    write(tmp_path / "Annotations" / "y.xml", xml("y.jpg", [("ship", (0, 0, 8, 8), "")]))
    source = read_source(tmp_path)
    assert boxes(source) == {"P7.png": (0, 0, 9, 9), "y.jpg": (0, 0, 8, 8)}
    assert source.problems == []
    assert source.all_notes() == ()
    # Which of the two is not told by the name of a third one, and that one does not get the boxes.
    image(tmp_path / "JPEGImages" / "z.jpg")
    write(tmp_path / "Annotations" / "y.xml", xml("z.jpg", [("ship", (0, 0, 8, 8), "")]))
    source = read_source(tmp_path)
    assert boxes(source) == {"P7.png": (0, 0, 9, 9)}
    assert "the image y is missing or not unique" in str(source.problems[0])


@pytest.mark.parametrize("copy", ["000000", "000003"])  # read before and after the image's own
def test_two_annotations_of_one_image(tmp_path, copy):
    voc(tmp_path)
    write(tmp_path / "Annotations" / f"{copy}.xml", xml("000001.jpg", [("ship", (0, 0, 5, 5), "")]))
    write(tmp_path / "ImageSets" / "Main" / "train.txt", f"000001\n{copy}\n")
    source = read_source(tmp_path)
    assert boxes(source) == {"000001.jpg": (10, 0, 30, 20), "000002.jpg": (1, 1, 40, 40)}
    (problem,) = map(str, source.problems)
    assert f"{copy}.xml: annotates 000001.jpg, as 000001.xml does; keep one" in problem
    # Without one of its own, the first is taken.
    image(tmp_path / "JPEGImages" / "P7.jpg")
    for name, edge in (("p", 5), ("q", 6)):
        found = xml("P7.jpg", [("ship", (0, 0, edge, edge), "")])
        write(tmp_path / "Annotations" / f"{name}.xml", found)
    write(tmp_path / "ImageSets" / "Main" / "train.txt", "p\nq\n")
    source = read_source(tmp_path)
    assert boxes(source)["P7.jpg"] == (0, 0, 5, 5)
    assert "q.xml: annotates P7.jpg, as p.xml does" in str(source.problems[0])


@pytest.mark.parametrize(
    ("lists", "splits", "told"),
    [
        ({"train": "012", "val": "234", "test": "5"}, ("012"[:2], "234", "5"), "1 image is, 2, val"),
        ({"train": "012", "val": "345", "test": "345"}, ("012", "", "345"), "3 images are, 3, test"),
        ({"train": "01", "val": "12", "test": "0345"}, ("", "12", "0345"), "2 images are, 0, test"),
        ({"trainval": "0123", "test": "45"}, ("0123", "", "45"), ""),
        ({"trainval": "0123", "train": "01", "val": "23", "test": "45"}, ("01", "23", "45"), ""),
    ],
)  # fmt: skip
def test_lists_that_overlap(tmp_path, lists, splits, told):
    for name in "012345":
        image(tmp_path / "JPEGImages" / f"{name}.jpg")
        write(tmp_path / "Annotations" / f"{name}.xml", xml(f"{name}.jpg", []))
    for split, names in lists.items():
        write(tmp_path / "ImageSets" / "Main" / f"{split}.txt", "\n".join(names))
    source = read_source(tmp_path)
    found = {
        split: "".join(i.path.stem for i in source.images if i.split == split)
        for split in ("train", "val", "test")
    }
    assert tuple(found.values()) == splits
    assert source.all_notes() == ()
    if not told:
        assert source.problems == []
        return
    number, name, split = told.split(", ")
    assert [str(problem) for problem in source.problems] == [
        f"{tmp_path}: {number} named by the lists of several splits, such as {name}, which is taken for {split}; "
        "name each in one list"
    ]


def test_lists_of_the_image_sets_come_before_those_beside_them(tmp_path):
    voc(tmp_path)
    write(tmp_path / "test.txt", "000001\n")
    source = read_source(tmp_path)
    assert [found.split for found in source.images] == ["train", "test"]
    assert source.problems == []
    (tmp_path / "ImageSets" / "Main" / "test.txt").unlink()
    write(tmp_path / "test.txt", "000002\n")
    assert [found.split for found in read_source(tmp_path).images] == ["train", "test"]
