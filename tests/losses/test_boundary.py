"""Boundary loss: the three public versions to the last digit, and one that learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses import boundary, soft_edges

Y, X = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")


def certain(classes: Tensor) -> Tensor:
    """Logits 10 for the class of each pixel, as given to the authors' loss."""
    return 10.0 * F.one_hot(classes.long(), 6).permute(2, 0, 1)[None]


def columns(*which: int) -> Tensor:
    return torch.isin(X, torch.tensor(which))[None].long()


def rows(*which: int) -> Tensor:
    return torch.isin(Y, torch.tensor(which))[None].long()


STEP = certain(X >= 8)
SINE = torch.sin(0.1 * torch.arange(2 * 6 * 256, dtype=torch.float64)).reshape(2, 6, 16, 16).float()
NOTHING = torch.zeros(1, 16, 16, dtype=torch.long)
CASES = {
    "B1": (STEP, columns(7, 8), 0.0, 0.333333, 0.666712),
    "B2": (STEP, columns(10, 11), 0.333333, 0.666667, 0.777818),
    "B2b": (STEP, columns(9, 10), 0.0, 0.333333, 0.722265),
    "B3": (certain(5 * (X >= 8)), columns(7, 8), -0.666667, 0.333333, 0.833356),
    "B4": (certain(0 * X), columns(7, 8), 1.0, 1.0, 1.0),
    "B5": (STEP, NOTHING, 1.0, 1.0, 1.0),
    "B6": (SINE, torch.cat([columns(7, 8), columns(10, 11)]), 0.274094, 1.0, 0.908359),
    "B7": (certain(Y >= 8), rows(7, 8), 0.5, 0.333333, 0.666712),
    "B8": (certain(Y >= 4), rows(3, 4), 0.5, 0.6, 0.666712),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    logits, edges, current, of_2024, original = CASES[name]
    logits = logits.clone().requires_grad_()
    for variant, expected, learns in (
        ("official", current, False),
        ("official_2024", of_2024, False),
        ("official_original", original, True),
    ):
        value = boundary(logits, edges, variant)
        assert value.item() == pytest.approx(expected, abs=1e-6), variant
        assert value.requires_grad is learns, variant


def test_soft_finds_the_right_place() -> None:
    right = boundary(STEP, columns(7, 8))
    near = boundary(STEP, columns(9, 10))
    far = boundary(STEP, columns(12, 13))
    assert right.item() == pytest.approx(0.0, abs=1e-3)
    assert right <= near < far
    assert far.item() == pytest.approx(1.0, abs=1e-3)


def test_soft_does_not_care_about_class_numbers() -> None:
    for classes in (5 * (X >= 8), 3 - 2 * (X >= 8), (X >= 8)):
        value = boundary(certain(classes), columns(7, 8))
        assert value.item() == pytest.approx(0.0, abs=1e-3)


def test_soft_treats_rows_as_columns() -> None:
    assert boundary(certain(Y >= 4), rows(3, 4)).item() == pytest.approx(0.0, abs=1e-3)


def test_soft_by_hand() -> None:
    """One row, edge strength .6 on pixels 1 and 2, SAM's edge on pixel 1, no tolerance."""
    p = torch.tensor([[0.8, 0.8, 0.2, 0.2], [0.2, 0.2, 0.8, 0.8]])
    logits = p.log().reshape(1, 2, 1, 4)
    torch.testing.assert_close(soft_edges(logits), torch.tensor([[[0.0, 0.6, 0.6, 0.0]]]))
    sam = torch.tensor([[[0, 1, 0, 0]]])
    precision, recall = 0.5, 0.6
    f1 = 2 * precision * recall / (precision + recall)
    assert boundary(logits, sam, tolerance=1).item() == pytest.approx(1 - f1, abs=1e-6)


def test_soft_gradient_moves_the_edge() -> None:
    """Descending the loss turns a blurred wrong edge into one where SAM sees it."""
    torch.manual_seed(0)
    logits = (0.1 * torch.randn(1, 6, 16, 16)).requires_grad_()
    sam = columns(7, 8)
    before = boundary(logits, sam).item()
    optimiser = torch.optim.Adam([logits], lr=0.1)
    for _ in range(40):
        optimiser.zero_grad()
        boundary(logits, sam).backward()
        optimiser.step()
    assert boundary(logits, sam).item() < 0.5 * before


def test_gradcheck() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    sam = torch.randint(0, 2, (1, 6, 6))
    assert torch.autograd.gradcheck(lambda p: boundary(p, sam), (logits,))


def test_images_without_edges_are_left_out() -> None:
    both = boundary(torch.cat([STEP, STEP]), torch.cat([columns(9, 10), NOTHING]))
    assert both == boundary(STEP, columns(9, 10))
    logits = STEP.clone().requires_grad_()
    nothing = boundary(logits, NOTHING)
    nothing.backward()
    assert nothing == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_ignored_pixels() -> None:
    ignore = (X > 11)[None]
    spoiled = torch.where(ignore[:, None], torch.randn(1, 6, 16, 16), STEP)
    edges = columns(7, 8) | (ignore & (Y % 2 == 0)).long()
    value = boundary(spoiled, edges, ignore=ignore)
    assert value.item() == pytest.approx(0.0, abs=1e-3)


def test_range_and_dtype() -> None:
    torch.manual_seed(0)
    for _ in range(5):
        logits = (4 * torch.randn(2, 6, 16, 16)).bfloat16()
        value = boundary(logits, torch.randint(0, 2, (2, 16, 16)))
        assert value.dtype is torch.float32
        assert 0 <= value <= 1
        assert math.isfinite(value)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"expected boundaries of shape \(1, 16, 16\)"):
        boundary(STEP, NOTHING[:, :8])
    with pytest.raises(ValueError, match="unknown variant 'hard'; available: soft, official"):
        boundary(STEP, NOTHING, "hard")
    with pytest.raises(ValueError, match="cannot ignore pixels"):
        boundary(STEP, NOTHING, "official", ignore=NOTHING.bool())
