"""Pixel-text alignment: golden numbers of the authors' formulas, hand-computed values, pixels without labels."""

from __future__ import annotations

import math

import pytest
import torch

from mfnet_lite.losses import pixel_text_alignment, pixel_text_cosine
from tests.golden.fill import numbers, sines

DENSE, TEXT = sines((1, 6, 2, 2), 1, 0.37), sines((1, 3, 6), 1, 0.53)
LABEL = torch.tensor([[[0, 0, 1, 1], [0, 2, 1, 1], [2, 2, 255, 1], [2, 2, 0, 0]]])


def test_golden_cosines():
    expected = """-0.016490 -0.038317 -0.055065 -0.065576 0.012618 0.036239 0.054971 0.067500
    -0.008730 -0.034107 -0.054795 -0.069321"""
    found = pixel_text_cosine(DENSE, TEXT).flatten()
    assert (found - numbers(expected)).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"over_all_pixels": True}, 1.219906),  # as released
        ({}, 1.301233),
        ({"scale": 10.0, "shift": -10.0, "over_all_pixels": True}, 1.123747),
        ({"scale": 10.0, "shift": -10.0}, 1.198664),
        ({"form": "sigmoid", "scale": 10.0, "shift": -10.0}, 3.380920),
    ],
)
def test_golden_losses(options, expected):
    assert pixel_text_alignment(DENSE, TEXT, LABEL, **options).item() == pytest.approx(
        expected, abs=2e-6
    )


def test_by_hand():
    """One pixel, two classes at right angles, the label the nearer one: cosines 0.6 and 0.8."""
    dense, text = torch.tensor([[[[3.0]], [[4.0]]]]), torch.eye(2)[None]
    label = torch.tensor([[[1]]])
    soft = pixel_text_alignment(dense, text, label, scale=10.0).item()
    assert soft == pytest.approx(math.log(1 + math.exp(-2)))
    sigmoid = pixel_text_alignment(dense, text, label, "sigmoid", 10.0, -7.0).item()
    # class 1: -log σ(1); class 0: -log σ(1), since 10 * 0.6 - 7 = -1 and it is not there
    assert sigmoid == pytest.approx(math.log(1 + math.exp(-1)))


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_without_any_label_it_is_zero_with_a_gradient(form):
    dense = DENSE.clone().requires_grad_()
    loss = pixel_text_alignment(dense, TEXT, torch.full((1, 4, 4), 255), form)
    loss.backward()
    assert loss.item() == 0
    assert dense.grad.abs().max() == 0


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_gradients(form):
    dense, text = DENSE.clone().requires_grad_(), TEXT.clone().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda d, t: pixel_text_alignment(d, t, LABEL, form, 10.0, -1.0), (dense, text)
    )


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="unknown form 'cosine'"):
        pixel_text_alignment(DENSE, TEXT, LABEL, "cosine")
    with pytest.raises(
        ValueError, match=r"expected image embeddings .* got \(1, 6, 2, 2\) and \(1, 3, 5\)"
    ):
        pixel_text_cosine(DENSE, TEXT[..., :5])
    for form in ("softmax", "sigmoid"):
        with pytest.raises(ValueError, match=r"labels must lie in 0…2 or be 255"):
            pixel_text_alignment(DENSE, TEXT, LABEL + 1 * (LABEL == 2), form)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_half_precision_zero_vectors_and_many_pixels(form):
    label = torch.zeros(1, 300, 300, dtype=torch.uint8)
    label[:, 0] = 255
    dense = torch.zeros(1, 6, 2, 2, dtype=torch.float16)
    loss = pixel_text_alignment(dense, TEXT.half(), label, form)
    # every cosine is 0
    assert loss.item() == pytest.approx(math.log(3 if form == "softmax" else 2), abs=1e-5)
    with pytest.raises(ValueError, match=r"expected labels of shape \(1, height, width\)"):
        pixel_text_alignment(DENSE, TEXT, LABEL[0], form)
