"""Answers are scored task by task; true ones get full marks, mangled ones are counted."""

from __future__ import annotations

import pytest

from mfnet_lite.language.instructions import Dialogue, Exchange
from mfnet_lite.language.scoring import majority_answers, score_answers

ONE = Dialogue(
    "a.tif",
    "optical",
    (
        Exchange("classification", "Class?", "row houses"),
        Exchange("vqa", "Is there a car?", "yes"),
        Exchange("captioning", "Describe.", "Two red cars on a street."),
        Exchange("captioning", "Caption.", "A street with two cars."),
        Exchange("detection", "Find.", "There are <p>2 cars</p>[0.00,0.00,0.20,0.20;0.50,0.50,0.70,0.70]."),
        Exchange("oriented detection", "Find.", "There is <p>1 car</p>[0.20,0.00,0.40,0.20,0.20,0.40,0.00,0.20]."),
        Exchange("grounding", "Where?", "[0.00,0.00,0.20,0.20]"),
        Exchange("region captioning", "What?", "a car on the left"),
    ),
)  # fmt: skip
TWO = Dialogue(
    "b.tif", "sar", (Exchange("captioning", "Describe.", "A large pond in a green park."),)
)


def test_true_answers_get_full_marks() -> None:
    truth = [[e.answer for e in d.exchanges] for d in (ONE, TWO)]
    scores = score_answers([ONE, TWO], truth)
    assert scores["classification"].scores == {"accuracy": 1}
    assert scores["vqa"].questions == 1
    assert scores["captioning"].questions == 3
    assert scores["captioning"].scores["BLEU-4"] == pytest.approx(1)
    assert scores["detection"].scores == {"precision": 1, "recall": 1, "F1": 1}
    assert scores["oriented detection"].scores["F1"] == 1
    assert set(scores["grounding"].scores.values()) == {1}
    assert list(scores["grounding"].scores)[:2] == ["Pr@0.5", "Pr@0.6"]
    assert scores["region captioning"].scores["CIDEr"] == 0  # a single region: see metrics.language
    assert all(found.malformed == 0 for found in scores.values())


def test_wrong_answers() -> None:
    said = [
        "a street",
        "Yes.",
        "two red cars on a street",
        "",
        "There are <p>three cars</p>[0.00,0.00,0.20,0.20;0.50,0.50,0.70,0.71;0.8",
        "<p>1 Cars</p>[0.20,0.00,0.40,0.20,0.20,0.40,0.00,0.20]",
        "[0.00,0.00,0.20,0.20][0.1,0.1,0.2,0.2]",
        "[0.1,0.1,0.2,0.2]",
    ]
    scores = score_answers([ONE], [said])
    assert scores["classification"].scores["accuracy"] == 0
    assert scores["vqa"].scores["accuracy"] == 1
    assert scores["captioning"].malformed == 0.5
    assert scores["detection"].malformed == 1
    assert scores["detection"].scores["F1"] == 1  # the two whole boxes are right all the same
    assert scores["oriented detection"].scores["F1"] == 1
    assert scores["grounding"].malformed == 1
    assert scores["grounding"].scores["Pr@0.5"] == 0  # two boxes are no answer to one
    assert scores["region captioning"].malformed == 1


def test_majority() -> None:
    more = Dialogue(
        "c.tif", "optical", (Exchange("vqa", "Is it?", "no"), Exchange("vqa", "Is it?", "no"))
    )
    (usual,) = majority_answers([ONE, more], [ONE])
    assert usual[:2] == ["row houses", "no"]
    counts = Dialogue(
        "e.tif",
        "sar",
        tuple(Exchange("vqa", "How many?", text) for text in ("3", "2", "2", "20 percent")),
    )
    assert majority_answers([counts], [counts]) == [["2", "2", "2", "20 percent"]]
    assert majority_answers([counts], [more]) == [["", ""]]
    assert majority_answers([more], [ONE])[0][0] == ""
    assert majority_answers([ONE], [more]) == [["yes", "yes"]]


def test_counts_must_fit() -> None:
    with pytest.raises(ValueError, match="answers to 1 dialogues, got them for 0"):
        score_answers([ONE], [])
    with pytest.raises(ValueError, match="has 8 questions, got 1 answers"):
        score_answers([ONE], [["x"]])
    odd = Dialogue("d.tif", "sar", (Exchange("grounding", "Where?", "here"),))
    with pytest.raises(ValueError, match="the true answer 'here' is no box"):
        score_answers([odd], [["[0.1,0.1,0.2,0.2]"]])
