"""Captions: all that is stated is there, held-out names are never used, the same numbers give the same words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mfnet_lite.utils.counted_nouns import plural_of
from mfnet_lite.world import (
    CLASS_WORDS,
    HELD_OUT_CLASS_NAMES,
    HELD_OUT_KINDS,
    KIND_WORDS,
    SEASONS,
    View,
    class_phrases,
    describe,
    describe_regions,
    make_scene,
    view_of,
)
from mfnet_lite.world.caption_words import STREET
from mfnet_lite.world.captions import OPENINGS, colour_name

SIZE = 96


@pytest.fixture(scope="module")
def views():
    scenes = [make_scene(seed, size=192, season=SEASONS[seed % 4]) for seed in (1, 2, 3)]
    starts = [(row, col) for row in (0, 96) for col in (0, 96)]
    return [
        view_of(scene, np.s_[row : row + SIZE, col : col + SIZE]) for scene in scenes for row, col in starts
    ]  # fmt: skip


def kinds_in(view):
    return {view.kinds[n] if n else STREET for n in np.unique(view.instances).tolist()}


def kinds_called(noun):
    """Kinds that a name, or its plural, can stand for."""
    return {
        kind
        for kind, words in KIND_WORDS.items()
        if noun in (*words.countable, *words.mass, *map(plural_of, words.countable))
    }


def stated(caption):
    """The things that a caption names, without article and number."""
    text = caption
    for opening in filter(None, OPENINGS):
        text = text.removeprefix(opening)
    text, _, season = text.partition(", in ")
    parts = re.split(r", | and (?!concrete|shrubs|halls)| beside | next to | near ", text)
    numbers = "an? |two |three |four |five |six |several |many "
    return [re.sub(f"^({numbers})", "", part) for part in parts], season


def test_every_thing_that_a_caption_states_is_in_the_picture(views):
    rng = np.random.default_rng(0)
    for view in views * 8:
        things, season = stated(describe(view, rng))
        assert season in ("", view.season)
        for thing in things:
            if thing.startswith("mostly "):
                label = next(k for k, names in enumerate(CLASS_WORDS) if thing[7:] in names)
                assert (view.label == label).mean() > 0.5
            elif kinds_called(thing):
                assert kinds_called(thing) & kinds_in(view), thing
            else:
                assert any(thing in names for names in CLASS_WORDS), thing


def test_numbers_are_right():
    instances = np.zeros((40, 40), np.int64)
    for k in range(3):
        instances[4 + 12 * k : 12 + 12 * k, 4:20] = k + 1
    instances[:, 25:] = 9
    label = np.where(instances == 9, 2, np.where(instances > 0, 4, 0)).astype(np.uint8)
    view = View(
        np.full((40, 40, 3), 90, np.uint8), label, instances, {1: "car", 2: "car", 3: "car", 9: "lawn"},
        0.25, "summer",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    said = " / ".join(describe(view, rng) for _ in range(80))
    assert "three parked cars" in said
    assert not re.search(r"\b(two|four|five|six|many)\b", said)


def test_regions_lie_on_what_their_phrase_says(views):
    rng = np.random.default_rng(1)
    for view in views:
        for region in describe_regions(view, rng):
            assert region.mask.sum() >= 24
            if not region.kind:
                assert (view.label[region.mask] == region.label).all()
                assert region.phrase in CLASS_WORDS[region.label]
            else:
                words = KIND_WORDS[region.kind]
                assert words.label == region.label
                assert region.phrase.endswith(words.countable + words.mass)
                numbers = np.unique(view.instances[region.mask])
                assert [view.kinds[n] if n else STREET for n in numbers.tolist()] == [region.kind]


def test_held_out_names_are_never_said(views):
    rng = np.random.default_rng(2)
    said = {describe(view, rng) for view in views * 10}
    said |= {r.phrase for view in views * 3 for r in describe_regions(view, rng)}
    text = " / ".join(said)
    held = {name for names in class_phrases(held_out=True) for name in names}
    held |= {name for names in HELD_OUT_CLASS_NAMES for name in names}
    for name in held:
        assert not re.search(rf"\b{name}s?\b", text), name
    assert HELD_OUT_KINDS == ("path", "hedge")


def test_training_and_held_out_names_share_none():
    for training, held in zip(class_phrases(), class_phrases(held_out=True), strict=True):
        assert training
        assert held
        assert not set(training) & set(held)
    every = [name for names in class_phrases() for name in set(names)]
    assert len(every) == len(set(every)), "a name that stands for two classes"


def test_the_same_numbers_give_the_same_words(views):
    twice = [
        [describe(views[0], np.random.default_rng(seed)) for seed in range(5)] for _ in range(2)
    ]
    assert twice[0] == twice[1]
    assert len(set(twice[0])) > 2


def test_a_picture_without_anything_named_is_called_by_its_class():
    blank = np.zeros((32, 32), np.int64) + 1
    view = View(
        np.zeros((32, 32, 3), np.uint8), np.full((32, 32), 2, np.uint8), blank, {1: "hedge"}, 0.2, "spring"
    )  # fmt: skip
    caption = describe(view, np.random.default_rng(0))
    assert any(caption.split(", in ")[0].endswith(name) for name in CLASS_WORDS[2])
    assert [r.kind for r in describe_regions(view, np.random.default_rng(0))] == [""]
    assert describe_regions(view, np.random.default_rng(0), classes=False) == []


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((220, 222, 225), "white"), ((120, 120, 118), "grey"), ((30, 32, 40), "dark"), ((180, 70, 60), "red"),
        ((60, 90, 190), "blue"), ((80, 150, 70), "green"), ((120, 105, 90), "brown"),
    ],
)  # fmt: skip
def test_colours_are_named_as_they_appear(rgb, name):
    assert colour_name(np.full((5, 3), rgb, np.uint8)) == name


def test_a_cut_object_has_no_size():
    instances = np.zeros((64, 64), np.int64)
    instances[20:44, 20:44] = 1
    instances[0:4, 0:4] = 2
    label = np.where(instances > 0, 3, 0).astype(np.uint8)
    view = View(
        np.full((64, 64, 3), 90, np.uint8), label, instances, {1: "crown", 2: "crown"}, 0.5, "summer"
    )  # fmt: skip
    rng = np.random.default_rng(0)
    phrases = {
        int(view.instances[r.mask][0]): r.phrase
        for _ in range(60)
        for r in describe_regions(view, rng, smallest=8, classes=False)
        if r.phrase.startswith(("small", "large"))
    }
    assert set(phrases) == {1}
    assert phrases[1].startswith("large")
