"""Scores of a change map: by hand, against the confusion matrix, and the trap of the mean."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.metrics import ConfusionMatrix, change_scores, iou_of_f1, per_image


def matrix(tn: int, fp: int, fn: int, tp: int) -> ConfusionMatrix:
    made = ConfusionMatrix(2)
    made.counts = torch.tensor([[tn, fp], [fn, tp]])
    return made


def test_by_hand() -> None:
    scores = change_scores(matrix(tn=85, fp=3, fn=6, tp=6))
    assert scores.precision == pytest.approx(6 / 9)
    assert scores.recall == pytest.approx(6 / 12)
    assert pytest.approx(12 / 21) == scores.F1
    assert pytest.approx(6 / 15) == scores.IoU
    assert scores.macro_precision == pytest.approx((6 / 9 + 85 / 91) / 2)
    assert scores.macro_recall == pytest.approx((6 / 12 + 85 / 88) / 2)
    assert scores.mF1 == pytest.approx((12 / 21 + 170 / 179) / 2)
    assert scores.mIoU == pytest.approx((6 / 15 + 85 / 94) / 2)
    assert pytest.approx(91 / 100) == scores.OA
    assert list(scores.as_dict())[:4] == ["precision", "recall", "F1", "IoU"]


def test_the_trap_of_levir() -> None:
    # the paper's table: change F1 91.46 and mIoU 91.68 give the background IoU 99.10 and mF1 95.50
    changed = iou_of_f1(0.9146)
    assert changed == pytest.approx(0.842639, abs=1e-6)
    background = 2 * 0.9168 - changed
    assert background == pytest.approx(0.9910, abs=5e-5)
    f1 = 2 * background / (1 + background)
    assert (0.9146 + f1) / 2 == pytest.approx(0.9550, abs=5e-5)


@given(st.tuples(*[st.integers(1, 10_000)] * 4))
def test_identity_holds_for_a_class_and_mean_f1_flatters_the_rarer_one(counts) -> None:
    tn, fp, fn, tp = counts
    scores = change_scores(matrix(tn, fp, fn, tp))
    assert iou_of_f1(scores.F1) == pytest.approx(scores.IoU)
    assert (scores.mF1 > scores.F1) == (tn > tp)


def test_undefined_scores() -> None:
    nothing = change_scores(matrix(tn=10, fp=0, fn=0, tp=0))
    assert math.isnan(nothing.F1)
    assert nothing.as_dict()["F1"] is None
    assert nothing.mF1 == nothing.macro_precision == 1.0
    missed = change_scores(matrix(tn=10, fp=0, fn=2, tp=0))
    assert missed.F1 == missed.recall == 0
    assert math.isnan(missed.precision)
    assert math.isnan(change_scores(ConfusionMatrix(2)).macro_recall)


def test_mean_over_images_is_another_number() -> None:
    quiet = matrix(tn=9_999, fp=1, fn=0, tp=0)  # accuracy 0.9999, no hit: perfect, they say
    noisy = matrix(tn=9_900, fp=100, fn=0, tp=0)
    found = matrix(tn=80, fp=10, fn=0, tp=10)
    means = per_image([quiet, noisy, found])
    pooled = change_scores(quiet + noisy + found)
    assert means["F1"] == pytest.approx((1 + 0 + 20 / 30) / 3)
    assert means["recall"] == pytest.approx((1 + 0 + 1) / 3)
    assert pytest.approx(20 / 131) == pooled.F1


def test_errors() -> None:
    with pytest.raises(ValueError, match="unchanged, changed, got 3 classes"):
        change_scores(ConfusionMatrix(3))
    with pytest.raises(ValueError, match="no image"):
        per_image([])
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 91.46"):
        iou_of_f1(91.46)
