"""Prompts of the small SAM's pre-training: which masks are asked for, and what the answers cost."""

from __future__ import annotations

from functools import lru_cache

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
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


def at_picture_size(logits: Float[Tensor, "*n h w"], side: int) -> Float[Tensor, "*n side side"]:
    """Logits as SAM brings them to the picture's size: interpolated bilinearly, then cut at 0.

    Masks are learnt and judged at this size. A decoder whose logits are compared with masks of half the resolution
    learns outlines rounded to two pixels: a perfect one would reach an IoU of 0.90 on the held-out pictures of
    ``evaluate.py``, one that is compared here 1.00 (``mask_resolution.py``).

    The same as ``torch.nn.functional.interpolate``, as products with a matrix of weights: bfloat16 holds them
    exactly (quarters), and a CPU multiplies matrices many times faster than it gathers neighbours.
    """
    down, right = (_interpolation(low, side).to(logits) for low in logits.shape[-2:])
    return down @ logits @ right.mT


@lru_cache(maxsize=8)
def _interpolation(low: int, side: int) -> Float[Tensor, "side low"]:
    rows = torch.eye(low)[None]
    return F.interpolate(rows, size=side, mode="linear", align_corners=False)[0].mT.contiguous()


def prompt_losses(
    sam: Sam, embeddings: Tensor, masks: Tensor, rounds: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """SAM's loss over the rounds, and the IoU of the best candidate in the first round."""
    predictions = prompt_interactively(sam, embeddings, masks, rounds, generator, rearranged=True)
    total = embeddings.new_zeros((), dtype=torch.float32)
    best_iou = None
    for prediction in predictions:
        each, true_iou = mask_losses(at_picture_size(prediction.masks, masks.shape[-1]), masks)
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
