"""Prompts of the small SAM's pre-training: which masks are asked for, and what the answers cost."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Int
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.sam.interactive import prompt_interactively
from scripts.pretraining.kernels import mask_losses


def sample_masks(
    levels: Int[Tensor, "n levels height width"],
    prompts: int,
    generator: torch.Generator,
    smallest: int = 32,
) -> Bool[Tensor, "n prompts height width"]:
    """Draw true masks of any level: half of them by lot among masks, half by lot among pixels.

    Drawing masks favours small ones, since there are more of them; drawing pixels favours large ones, as
    clicks do. Masks are at least ``smallest`` pixels and 0.1 % and at most 90 % of the picture.
    """
    n, _, size, _ = levels.shape
    top = int(levels.max()) + 1
    flat = rearrange(levels, "n l h w -> n l (h w)").long()
    area = torch.zeros(n, 3, top, device=levels.device)
    area.scatter_add_(2, flat, torch.ones(flat.shape, device=levels.device))
    fits = (area >= max(smallest, 0.001 * size**2)) & (area <= 0.9 * size**2)
    fits[:, :, 0] = False
    choices = []
    for weight, count in ((fits.float(), prompts - prompts // 2), (fits * area, prompts // 2)):
        if count:
            lots = rearrange(weight, "n l i -> n (l i)") + 1e-6
            choices.append(torch.multinomial(lots, count, replacement=True, generator=generator))
    choice = torch.cat(choices, dim=1)
    level, index = choice // top, choice % top
    rows = torch.arange(n, device=levels.device)[:, None]
    return levels[rows, level] == index[:, :, None, None]


def low_resolution(
    masks: Bool[Tensor, "n prompts height width"], side: int
) -> Bool[Tensor, "n prompts side side"]:
    """True masks at the resolution of the logits: at least half of the pixels under each."""
    step = masks.shape[-1] // side
    # Sums of strided views: several times faster than an average over floating-point copies.
    pixels = masks.view(torch.uint8)
    count = sum(pixels[..., i::step, j::step] for i in range(step) for j in range(step))
    return 2 * count >= step * step


def prompt_losses(
    sam: Sam, embeddings: Tensor, masks: Tensor, rounds: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """SAM's loss over the rounds, and the IoU of the best candidate in the first round."""
    predictions = prompt_interactively(sam, embeddings, masks, rounds, generator, rearranged=True)
    truth = low_resolution(masks, predictions[0].masks.shape[-1])
    total = embeddings.new_zeros((), dtype=torch.float32)
    best_iou = None
    for prediction in predictions:
        each, true_iou = mask_losses(prediction.masks, truth)
        total = total + F.mse_loss(prediction.iou.float(), true_iou)
        if best_iou is None:
            # Candidates: only the best one learns. The single mask learns too, from every first prompt:
            # boxes are seldom ambiguous, and users ask for one mask.
            total = total + each[:, :, 1:].amin(dim=2).mean() + 0.5 * each[:, :, 0].mean()
            best_iou = true_iou[:, :, 1:].amax(dim=2).mean()
        else:
            total = total + each.mean()
    assert best_iou is not None
    return total / len(predictions), best_iou
