"""Which sensors a sample has: checked once, and applied so that absent ones count exactly nothing.

And which are withheld in training, so that a network learns to do without one.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from mfnet_lite.tuning.multimodal.stacked import check_modality_mask, zero_fill


def mask(
    features: Float[Tensor, "sensor batch c h w"],
    modality_mask: Bool[Tensor, "batch sensor"] | None,
) -> tuple[Float[Tensor, "sensor batch c h w"], Float[Tensor, "sensor batch 1"] | None]:
    """Blank out absent sensors, and say by how much the sum of the others is to be scaled.

    Returns:
        The features with zeros for absent sensors, even where they hold NaN, and
        M / (number present) for present ones, 0 for absent ones; ``None`` if all are present.
    """
    if modality_mask is None:
        return features, None
    modality_mask = modality_mask.to(features.device)
    present = rearrange(modality_mask, "b m -> m b 1")
    share = present.to(features.dtype) * len(features) / present.sum(dim=0)
    return zero_fill(features, modality_mask), share


def drop_modalities(
    modality_mask: Bool[Tensor, "batch sensor"], chance: float
) -> Bool[Tensor, "batch sensor"]:
    """Declare one sensor of some samples absent, each as likely, and never the only one of a sample.

    Random numbers come from torch's generator of the device, as those of ``nn.Dropout``.

    Args:
        modality_mask: Which sensors each sample has.
        chance: Probability that a sample loses one, in [0, 1].
    """
    draws = torch.rand(modality_mask.shape, device=modality_mask.device).masked_fill(
        ~modality_mask, -1.0
    )
    lost = torch.rand(len(modality_mask), device=modality_mask.device) < chance
    lost &= modality_mask.sum(dim=1) > 1
    chosen = torch.zeros_like(modality_mask).scatter_(
        1, draws.argmax(dim=1, keepdim=True), value=True
    )
    return modality_mask & ~(chosen & lost[:, None])


def check(
    features: Tensor,
    modality_mask: Tensor | None,
    channels: int | None = None,
    sensors: int | None = None,
) -> None:
    """Raise a ``ValueError`` if features and modality_mask do not fit the module or each other."""
    if (
        features.ndim != 5
        or features.shape[2] != (channels or features.shape[2])
        or len(features) != (sensors or len(features))
    ):
        raise ValueError(
            f"expected features of shape ({sensors or 'sensors'}, batch, "
            f"{channels or 'channels'}, height, width), got {tuple(features.shape)}"
        )
    if modality_mask is None:
        return
    check_modality_mask(modality_mask, len(features), features.shape[1])
    check_none_is_empty(modality_mask)


def check_none_is_empty(modality_mask: Bool[Tensor, "batch sensor"]) -> None:
    """Raise a ``ValueError`` that names the samples which have no sensor at all."""
    if not modality_mask.any(dim=1).all():
        bad = (~modality_mask.any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(f"samples {bad} of the batch have no sensor at all; leave them out")
