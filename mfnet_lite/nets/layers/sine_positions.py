r"""Sine positions of a map's pixels, row and column one behind the other.

Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020, arXiv 2005.12872. With row
:math:`y \in (0, 1]` of a map and half the channels for it, channels :math:`2i` and :math:`2i + 1` are

.. math:: \sin(2\pi y / 10000^{4i/c}), \qquad \cos(2\pi y / 10000^{4i/c})

and the other half says the same of the column. Positions are shares of the sides, so that maps of all sizes agree.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

SLOWEST = 10_000
"""Ratio of the wavelengths at the ends."""


def sine_positions(
    channels: int, height: int, width: int, like: Tensor
) -> Float[Tensor, "channels height width"]:
    """Encode the place of every pixel.

    Args:
        channels: Number of channels, a multiple of four.
        height: Rows.
        width: Columns.
        like: Its number format and device are taken.

    Raises:
        ValueError: If the channels cannot be divided so.

    Example:
        >>> sine_positions(4, 1, 4, torch.empty(0))[2, 0].abs() < 1e-5  # column: a quarter, half, three, all
        tensor([False,  True, False,  True])
    """
    if channels < 4 or channels % 4:
        raise ValueError(f"expected a multiple of four channels for sine positions, got {channels}")
    # rounded to half precision, neighbours on a large map would have the same place
    wide = torch.promote_types(like.dtype, torch.float32)

    def count(end: int) -> Tensor:
        return torch.arange(end, device=like.device, dtype=wide)

    frequency = SLOWEST ** (-4 * count(channels // 4) / channels)

    def encode(side: int) -> Tensor:
        places = (count(side) + 1) / (side + 1e-6) * 2 * math.pi
        angle = frequency[:, None] * places
        return torch.stack([angle.sin(), angle.cos()], dim=1).flatten(0, 1)

    rows = encode(height)[:, :, None].expand(-1, -1, width)
    columns = encode(width)[:, None].expand(-1, height, -1)
    return torch.cat([rows, columns]).to(like.dtype)
