"""MFuser's loss: a sum of two losses that have tests of their own."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.losses import class_query_loss, pixel_text_alignment, text_query_loss

GENERATOR = torch.Generator().manual_seed(0)
LABEL = torch.randint(0, 3, (2, 8, 8), generator=GENERATOR)
OUTPUTS = [
    (torch.randn(2, 3, generator=GENERATOR), torch.randn(2, 3, 4, 4, generator=GENERATOR))
    for _ in range(2)
]
DENSE = torch.randn(2, 5, 4, 4, generator=GENERATOR)
TEXT = torch.randn(2, 3, 5, generator=GENERATOR)


def test_is_the_sum_of_its_terms():
    masks = sum(class_query_loss(*found, LABEL)["total"] for found in OUTPUTS)
    assert torch.allclose(text_query_loss(OUTPUTS, LABEL), masks)
    aligned = pixel_text_alignment(DENSE, TEXT, LABEL, "sigmoid", 10.0, -10.0)
    found = text_query_loss(OUTPUTS, LABEL, DENSE, TEXT, 0.5, "sigmoid", 10.0, -10.0)
    assert torch.allclose(found, masks + 0.5 * aligned)
    assert torch.allclose(text_query_loss(OUTPUTS, LABEL, DENSE, TEXT, 0.0), masks)


def test_hands_its_options_on():
    label = LABEL.clone()
    label[0, 0] = 7
    found = text_query_loss(OUTPUTS, label, DENSE, TEXT, ignore_index=7, over_all_pixels=True)
    masks = sum(class_query_loss(*o, label, ignore_index=7)["total"] for o in OUTPUTS)
    aligned = pixel_text_alignment(DENSE, TEXT, label, ignore_index=7, over_all_pixels=True)
    assert torch.allclose(found, masks + aligned)


def test_refuses_no_output():
    with pytest.raises(ValueError, match="at least one decoder output"):
        text_query_loss([], LABEL)
