"""Losses of the small SAM's prompts: masks are compared at the picture's size, as SAM's users see them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite.losses.focal_dice import mask_iou, mask_loss
from mfnet_lite.sam.prompts import Prediction
from scripts.pretraining import prompts


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_are_interpolated_as_sam_does(dtype):
    logits = 4 * torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(
        logits.flatten(0, 1), size=(32, 32), mode="bilinear", align_corners=False
    )
    found = prompts.at_picture_size(logits.to(dtype), 32)
    assert found.dtype == dtype
    tolerance = 1e-6 if dtype == torch.float32 else 2**-8 * logits.abs().max().item()
    torch.testing.assert_close(
        found.float().flatten(0, 1), expected, atol=tolerance, rtol=tolerance
    )


def test_weights_of_the_interpolation_are_exact_in_bfloat16():
    weights = prompts._interpolation(8, 32)
    assert torch.equal(weights.bfloat16().float(), weights)
    # A pixel lies an eighth of a cell from the next: by hand, the first rows.
    assert weights[:4, :2].tolist() == [[1, 0], [1, 0], [0.875, 0.125], [0.625, 0.375]]


def test_loss_is_that_of_the_masks_at_the_size_of_the_picture(monkeypatch):
    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(2, 3, 4, 8, 8, generator=generator)
    said = torch.rand(2, 3, 4, generator=generator)
    masks = torch.rand(2, 3, 32, 32, generator=generator) > 0.5
    monkeypatch.setattr(
        prompts, "prompt_interactively", lambda *_, **__: [Prediction(logits, said)]
    )
    loss, best = prompts.prompt_losses(None, torch.zeros(1), masks, 1, generator)
    full = F.interpolate(logits.flatten(0, 1), scale_factor=4, mode="bilinear").unflatten(0, (2, 3))
    truth = masks[:, :, None].expand_as(full).float()
    each, iou = mask_loss(full, truth), mask_iou(full, truth)
    expected = (
        F.mse_loss(said, iou) + each[:, :, 1:].amin(dim=2).mean() + 0.5 * each[:, :, 0].mean()
    )
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(best, iou[:, :, 1:].amax(dim=2).mean())
