"""What a perfect decoder could reach: the small SAM's masks have half of the picture's resolution.

Its logits on a grid of 128 x 128 are interpolated to 256 x 256 pixels and cut at 0. How good such a mask can be
depends on what the logits were compared with in training. Compared with true masks of the same coarse grid, a perfect
decoder repeats these, and outlines are rounded to two pixels. Compared at the picture's size, its logits may say in
fractions of a cell where an outline runs. Both limits hold for every model with this decoder, so scores are read
beside them.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses.focal_dice import dice_loss
from scripts.pretraining.prompts import at_picture_size

STRIDE = 2  # pixels between two logits


def coarse_truth(masks: Bool[Tensor, "n y x"]) -> Float[Tensor, "n h w"]:
    """Logits of 1 where at least half of the pixels under them are inside, else -1."""
    share = F.avg_pool2d(masks[None].float(), STRIDE)[0]
    return torch.where(share >= 0.5, 1.0, -1.0)


@torch.enable_grad()
def fitted_logits(
    masks: Bool[Tensor, "n y x"], steps: int = 60, rate: float = 0.3
) -> Float[Tensor, "n h w"]:
    """Logits on the coarse grid whose interpolation fits each mask: Adam on cross-entropy and dice.

    Args:
        masks: True masks.
        steps: Of Adam, from the share of pixels inside.
        rate: Of Adam.
    """
    target = masks.float()
    area = target.sum(dim=(1, 2)).clamp(min=1)
    logits = (8 * (F.avg_pool2d(target[None], STRIDE)[0] - 0.5)).requires_grad_()
    optimiser = torch.optim.Adam([logits], rate)
    for _ in range(steps):
        fine = at_picture_size(logits, masks.shape[-1])
        cross = F.binary_cross_entropy_with_logits(fine, target, reduction="none")
        loss = cross.sum(dim=(1, 2)) / area + dice_loss(fine, target)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
    return logits.detach()


def reachable(masks: Bool[Tensor, "n y x"]) -> dict[str, Bool[Tensor, "n y x"]]:
    """The masks of a perfect decoder, by what it is compared with in training."""
    side = masks.shape[-1]
    return {
        "perfect on the coarse grid": at_picture_size(coarse_truth(masks), side) > 0,
        "perfect at full size": at_picture_size(fitted_logits(masks), side) > 0,
    }
