"""Grounding and detection by hand."""

from __future__ import annotations

import math

import pytest

from mfnet_lite.metrics import detection_scores, grounding_scores

SQUARE = (0.0, 0.0, 10.0, 10.0)


def test_grounding() -> None:
    # IoU 1, 0.6, 0 (none), 0.9, and a small one of 0.5
    answers = [SQUARE, (0, 0, 6, 10), None, (0, 0, 9, 10), (0, 0, 1, 1)]
    truth = [SQUARE, SQUARE, SQUARE, SQUARE, (0, 0, 2, 1)]
    scores = grounding_scores(answers, truth)
    assert scores.precision == pytest.approx({0.5: 0.8, 0.6: 0.6, 0.7: 0.4, 0.8: 0.4, 0.9: 0.4})
    assert scores.mean_iou == pytest.approx((1 + 0.6 + 0 + 0.9 + 0.5) / 5)
    assert scores.cumulative_iou == pytest.approx((100 + 60 + 0 + 90 + 1) / (4 * 100 + 2))
    assert scores.answered == 0.8
    assert scores.questions == 5


def test_the_cumulative_iou_follows_the_large_ones() -> None:
    large, small = (0, 0, 100, 100), (0, 0, 1, 1)
    scores = grounding_scores([large, (5, 5, 6, 6)], [large, small])
    assert scores.mean_iou == 0.5
    assert scores.cumulative_iou > 0.999


def test_nothing_asked() -> None:
    assert math.isnan(grounding_scores([], []).mean_iou)
    assert math.isnan(detection_scores([[]], [[]]).f1)
    with pytest.raises(ValueError, match="got 1 answers and 0 truths"):
        grounding_scores([None], [])


def test_detection() -> None:
    truth = [[("car", SQUARE), ("car", (20, 0, 30, 10)), ("tree", (0, 20, 10, 30))], []]
    answers = [
        [("car", (0, 0, 10, 6)), ("car", (0, 0, 10, 9)), ("car", (0, 20, 10, 30))],
        [("tree", SQUARE)],
    ]
    scores = detection_scores(answers, truth)
    # of two boxes on one car one is right; a car on a tree is none; in the empty image a tree is too much
    assert (scores.found, scores.written, scores.there) == (1, 4, 3)
    assert (scores.precision, scores.recall) == (0.25, pytest.approx(1 / 3))
    assert scores.f1 == pytest.approx(2 / 7)
    assert scores.by_class == {"car": pytest.approx(2 / 5), "tree": 0}


def test_the_best_pair_is_taken_first() -> None:
    truth = [[("car", (0, 0, 10, 10)), ("car", (4, 0, 14, 10))]]
    # the first box overlaps both enough; taken for the first it leaves the second without
    answers = [[("car", (3, 0, 13, 10)), ("car", (0, 0, 10, 10))]]
    assert detection_scores(answers, truth).found == 2


def test_oriented_boxes() -> None:
    tilted = (1.0, 0.0, 2.0, 1.0, 1.0, 2.0, 0.0, 1.0)
    scores = detection_scores([[("car", tilted)]], [[("car", tilted)]])
    assert scores.f1 == 1
    # the upright box around it overlaps it by half
    assert detection_scores([[("car", (0, 0, 2, 2))]], [[("car", tilted)]], iou=0.51).f1 == 0
