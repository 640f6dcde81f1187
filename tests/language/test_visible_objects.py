"""Objects and scene classes are what label and instances say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mfnet_lite.language.visible_objects import (
    NOUNS,
    SCENE_CLASSES,
    kind_shares,
    scene_class,
    visible_objects,
)
from mfnet_lite.world import CLASSES
from mfnet_lite.world.caption_words import KIND_WORDS
from mfnet_lite.world.captions import View
from tests.language.towns import SEEDS, edges, masks, view


@pytest.mark.parametrize("seed", SEEDS)
def test_every_object_is_there_with_its_boxes(seed: int) -> None:
    seen = visible_objects(view(seed), smallest=16)
    height, width = view(seed).label.shape
    assert (seen.square.width, seen.square.height) == (width, height)
    for noun in dict.fromkeys(NOUNS.values()):
        there = masks(view(seed), noun)
        large = {number for number, mask in there.items() if mask.sum() >= 16}
        found = {item.id: item for item in seen.of(noun)}
        assert set(found) <= large
        if set(found) == set(there):
            assert seen.count(noun) == len(there)
        else:
            assert seen.count(noun) is None
        for number, item in found.items():
            assert item.box == edges(there[number])
            assert item.pixels == there[number].sum()
            inside = np.argwhere(there[number])[:, ::-1] + 0.5
            corners = np.reshape(item.corners, (4, 2))
            along, across = corners[1] - corners[0], corners[3] - corners[0]
            for side in (along, across):
                share = (inside - corners[0]) @ side / (side @ side)
                assert share.min() > 0
                assert share.max() < 1


@pytest.mark.parametrize("seed", SEEDS)
def test_shares_of_kinds(seed: int) -> None:
    shares = kind_shares(view(seed))
    assert sum(shares.values()) == pytest.approx(1)
    numbers = view(seed).instances.ravel().tolist()
    counted = Counter(view(seed).kinds[n] if n else "street" for n in numbers)
    assert shares == pytest.approx({kind: n / len(numbers) for kind, n in counted.items()})


def picture(**pixels: int) -> View:
    """A picture of 10 x 10 pixels with so many pixels of each kind; the rest is street."""
    kinds = {number: kind.replace("_", " ") for number, kind in enumerate(pixels, start=1)}
    flat = np.zeros(100, dtype=np.int64)
    at = 0
    for number, count in enumerate(pixels.values(), start=1):
        flat[at : at + count] = number
        at += count
    label = np.zeros((10, 10), np.uint8)
    return View(np.zeros((10, 10, 3), np.uint8), label, flat.reshape(10, 10), kinds, 0.25, "summer")


@pytest.mark.parametrize(
    ("pixels", "name"),
    [
        ({"construction_site": 20, "house": 50}, "construction site"),
        ({"hall": 7, "tank": 3}, "industrial area"),
        ({"hall": 9, "lawn": 60}, "garden"),
        ({"meadow": 29, "pond": 1}, "park"),
        ({"row_house": 10, "house": 9}, "row houses"),
        ({"row_house": 10, "house": 6, "wing": 4}, "detached houses"),
        ({"house": 8}, "detached houses"),
        ({"house": 7}, "street"),
        ({"yard": 30, "lawn": 30}, "paved yard"),
        ({"lawn": 40, "crown": 10, "yard": 20}, "garden"),
        ({"lawn": 40, "yard": 29}, "mixed town"),
    ],
)
def test_scene_classes_by_hand(pixels: dict[str, int], name: str) -> None:
    assert scene_class(picture(**pixels)) == name


def test_scene_classes_occur() -> None:
    found = {scene_class(view(seed)) for seed in SEEDS}
    assert len(found) > 2
    assert found <= set(SCENE_CLASSES)


def test_nouns_are_things_of_the_world() -> None:
    assert set(NOUNS) <= set(KIND_WORDS)
    assert len(set(NOUNS.values())) == len(NOUNS)
    assert {CLASSES[KIND_WORDS[kind].label] for kind in NOUNS} == {
        "building",
        "tree",
        "car",
        "clutter",
    }


def test_thin_objects_are_unclear() -> None:
    thin = picture(lawn=10)
    instances = np.zeros((300, 300), dtype=np.int64)
    instances[5, 5:60] = 1
    seen = visible_objects(thin._replace(instances=instances, kinds={1: "car"}))
    assert seen.objects == ()
    assert seen.unclear == {"car"}
