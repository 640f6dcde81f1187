"""Wordings: all tasks, sensors told by text, those for tests kept apart."""

from __future__ import annotations

import string

import numpy as np
import pytest

from mfnet_lite.language.instructions import SENSORS, TASKS, Task
from mfnet_lite.language.paraphrases import HELD_OUT, TRAINING, VIEWS, wording
from mfnet_lite.language.town_questions import FORMS, HELD_OUT_FORMS

NEEDED: dict[str, set[str]] = {
    "vqa": {"question"},
    "detection": {"thing"},
    "oriented detection": {"thing"},
    "grounding": {"thing"},
    "region captioning": {"box"},
}


def fields(form: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(form) if name}


@pytest.mark.parametrize("task", TASKS)
def test_wordings_name_the_sensor_and_what_is_asked(task: Task) -> None:
    for form in TRAINING[task] + HELD_OUT[task]:
        assert fields(form) == {"view"} | NEEDED.get(task, set())
    assert len(TRAINING[task]) >= 4
    assert len(HELD_OUT[task]) >= 2


def test_tests_are_asked_in_other_words() -> None:
    training = [form for forms in TRAINING.values() for form in forms]
    held_out = [form for forms in HELD_OUT.values() for form in forms]
    assert len(set(training)) == len(training)
    assert not set(training) & set(held_out)
    for kind, forms in FORMS.items():
        assert not set(forms) & set(HELD_OUT_FORMS[kind])
        assert {frozenset(fields(f)) for f in forms} == {
            frozenset(fields(f)) for f in HELD_OUT_FORMS[kind]
        }


def test_horizontal_and_oriented_are_told_apart() -> None:
    upright = {"horizontal", "axis-aligned", "upright"}
    tilted = {"oriented", "rotated", "tilted"}
    for forms in (TRAINING, HELD_OUT):
        assert all(any(w in f for w in upright) for f in forms["detection"])
        assert all(any(w in f for w in tilted) for f in forms["oriented detection"])


def test_views_do_not_overlap() -> None:
    for sensor in SENSORS:
        others = {view for other in SENSORS if other != sensor for view in VIEWS[other]}
        assert not others & set(VIEWS[sensor])


def test_braces_of_a_question_stay() -> None:
    asked = wording("vqa", "sar", np.random.default_rng(1), question="Is {view} a set?")
    assert "Is {view} a set?" in asked
