"""Captions in the form of RSICD."""

from __future__ import annotations

import re

import pytest

from mfnet_lite.language.sources import read_source
from tests.language.sources.made import captions, write


def test_reads(tmp_path):
    source = read_source(captions(tmp_path))
    assert source.kind == "captions"
    first, second = source.images
    assert first.captions == ("Many planes are parked.", "It is an airport.")
    assert (first.split, second.split) == ("train", "test")
    assert second.captions == ("A park, with trees.",)
    assert source.problems == []
    assert source.all_notes() == ("a caption says the same as another one of its image (1 x)",)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"filename": 3}, "images[1]: expected a text as filename, found 3"),
        ({"sentences": "A park"}, 'images[1]: expected a list as sentences, found "A park"'),
        (
            {"sentences": [{"tokens": []}]},
            "images[1].sentences[0]: expected a text as raw, found nothing",
        ),
    ],
)
def test_malformed(tmp_path, change, sentence):
    with pytest.raises(ValueError, match=re.escape(f"dataset_rsicd.json {sentence}")):
        read_source(captions(tmp_path, **change), "captions")


def test_told(tmp_path):
    source = read_source(captions(tmp_path, filename="gone.jpg", colour=1, split="restval"))
    (problem,) = source.problems
    assert "images[1]: the image gone.jpg is missing" in str(problem)
    notes = " ".join(source.all_notes())
    assert "unknown key colour" in notes
    assert "the split 'restval' of dataset_rsicd.json is taken for train" in notes
    source = read_source(captions(tmp_path / "b", sentences=[{"raw": " ."}]))
    assert "park_2.jpg has no caption" in str(source.problems[0])
    with pytest.raises(ValueError, match="has no captions"):
        read_source(write(tmp_path / "c" / "x.json", {}).parent, "captions")
