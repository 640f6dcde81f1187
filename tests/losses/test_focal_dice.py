"""Mask losses against values worked out by hand, and their gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from mfnet_lite.losses.focal_dice import dice_loss, focal_loss, mask_iou, mask_loss


def test_dice_by_hand():
    # p = 1/2 everywhere, two of four pixels true: 1 - (2*1 + 1) / (2 + 2 + 1) = 0.4
    target = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    assert dice_loss(torch.zeros(1, 2, 2), target).item() == pytest.approx(0.4)


def test_focal_by_hand():
    # p = 1/2: true pixels weigh 0.25, false ones 0.75, each times 0.25 * ln 2
    target = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    by_hand = (0.25 + 3 * 0.75) / 4 * 0.25 * math.log(2)
    assert focal_loss(torch.zeros(1, 2, 2), target).item() == pytest.approx(by_hand)


def test_focal_without_focus_is_weighted_cross_entropy():
    logits = torch.linspace(-3, 3, 16).reshape(1, 4, 4)
    target = (torch.arange(16).reshape(1, 4, 4) % 3 == 0).float()
    weight = 0.25 * target + 0.75 * (1 - target)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, target, weight=weight, reduction="mean"
    )
    assert focal_loss(logits, target, gamma=0.0).item() == pytest.approx(plain.item())


def test_sam_weights_focal_twenty_times():
    logits, target = torch.randn(3, 5, 5), (torch.rand(3, 5, 5) > 0.5).float()
    expected = 20 * focal_loss(logits, target) + dice_loss(logits, target)
    torch.testing.assert_close(mask_loss(logits, target), expected)


def test_perfect_and_opposite_prediction():
    target = torch.zeros(1, 4, 4)
    target[0, :2] = 1
    sure = 40 * (2 * target - 1)
    assert dice_loss(sure, target).item() == pytest.approx(0.0, abs=1e-6)
    assert focal_loss(sure, target).item() == pytest.approx(0.0, abs=1e-6)
    assert dice_loss(-sure, target).item() == pytest.approx(1 - 1 / 17)


def test_empty_mask_is_finite():
    assert torch.isfinite(mask_loss(torch.zeros(1, 3, 3), torch.zeros(1, 3, 3))).all()
    assert mask_iou(-torch.ones(1, 3, 3), torch.zeros(1, 3, 3)).item() == 1.0
    assert mask_iou(torch.ones(1, 3, 3), torch.zeros(1, 3, 3)).item() == 0.0


def test_losses_keep_masks_apart():
    logits, target = torch.randn(2, 3, 6, 6), (torch.rand(2, 3, 6, 6) > 0.5).float()
    together = mask_loss(logits, target)
    assert together.shape == (2, 3)
    torch.testing.assert_close(together[1, 2], mask_loss(logits[1, 2], target[1, 2]))


@pytest.mark.parametrize("loss", [dice_loss, focal_loss])
def test_gradients(loss):
    logits = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    target = (torch.rand(2, 3, 3) > 0.5).double()
    assert gradcheck(lambda z: loss(z, target), (logits,))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"got \(1, 4, 4\) and \(4, 4\)"):
        dice_loss(torch.zeros(1, 4, 4), torch.zeros(4, 4))
