"""Sine positions: by hand, and equal to a library's."""

from __future__ import annotations

import math

import pytest
import torch

from mfnet_lite.nets.layers.sine_positions import sine_positions


def test_by_hand():
    code = sine_positions(8, 2, 3, torch.empty(0, dtype=torch.float64))
    assert code.shape == (8, 2, 3)
    angle = 2 * math.pi / 2  # the first of two rows
    row = [math.sin(angle), math.cos(angle), math.sin(angle / 100), math.cos(angle / 100)]
    assert code[:4, 0, 1].tolist() == pytest.approx(row, abs=1e-5)
    angle = 2 * math.pi * 2 / 3  # the second of three columns
    column = [math.sin(angle), math.cos(angle), math.sin(angle / 100), math.cos(angle / 100)]
    assert code[4:, 0, 1].tolist() == pytest.approx(column, abs=1e-5)


def test_equals_those_of_transformers():
    theirs = pytest.importorskip("transformers.models.mask2former.modeling_mask2former")
    module = theirs.Mask2FormerSinePositionEmbedding(num_position_features=8, normalize=True)
    expected = module(torch.Size([1, 1, 5, 7]), "cpu", torch.float64)[0]
    found = sine_positions(16, 5, 7, torch.empty(0, dtype=torch.float64))
    assert torch.allclose(found, expected, atol=1e-12)


def test_half_precision_is_single_precision_rounded():
    half = sine_positions(16, 200, 3, torch.empty(0, dtype=torch.bfloat16))
    single = sine_positions(16, 200, 3, torch.empty(0))
    assert torch.equal(half, single.bfloat16())


def test_channels_that_cannot_be_divided():
    with pytest.raises(ValueError, match="multiple of four channels for sine positions, got 6"):
        sine_positions(6, 2, 2, torch.empty(0))
