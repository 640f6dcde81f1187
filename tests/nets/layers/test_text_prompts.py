"""Learned prompts: their size at the start, errors."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets.layers.text_prompts import TextPrompts

CUT = 0.8796
"""Standard deviation of a normal distribution cut at two."""


def test_starts_as_released_without_words():
    torch.manual_seed(0)
    vectors = TextPrompts(200, 64)()
    assert vectors.requires_grad
    assert vectors.std().item() == pytest.approx(CUT, abs=0.02)
    assert vectors.abs().max() <= 2


def test_takes_the_size_of_words():
    torch.manual_seed(0)
    words = 0.03 * torch.randn(2, 50, 64)
    assert TextPrompts(200, 64, words=words)().std().item() == pytest.approx(0.03 * CUT, rel=0.05)
    # a stated size comes first
    own = TextPrompts(200, 64, std=0.5, words=words)()
    assert own.std().item() == pytest.approx(0.5 * CUT, rel=0.05)
    assert own.abs().max() <= 1


def test_number_of_parameters():
    assert [tuple(p.shape) for p in TextPrompts(8, 768).parameters()] == [(8, 768)]
    with torch.device("meta"):
        assert TextPrompts(3, 8, words=torch.ones(5, 8))().is_meta


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="positive std, got count=2, width=8, std=0"):
        TextPrompts(2, 8, std=0)
    with pytest.raises(ValueError, match=r"words with 8 channels, got \(5, 6\)"):
        TextPrompts(2, 8, words=torch.ones(5, 6))
