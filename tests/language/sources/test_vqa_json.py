"""Questions in the three files of RSVQA, most of whose entries are switched off."""

from __future__ import annotations

import json
import re

import pytest

from mfnet_lite.language.sources import read_source
from tests.language.sources.made import vqa, write


def test_reads_active_entries_by_split(tmp_path):
    source = read_source(vqa(tmp_path))
    assert source.kind == "vqa"
    assert source.problems == []
    found = {image.path.name: image for image in source.images}
    assert found["0.tif"].split == "train"
    assert found["1.tif"].split == "val"
    asked = (("What is the number of roads?", "3"), ("Is it a rural or an urban area", "rural"))
    assert found["0.tif"].questions == asked


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"question": None}, "questions[0]: expected a text as question, found nothing"),
        ({"img_id": "0"}, 'questions[0]: expected a whole number as img_id, found "0"'),
    ],
)
def test_malformed(tmp_path, change, sentence):
    with pytest.raises(ValueError, match=re.escape(f"LR_split_train_questions.json {sentence}")):
        read_source(vqa(tmp_path, **change), "vqa")


def test_told(tmp_path):
    source = read_source(vqa(tmp_path, answers_ids=[999], id=77, colour=3))
    assert "no answer to question 77 in LR_split_train_answers.json" in str(source.problems[0])
    assert "unknown key colour" in source.all_notes()[0]
    source = read_source(vqa(tmp_path / "b", answers_ids=[]))  # found by the question's number
    assert source.problems == []
    (tmp_path / "b" / "Images_LR" / "0.tif").rename(tmp_path / "b" / "Images_LR" / "west.tif")
    (tmp_path / "b" / "Images_LR" / "1.tif").unlink()
    source = read_source(tmp_path / "b")
    assert "the image 1 of 2 questions is missing" in str(source.problems[0])
    assert source.all_notes() == (
        "an image is found by its original name, not by its number (1 x)",
    )
    write(tmp_path / "b" / "all_questions.json", json.dumps({"questions": []}))
    write(tmp_path / "b" / "all_answers.json", json.dumps({"answers": []}))
    assert read_source(tmp_path / "b").notes == [
        "all_questions.json is left out, since there are files by split"
    ]
    with pytest.raises(ValueError, match="expected NAME_questions"):
        read_source(tmp_path / "b" / "Images_LR", "vqa")


def test_a_file_of_several_splits_says_no_split(tmp_path):
    """Half of the questions of ``train_test`` may be the test's: none is called training."""
    folder = vqa(tmp_path)
    for what in ("questions", "answers", "images"):
        old = folder / f"LR_split_train_{what}.json"
        if old.is_file():
            old.rename(folder / f"LR_train_test_{what}.json")
    splits = {image.path.name: image.split for image in read_source(folder).images}
    assert splits == {"0.tif": "", "1.tif": "val"}
