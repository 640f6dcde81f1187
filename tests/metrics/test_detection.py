"""Boxes out of masks and their scores, against values worked out by hand."""

from __future__ import annotations

import builtins

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.metrics.detection import BoxSettings, boxes_from_mask, score_boxes

PLAIN = BoxSettings(smallest=0, erode=0, dilate=0)


def filled(*boxes: tuple[int, int, int, int], size: int = 60) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


# --- boxes


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20))
def test_a_rectangle_is_its_own_box(x, y, width, height):
    boxes, pieces = boxes_from_mask(filled((x, y, x + width, y + height)), PLAIN)
    assert boxes.tolist() == [[x, y, x + width, y + height]]
    assert (pieces == 1).sum() == width * height


def test_pieces_that_touch_at_a_corner_are_one():
    boxes, _ = boxes_from_mask(filled((5, 5, 10, 10), (10, 10, 15, 15), (30, 30, 32, 32)), PLAIN)
    assert boxes.tolist() == [[5, 5, 15, 15], [30, 30, 32, 32]]


def test_islands_go_and_holes_close():
    mask = filled((10, 10, 30, 20), (40, 40, 42, 42))
    mask[14, 20] = False
    boxes, pieces = boxes_from_mask(mask, BoxSettings(smallest=5 / 3600, erode=0, dilate=0))
    assert boxes.tolist() == [[10, 10, 30, 20]]
    assert pieces[14, 20] == 1


def test_official_numbers_open_and_grow_by_one_pixel():
    """Two steps in, three out: one pixel larger on each side, and thin bridges are cut."""
    mask = filled((10, 10, 100, 60), (100, 34, 110, 36), (110, 10, 200, 60), size=220)
    boxes, _ = boxes_from_mask(mask, BoxSettings.official())
    assert boxes.tolist() == [[9, 9, 101, 61], [109, 9, 201, 61]]
    small, _ = boxes_from_mask(filled((10, 10, 50, 50), size=220), BoxSettings.official())
    assert small.shape == (0, 4)  # 1600 pixels are below 2500


def test_settings_scale_with_the_image():
    assert BoxSettings().at(1080, 1920) == (pytest.approx(2500), 2, 3)
    assert BoxSettings().at(540, 960) == (pytest.approx(625), 1, 2)
    assert BoxSettings.official().at(64, 64) == (2500, 2, 3)


def test_empty_and_full_masks():
    assert boxes_from_mask(np.zeros((20, 30), dtype=bool))[0].shape == (0, 4)
    assert boxes_from_mask(np.ones((20, 30), dtype=bool))[0].tolist() == [[0, 0, 30, 20]]


# --- scores


def box(x: float, width: float = 10.0) -> np.ndarray:
    return np.array([[x, 0.0, x + width, 10.0]])


NONE = np.zeros((0, 4))


def test_precision_recall_by_hand():
    """Two plates: one found, one missed, one false box that is surer than the true one."""
    scores = score_boxes(
        [np.concatenate([box(0), box(500)])],
        [np.array([0.5, 0.9])],
        [np.concatenate([box(1), box(99)])],
    )
    assert (scores.precision, scores.recall, scores.F1) == (0.5, 0.5, 0.5)
    assert (scores.found, scores.boxes, scores.plates) == (1, 2, 2)
    # precision is 1/2 up to a recall of 1/2 (51 of COCO's 101 points), 0 beyond
    assert pytest.approx(0.5 * 51 / 101) == scores.AP50


def test_confidence_orders_the_curve():
    boxes, plates = [np.concatenate([box(0), box(500)])], [box(0)]
    good = score_boxes(boxes, [np.array([0.9, 0.1])], plates)
    bad = score_boxes(boxes, [np.array([0.1, 0.9])], plates)
    assert pytest.approx(1) == good.AP50
    assert pytest.approx(0.5) == bad.AP50
    assert good.F1 == bad.F1


def test_a_plate_is_found_once():
    twice = np.concatenate([box(0), box(1)])
    scores = score_boxes([twice], [np.array([0.9, 0.8])], [box(0)])
    assert (scores.found, scores.precision, scores.recall) == (1, 0.5, 1.0)


def test_the_threshold_is_a_half():
    """Shifted by a third of its width a box has IoU 1/2: found, but only at the lowest threshold."""
    scores = score_boxes([box(0, 9)], [np.array([1.0])], [box(3, 9)])
    assert scores.found == 1
    assert pytest.approx(1) == scores.AP50
    assert pytest.approx(0.1) == scores.AP
    assert score_boxes([box(0, 9)], [np.array([1.0])], [box(3.1, 9)]).found == 0


def test_images_are_kept_apart():
    scores = score_boxes([box(0), NONE], [np.array([1.0]), np.zeros(0)], [NONE, box(0)])
    assert (scores.found, scores.F1) == (0, 0.0)


def test_more_boxes_than_coco_usually_counts():
    many = np.concatenate([box(20.0 * i) for i in range(150)])
    sure = np.linspace(1, 0.1, 150)
    scores = score_boxes([many], [sure], [many])
    assert (scores.found, scores.precision, scores.recall) == (150, 1.0, 1.0)


def test_nothing_there():
    nothing = score_boxes([NONE], [np.zeros(0)], [NONE])
    assert np.isnan([nothing.AP, nothing.precision, nothing.recall, nothing.F1]).all()
    false = score_boxes([box(0)], [np.array([1.0])], [NONE])
    assert np.isnan(false.AP)
    assert (false.precision, false.F1) == (0.0, 0.0)
    missed = score_boxes([NONE], [np.zeros(0)], [box(0)])
    assert (missed.AP, missed.recall, missed.F1) == (0.0, 0.0, 0.0)


def test_nothing_is_printed(capsys):
    score_boxes([box(0)], [np.array([1.0])], [box(0)])
    assert capsys.readouterr().out == ""


def test_faults_say_what_to_do(monkeypatch):
    with pytest.raises(ValueError, match="got 1, 2 and 1: pass an empty array"):
        score_boxes([NONE], [np.zeros(0)] * 2, [NONE])
    with pytest.raises(ValueError, match="one confidence per box, image 0"):
        score_boxes([box(0)], [np.zeros(2)], [NONE])
    real = builtins.__import__

    def without(name, *rest, **named):
        if name.startswith("pycocotools"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install pycocotools"):
        score_boxes([box(0)], [np.array([1.0])], [box(0)])
