"""Interactive rounds: clicks fall where they should, corrections carry the right label."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.sam.build import TINY, build_sam
from mfnet_lite.sam.interactive import (
    correction_clicks,
    first_prompts,
    mask_boxes,
    noisy_boxes,
    pick_best,
    prompt_interactively,
    random_points,
)
from mfnet_lite.sam.prompts import Prediction, embed_points


def blocks(seed: int, side: int = 24) -> torch.Tensor:
    """Random rectangles as masks, (2, 3, side, side)."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.zeros(2, 3, side, side, dtype=torch.bool)
    for mask in masks.flatten(0, 1):
        y, x, h, w = (int(v) for v in torch.randint(1, side // 2, (4,), generator=generator))
        mask[y : y + h, x : x + w] = True
    return masks


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_points_fall_inside_and_boxes_are_tight(seed):
    masks = blocks(seed)
    points = random_points(masks, torch.Generator().manual_seed(seed)).long()
    boxes = mask_boxes(masks).long()
    for mask, (x, y), (x0, y0, x1, y1) in zip(
        masks.flatten(0, 1), points.flatten(0, 1), boxes.flatten(0, 1), strict=True
    ):
        assert mask[y, x]
        assert mask[y0 : y1 + 1, x0 : x1 + 1].sum() == mask.sum()


def test_points_are_uniform():
    region = torch.zeros(4000, 1, 3, dtype=torch.bool)
    region[:, 0, 1:] = True
    x = random_points(region, torch.Generator().manual_seed(0))[:, 0]
    assert (x > 0).all()
    assert abs((x == 1).float().mean() - 0.5) < 0.04


def test_box_noise_is_bounded_and_ordered():
    boxes = torch.tensor([[10.0, 10.0, 510.0, 20.0]]).expand(5000, 4)
    moved = noisy_boxes(boxes, (600, 600), torch.Generator().manual_seed(0))
    assert (moved[:, 2:] >= moved[:, :2]).all()
    assert (moved - boxes)[:, [0, 2]].abs().max() <= 20  # capped: 10 % of 500 is 50
    assert abs((moved - boxes)[:, 1].std() - 1.0) < 0.05  # 10 % of 10
    assert noisy_boxes(boxes, (300, 300)).max() <= 299


def test_first_prompts_are_a_click_or_a_box():
    masks = blocks(3)
    click = first_prompts(masks, box_share=0.0)
    assert (click.labels == torch.tensor([1, -1])).all()
    box = first_prompts(masks, box_share=1.0)
    assert (box.labels == torch.tensor([2, 3])).all()
    assert box.points.shape == (2, 3, 2, 2)


def test_corrections_by_hand():
    truth = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    truth[0, :, 1, 1:3] = True
    logits = torch.full((1, 2, 4, 4), -1.0)
    logits[0, 0, 1, 1] = 1.0  # misses (x 2, y 1): a click inside
    logits[0, 1, 1, 1:3] = 1.0
    logits[0, 1, 3, 0] = 1.0  # takes (x 0, y 3) too: a click outside
    clicks = correction_clicks(logits, truth)
    assert clicks.points[0, :, 0].tolist() == [[2.0, 1.0], [0.0, 3.0]]
    assert clicks.labels[0, :, 0].tolist() == [1, 0]


def test_perfect_prediction_is_clicked_inside():
    truth = blocks(5)
    clicks = correction_clicks(2.0 * truth - 1.0, truth)
    assert (clicks.labels == 1).all()


def test_no_correction_click_falls_where_the_truth_is_unknown():
    truth = torch.zeros(1, 2, 6, 6, dtype=torch.bool)
    truth[0, 0, 1, 1] = True
    known = torch.zeros(1, 2, 6, 6, dtype=torch.bool)
    known[..., :2] = True
    generator = torch.Generator().manual_seed(0)
    for logits in (torch.ones(1, 2, 6, 6), 2.0 * truth - 1.0):  # all wrong; nothing wrong
        for _ in range(20):
            clicks = correction_clicks(logits, truth, generator, known)
            assert clicks.points[..., 0].max() <= 1
    # nothing wrong: inside the mask where there is one, as background anywhere known where it is empty
    assert clicks.points[0, 0].tolist() == [[1.0, 1.0]]
    assert clicks.labels.flatten().tolist() == [1, 0]


def test_best_is_chosen_by_predicted_iou():
    masks = torch.arange(3.0)[None, None, :, None, None].expand(1, 2, 3, 2, 2)
    iou = torch.tensor([[[0.1, 0.9, 0.3], [0.5, 0.2, 0.6]]])
    best = pick_best(Prediction(masks, iou))
    assert best[0, :, 0, 0].tolist() == [1.0, 2.0]


def test_rounds_add_clicks_feed_back_masks_and_carry_gradients():
    torch.manual_seed(0)
    sam = build_sam(replace(TINY, image_size=24, depth=1, global_blocks=(0,)))
    masks = blocks(1)
    embeddings = torch.randn(2, 128, 3, 3, requires_grad=True)
    rounds = prompt_interactively(sam, embeddings, masks, 3, torch.Generator().manual_seed(0))
    assert [tuple(r.masks.shape) for r in rounds] == [
        (2, 3, 4, 12, 12),
        (2, 3, 1, 12, 12),
        (2, 3, 1, 12, 12),
    ]
    rounds[2].masks.sum().backward()
    assert embeddings.grad is not None
    assert embeddings.grad.abs().sum() > 0
    again = prompt_interactively(sam, embeddings, masks, 3, torch.Generator().manual_seed(0))
    assert torch.equal(again[2].masks, rounds[2].masks)
    with pytest.raises(ValueError, match="rounds >= 1, got 0"):
        prompt_interactively(sam, embeddings, masks, 0)


@pytest.mark.parametrize(
    ("blind", "tokens"),
    [
        (None, [2, 3, 4, 5, 6]),
        (2, [2, 3, 3, 4, 5]),
        (1, [2, 2, 3, 4, 5]),
        ((2, 4), [2, 3, 3, 4, 4]),
        ((3, 4), [2, 3, 4, 4, 4]),
    ],
)
def test_blind_rounds_add_no_click(monkeypatch, blind, tokens):
    seen = []

    def noting(sam, points, labels):
        seen.append(labels.shape[2])
        return embed_points(sam, points, labels)

    monkeypatch.setattr("mfnet_lite.sam.interactive.embed_points", noting)
    sam = build_sam(replace(TINY, image_size=24, depth=1, global_blocks=(0,)))
    with torch.no_grad():
        prompt_interactively(sam, torch.randn(2, 128, 3, 3), blocks(1), 5, blind_round=blind)
    assert seen == tokens


@pytest.mark.parametrize("blind", [0, 3, -1, (1, 3)])
def test_blind_rounds_lie_within_the_rounds(blind):
    with pytest.raises(ValueError, match=r"none of the rounds 1 to 2, which follow the first of 3"):
        prompt_interactively(None, torch.zeros(1, 1, 1, 1), blocks(1), 3, blind_round=blind)
