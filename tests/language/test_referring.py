"""Phrases mean the object that they are said to mean, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.language.boxes import Square
from mfnet_lite.language.referring import referring_phrases, region_phrase
from mfnet_lite.language.visible_objects import VisibleObject, VisibleObjects, visible_objects
from tests.language.towns import SEEDS, edges, masks, view


@pytest.mark.parametrize("seed", SEEDS)
def test_phrases_are_true_of_the_instances(seed: int) -> None:
    seen = visible_objects(view(seed))
    phrases = referring_phrases(seen)
    assert phrases
    assert len({phrase for phrase, _ in phrases}) == len(phrases)
    for phrase, item in phrases:
        _, _, said = phrase.partition("the ")
        word, _, rest = said.partition(" ")
        noun = (
            rest if word in ("largest", "leftmost", "rightmost", "uppermost", "lowermost") else said
        )
        there = masks(view(seed), noun)
        middles = {n: np.add(edges(m)[:2], edges(m)[2:]) / 2 for n, m in there.items()}
        if noun == said:
            assert list(there) == [item.id]
            continue
        if word == "largest":
            order = {n: mask.sum() for n, mask in there.items()}
        else:
            axis = int(word in ("uppermost", "lowermost"))
            sign = 1 if word in ("rightmost", "lowermost") else -1
            order = {n: sign * middle[axis] for n, middle in middles.items()}
        assert order[item.id] == max(order.values())
        assert sum(value == order[item.id] for value in order.values()) == 1


def car(number: int, x: float, y: float, pixels: int = 50) -> VisibleObject:
    return VisibleObject(number, "car", (x, y, x + 10, y + 10), (), pixels)


def test_close_races_are_not_called() -> None:
    square = Square(100, 100)
    two = VisibleObjects((car(1, 10, 10), car(2, 12, 50, 60)), frozenset(), square)
    phrases = {phrase for phrase, _ in referring_phrases(two)}
    assert phrases == {"the uppermost car", "the lowermost car"}
    hidden = VisibleObjects((car(1, 10, 10),), frozenset({"car"}), square)
    assert referring_phrases(hidden) == []


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [
        (0, 0, "in the upper left"),
        (45, 0, "in the upper middle"),
        (90, 45, "on the right"),
        (45, 45, "in the centre"),
        (0, 45, "on the left"),
        (45, 90, "in the lower middle"),
        (90, 90, "in the lower right"),
    ],
)
def test_places(x: float, y: float, place: str) -> None:
    item = car(1, x, y)
    assert (
        region_phrase(item, VisibleObjects((item,), frozenset(), Square(100, 100)))
        == f"a car {place}"
    )
