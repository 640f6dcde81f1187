"""Answers are scored task by task; true ones get full marks, mangled ones are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfnet_lite.language.answers import parse_answer
from mfnet_lite.language.instructions import Dialogue, Exchange, read_instructions
from mfnet_lite.language.scoring import majority_answers, score_answers
from mfnet_lite.language.world_dialogues import DialogueConfig, write_world_instructions
from mfnet_lite.utils.counted_nouns import plural_of

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


A, B, C = "0.00,0.00,0.20,0.20", "0.30,0.30,0.50,0.50", "0.60,0.60,0.90,0.90"
"""Boxes that do not touch."""


def detection(truth: list[str], said: list[str]) -> dict[str, float]:
    """Score answers to detection, one per image."""
    asked = [
        Dialogue(f"{k}.tif", "sar", (Exchange("detection", "Find.", text),))
        for k, text in enumerate(truth)
    ]
    return score_answers(asked, [[text] for text in said])["detection"].scores


def test_the_truth_of_the_world_scored_against_itself_is_perfect(tmp_path: Path) -> None:
    config = DialogueConfig(captions=0, questions=0, detections=3, groundings=0, regions=0)
    folder = write_world_instructions(
        tmp_path / "w", 4, 64, 5, ("optical",), splits=(1.0, 0.0, 0.0), config=config, quiet=True
    )
    dialogues = read_instructions(folder / "train" / "instructions.json")
    tasks = ("detection", "oriented detection")
    said = [e.answer for d in dialogues for e in d.exchanges if e.task in tasks]
    nouns = {found.phrase for text in said for found in parse_answer(text).objects}
    # One class in two forms, or this would test nothing.
    assert any(plural_of(noun) in nouns - {noun} for noun in nouns)
    truth = [[e.answer for e in d.exchanges] for d in dialogues]
    scores = score_answers(dialogues, truth)
    for task in tasks:
        assert scores[task].questions > 8
        assert scores[task].scores == {"precision": 1.0, "recall": 1.0, "F1": 1.0}


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        # The truth holds both forms.
        ([f"<p>1 ship</p>[{A}]", f"<p>2 ships</p>[{A};{B}]"], None),
        ([f"<p>1 bus</p>[{A}] and <p>2 aircraft</p>[{B};{C}]", f"<p>2 buses</p>[{A};{B}]"], None),
        ([f"<p>1 ship</p>[{A}]", f"<p>2 ships</p>[{A};{B}]"], [f"<p>ships</p>[{A}]", f"<p>ship</p>[{A};{B}]"]),
        # The singular alone, the plural alone.
        ([f"<p>1 ferry</p>[{A}]"], [f"<p>Ferries</p>[{A}]"]),
        ([f"<p>2 ferries</p>[{A};{B}]"], [f"<p>1 Ferry</p>[{A}] and <p>1 ferry</p>[{B}]"]),
        ([f"<p>2 buses</p>[{A};{B}]"], [f"<p>bus</p>[{A};{B}]"]),
        ([f"<p>2 people</p>[{A};{B}]"], [f"<p>person</p>[{A};{B}]"]),
        ([f"<p>1 tennis court</p>[{A}]"], [f"<p>1 tennis courts</p>[{A}]"]),
        # A naive plural, in the answer and in the truth.
        ([f"<p>1 aircraft</p>[{A}]"], [f"<p>1 aircrafts</p>[{A}]"]),
        ([f"<p>2 aircrafts</p>[{A};{B}]"], [f"<p>2 aircraft</p>[{A};{B}]"]),
        # Classes whose own name is a plural: "1 ships", "2 shipses".
        ([f"<p>1 ships</p>[{A}]", f"<p>2 shipses</p>[{A};{B}]"], None),
        ([f"<p>1 ship</p>[{A}]", f"<p>1 ships</p>[{A}]", f"<p>2 shipses</p>[{A};{B}]"], None),
    ],
)  # fmt: skip
def test_singular_and_plural_are_one_class(truth: list[str], said: list[str] | None) -> None:
    assert detection(truth, said or truth) == {"precision": 1, "recall": 1, "F1": 1}


def test_the_share_of_true_boxes_by_hand() -> None:
    # 3 true boxes; 4 written, of which 2 have class and place: the single ship of the first image is missed.
    truth = [f"<p>1 ship</p>[{A}]", f"<p>2 ships</p>[{A};{B}]"]
    said = [f"<p>2 ships</p>[{B};{C}]", f"<p>1 ship</p>[{A}] and <p>1 ships</p>[{B}]"]
    assert detection(truth, said) == {
        "precision": pytest.approx(2 / 4),
        "recall": pytest.approx(2 / 3),
        "F1": pytest.approx(4 / 7),
    }


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("1 ship", "1 submarine"),
        ("1 ship", "submarines"),
        ("1 ship", ""),
        ("1 bus", "1 bu"),  # "bus" is no plural where it is said of one
        ("1 glass", "1 glas"),
        ("1 house", "1 hous"),  # "houses" would be the plural of both, and it is known of which
    ],
)
def test_unknown_nouns_are_false(truth: str, said: str) -> None:
    more = f"<p>2 houses</p>[{A};{B}]"
    scores = detection([f"<p>{truth}</p>[{C}]", more], [f"<p>{said}</p>[{C}]", more])
    assert scores == {"precision": 2 / 3, "recall": 2 / 3, "F1": 2 / 3}


def test_malformed_answers_keep_their_readable_boxes() -> None:
    truth = Dialogue("a.tif", "sar", (Exchange("detection", "Find.", f"<p>2 ships</p>[{A};{B}]"),))
    found = score_answers([truth], [[f"<p>2 ship</p>[{A};{B}"]])["detection"]
    assert found.malformed == 1
    assert found.scores == {"precision": 1, "recall": 0.5, "F1": pytest.approx(2 / 3)}


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
