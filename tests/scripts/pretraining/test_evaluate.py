"""What is measured of the small SAM: scores of its masks, of the choice among them, and of what it expects."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite import load_sam
from scripts.pretraining import evaluate


def test_calibration_error_by_hand():
    expected, true = np.array([0.05, 0.15, 0.15, 1.2]), np.array([0.0, 0.15, 0.35, 1.0])
    # Bins: |0.05 - 0|, |0.30 - 0.50|, and what is beyond 1 in the last: |1.2 - 1|.
    assert evaluate.calibration_error(expected, true) == pytest.approx((0.05 + 0.2 + 0.2) / 4)
    assert evaluate.calibration_error(true, true) == 0


def test_chosen_stable_and_best_candidates_are_the_models():
    sam = load_sam("tiny", image_size=256).eval()
    (case,) = evaluate.procedural(1, 4)
    found = evaluate.measure(sam, [case], "one picture")
    answers = evaluate.with_sam(sam, case)
    each = np.array(
        [
            [evaluate.iou(mask, true) for mask in three]
            for three, true in zip(answers.candidates, case.masks, strict=True)
        ]
    )
    assert each.shape == answers.expected.shape == answers.stability.shape == (4, 3)
    means = found["mean_iou"]
    rows = np.arange(4)
    assert means["one click"] == pytest.approx(
        each[rows, answers.expected.argmax(axis=1)].mean(), abs=1e-4
    )
    stable = each[rows, answers.stability.argmax(axis=1)]
    assert means["one click, most stable of three"] == pytest.approx(stable.mean(), abs=1e-4)
    assert means["one click, best of three"] == pytest.approx(each.max(axis=1).mean(), abs=1e-4)
    assert found["objects"] == 4
    assert -1 <= found["expected_iou"]["rank_correlation"] <= 1
    table = evaluate.table({"drawn": found})
    assert table.splitlines()[0] == "| mean IoU | drawn (4) |"
    assert f"| {found['expected_iou']['calibration_error']:.3f} |" in table
