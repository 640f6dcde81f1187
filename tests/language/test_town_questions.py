"""Every answer is counted afresh from label and instances."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mfnet_lite.language.nouns import class_of
from mfnet_lite.language.town_questions import COVERS, FORMS, town_questions
from mfnet_lite.language.visible_objects import NOUNS, visible_objects
from mfnet_lite.world import CLASSES
from tests.language.towns import SEEDS, edges, masks, view


def noun(words: str) -> str:
    found = class_of(words, NOUNS.values())
    assert found is not None
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_are_true(seed: int) -> None:
    seen = view(seed)
    questions = town_questions(seen, visible_objects(seen))
    shares = np.bincount(seen.label.ravel(), minlength=len(CLASSES)) / seen.label.size
    for question in questions:
        words = dict(question.words)
        if question.kind == "presence":
            assert question.answer == ("yes" if masks(seen, words["one"]) else "no")
        elif question.kind == "count":
            assert question.answer == str(len(masks(seen, noun(words["many"]))))
        elif question.kind == "comparison":
            many, others = (len(masks(seen, noun(words[k]))) for k in ("many", "others"))
            assert many != others
            assert question.answer == ("yes" if many > others else "no")
        elif question.kind in ("across", "down"):
            (one,), (other,) = (masks(seen, words[k]).values() for k in ("one", "other"))
            axis = 0 if question.kind == "across" else 1
            before = question.answer in ("left", "above")
            first, last = (edges(one), edges(other)) if before else (edges(other), edges(one))
            assert first[axis + 2] <= last[axis]
        elif question.kind == "cover":
            assert question.answer == COVERS[shares.argmax()]
        else:
            share = shares[COVERS.index(words["cover"])]
            assert abs(share - float(question.answer.split()[0]) / 100) < 0.05


def test_all_kinds_occur_and_answers_vary() -> None:
    answers: dict[str, Counter[str]] = {}
    for seed in SEEDS:
        for question in town_questions(view(seed), visible_objects(view(seed))):
            answers.setdefault(question.kind, Counter())[question.answer] += 1
    assert set(answers) == set(FORMS)
    assert all(len(found) > 1 for found in answers.values())
    for kind in ("comparison", "across", "down"):  # asked both ways round
        (_, most), (_, least) = answers[kind].most_common(2)
        assert most == least


def test_what_is_unclear_is_not_asked() -> None:
    seen = visible_objects(view(0), smallest=100)
    assert seen.unclear
    said = {word for q in town_questions(view(0), seen) for key, word in q.words if key != "cover"}
    assert not {noun(word) for word in said} & seen.unclear


def test_wordings_are_filled_in() -> None:
    rng = np.random.default_rng(0)
    for question in town_questions(view(3), visible_objects(view(3))):
        for held_out in (False, True):
            text = question.text(rng, held_out)
            assert text.endswith("?")
            assert "{" not in text
