"""Boxes in Pascal VOC's XML."""

from __future__ import annotations

import re

import pytest

from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.sources import read_source
from tests.language.sources.made import voc, write, xml


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
    assert "1 listed image(s) have no annotation, such as 000009" in told
    notes = " ".join(source.all_notes())
    assert "no list of a split names is left out" in notes
    assert "a size of 0 is not believed" in notes
    with pytest.raises(ValueError, match="has no XML file"):
        read_source(tmp_path / "JPEGImages", "voc")
