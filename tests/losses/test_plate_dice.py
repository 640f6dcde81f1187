"""SamLP's Dice losses: the numbers of the authors' code, values by hand, the gap of the threshold."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from mfnet_lite.losses import batch_dice, two_class_dice

LOGITS = torch.linspace(-2, 2, 32).reshape(2, 4, 4)
TARGET = (torch.arange(32) % 3 == 0).float().reshape(2, 4, 4)


def test_golden_two_classes():
    """The authors' utility classes (Dinghaoxuan/SamLP, commit 6a6e7c9), executed alone."""
    assert two_class_dice(LOGITS, TARGET).item() == pytest.approx(0.889872, abs=1e-6)
    assert two_class_dice(torch.zeros_like(LOGITS), TARGET).item() == pytest.approx(
        0.749777, abs=1e-6
    )


def test_golden_sigmoid():
    assert batch_dice(LOGITS, TARGET).item() == pytest.approx(0.602323, abs=1e-6)


def test_golden_perfect_and_empty():
    sure = 40 * TARGET - 20
    assert two_class_dice(sure, TARGET).item() == pytest.approx(0, abs=1e-6)
    assert batch_dice(sure, TARGET).item() == pytest.approx(0, abs=1e-6)
    nothing = torch.zeros_like(TARGET)
    assert two_class_dice(torch.full_like(LOGITS, -20), nothing).item() == pytest.approx(
        0, abs=1e-6
    )


def test_by_hand():
    """s = 1/2 is p = 1/2: one of two pixels true gives 1 - 1 / 1.5 for each class."""
    target = torch.tensor([1.0, 0.0])
    loss = two_class_dice(torch.full((2,), 0.5), target)
    assert loss.item() == pytest.approx(2 / 3, abs=1e-4)
    assert batch_dice(torch.zeros(2), target).item() == pytest.approx(0.5, abs=1e-4)


def test_the_loss_and_the_threshold_disagree():
    """At s = 0, where masks are cut, the foreground has 1 / (1 + e), not a half; a pixel's undecided
    point is s = 1/2, so a pixel between both is a plate to the mask and street to the loss."""
    s = torch.tensor(0.0, requires_grad=True)
    p = (2 * s - 1).sigmoid()
    assert p.item() == pytest.approx(1 / (1 + math.e))
    assert (2 * torch.tensor(0.5) - 1).sigmoid().item() == 0.5
    # the same pair of classes as a softmax, as the authors write it
    pair = torch.softmax(torch.stack([1 - LOGITS, LOGITS]), dim=0)[1]
    torch.testing.assert_close(pair, (2 * LOGITS - 1).sigmoid())


def test_pixels_that_do_not_count_change_nothing():
    valid = torch.ones(32, dtype=torch.bool).reshape(2, 4, 4)
    valid[1] = False
    for loss in (two_class_dice, batch_dice):
        expected = loss(LOGITS[0], TARGET[0])
        assert loss(LOGITS, TARGET, valid).item() == pytest.approx(expected.item())
        logits = LOGITS.clone().requires_grad_()
        loss(logits, TARGET, valid).backward()
        assert not logits.grad[1].any()
        assert logits.grad[0].any()


@pytest.mark.parametrize("loss", [two_class_dice, batch_dice])
def test_gradient(loss):
    logits = LOGITS[0].double().requires_grad_()
    assert gradcheck(lambda x: loss(x, TARGET[0].double()), (logits,))


@pytest.mark.parametrize("loss", [two_class_dice, batch_dice])
def test_shapes_must_agree(loss):
    with pytest.raises(ValueError, match=r"one shape, got \(2, 4, 4\) and \(4, 4\)"):
        loss(LOGITS, TARGET[0])
