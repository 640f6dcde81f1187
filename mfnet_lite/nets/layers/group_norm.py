"""Group normalisation for any number of channels."""

from __future__ import annotations

import math

from torch import nn

MOST, SMALLEST = 32, 8
"""Groups at most, and channels of a group if there are so many: Mask2Former's 32 groups of 8 at 256 channels."""


def group_norm(channels: int) -> nn.GroupNorm:
    """Normalise groups of channels over an image: the same in training, in evaluation and for a batch of one.

    Args:
        channels: Number of channels, at least 1.

    Example:
        >>> group_norm(256).num_groups, group_norm(64).num_groups, group_norm(20).num_groups
        (32, 8, 2)
    """
    return nn.GroupNorm(math.gcd(MOST, max(1, channels // SMALLEST), channels), channels)
