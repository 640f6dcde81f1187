"""The facts that make the world worth using, on fewer and smaller scenes than the full proof."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.experiments import world_proof as proof


def test_iou_by_hand() -> None:
    truth, guess = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 1, 1, 0])
    scores = proof.iou(truth, guess)
    assert scores[:3] == pytest.approx([1 / 3, 2 / 3, 0])
    assert np.isnan(scores[3:]).all()


def test_best_f1_by_hand() -> None:
    distance, truth = np.array([0.1, 0.2, 0.3, 0.8, 0.9]), np.array([0, 0, 0, 1, 1], bool)
    assert proof.best_f1(distance, truth) == 1.0
    assert proof.best_f1(distance, truth[::-1]) < 0.7


@pytest.mark.slow
def test_height_helps_where_colours_are_ambiguous() -> None:
    pytest.importorskip("sklearn")
    small = {"seeds": 2, "size": 160, "scenes": 3, "trees": 15}
    gains = {}
    for ambiguity in (0.7, 0.0):
        found = proof.forests(ambiguity, **small)
        gains[ambiguity] = found["mIoU_5"]["gain"]["mean"]
    assert gains[0.7] >= 0.05
    assert gains[0.0] < gains[0.7] / 3


@pytest.mark.slow
def test_pseudo_change_fools_plain_differencing() -> None:
    scores = proof.change_scores(seeds=2, size=160, pairs=3)
    calm, fooled = (scores[f"{k}_pseudo_change"]["F1_mean"] for k in ("without", "with"))
    assert fooled < 0.75 * calm
