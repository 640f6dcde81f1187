"""Which sensors a sample has: checked once, and applied so that absent ones count exactly nothing.

And which are withheld in training, so that a network learns to do without one.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from mfnet_lite.tuning.stacked import blank, check_presence


def mask(
    features: Float[Tensor, "sensor batch c h w"], presence: Bool[Tensor, "batch sensor"] | None
) -> tuple[Float[Tensor, "sensor batch c h w"], Float[Tensor, "sensor batch 1"] | None]:
    """Blank out absent sensors, and say by how much the sum of the others is to be scaled.

    Returns:
        The features with zeros for absent sensors, even where they hold NaN, and
        M / (number present) for present ones, 0 for absent ones; ``None`` if all are present.
    """
    if presence is None:
        return features, None
    presence = presence.to(features.device)
    present = rearrange(presence, "b m -> m b 1")
    share = present.to(features.dtype) * len(features) / present.sum(dim=0)
    return blank(features, presence), share


def withhold(presence: Bool[Tensor, "batch sensor"], chance: float) -> Bool[Tensor, "batch sensor"]:
    """Declare one sensor of some samples absent, each as likely, and never the only one of a sample.

    Random numbers come from torch's generator of the device, as those of ``nn.Dropout``.

    Args:
        presence: Which sensors each sample has.
        chance: Probability that a sample loses one, in [0, 1].
    """
    lots = torch.rand(presence.shape, device=presence.device).masked_fill(~presence, -1.0)
    lost = torch.rand(len(presence), device=presence.device) < chance
    lost &= presence.sum(dim=1) > 1
    chosen = torch.zeros_like(presence).scatter_(1, lots.argmax(dim=1, keepdim=True), value=True)
    return presence & ~(chosen & lost[:, None])


def check(
    features: Tensor,
    presence: Tensor | None,
    channels: int | None = None,
    sensors: int | None = None,
) -> None:
    """Raise a ``ValueError`` if features and presence do not fit the module or each other."""
    if (
        features.ndim != 5
        or features.shape[2] != (channels or features.shape[2])
        or len(features) != (sensors or len(features))
    ):
        raise ValueError(
            f"expected features of shape ({sensors or 'sensors'}, batch, "
            f"{channels or 'channels'}, height, width), got {tuple(features.shape)}"
        )
    if presence is None:
        return
    check_presence(presence, len(features), features.shape[1])
    if not presence.any(dim=1).all():
        bad = (~presence.any(dim=1)).nonzero().flatten().tolist()
        raise ValueError(f"samples {bad} of the batch have no sensor at all; leave them out")
