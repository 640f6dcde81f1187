"""Parts of images for questions about boxes."""

from __future__ import annotations

import numpy as np
import torch

from mfnet_lite.language.instructions import Exchange
from scripts.pretraining.focus import boxes_named, focused, shown_places

WHERE = Exchange("grounding", "Locate the pond.", "[0.25,0.00,0.50,0.25]")


def test_boxes_stand_in_the_question_or_in_the_answer():
    asked = Exchange("region captioning", "What is in [0.10,0.20,0.30,0.40]?", "a pond")
    several = Exchange("detection", "All.", "2 ponds [0.1,0.2,0.3,0.4;0.5,0.6,0.7,0.8]")
    assert boxes_named(WHERE) == [(0.25, 0.0, 0.5, 0.25)]
    assert boxes_named(asked) == [(0.1, 0.2, 0.3, 0.4)]
    assert boxes_named(several) == [(0.1, 0.2, 0.3, 0.4), (0.5, 0.6, 0.7, 0.8)]
    assert boxes_named(Exchange("vqa", "Is there a pond?", "yes")) == []


def test_places_in_the_box_and_around_it_are_shown():
    # middles lie at .125, .375, .625, .875; half a place, .125, is shown around the box
    shown = shown_places([(0.25, 0.0, 0.5, 0.25)], 4, 0.0, np.random.default_rng(0))
    expected = np.zeros((4, 4), dtype=bool)
    expected[0, 1] = True
    assert np.array_equal(shown.reshape(4, 4), expected)
    wider = shown_places([(0.2, 0.0, 0.55, 0.3)], 4, 0.0, np.random.default_rng(0))
    expected[0:2, 0:3] = True
    assert np.array_equal(wider.reshape(4, 4), expected)


def test_others_are_drawn_as_often_as_asked():
    shown = [shown_places([], 8, 0.3, np.random.default_rng(k)).mean() for k in range(200)]
    assert 0.28 < np.mean(shown) < 0.32


def test_an_example_has_the_shown_places_in_their_order():
    features = torch.arange(16.0)[:, None]
    rng = np.random.default_rng(0)
    few = focused(WHERE, features, 4, 0.0, rng)
    assert few.images[0].ravel().tolist() == [1.0]
    assert few.turns == [("Locate the pond.", "[0.25,0.00,0.50,0.25]")]
    assert focused(WHERE, features, 4, 1.0, rng).images[0] is features
    nowhere = Exchange("vqa", "Is there a pond?", "yes")
    assert focused(nowhere, features, 4, 0.0, rng).images[0] is features
