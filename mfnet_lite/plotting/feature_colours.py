"""Feature maps as colours: the three directions in which the tokens differ most become red, green and blue."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

__all__ = ["principal_colours"]


def principal_colours(features: Tensor, size: int | None = None) -> np.ndarray:
    """Paint a feature map by its three principal components.

    The components are those of this map alone, so a colour means nothing beyond it; places of one colour have
    similar tokens. Each component is stretched between its 2 % and 98 % quantiles.

    Args:
        features: (height, width, channels), at least three channels.
        size: Width and height of the picture in pixels, each token a square of its own; one pixel per token if None.

    Returns:
        The picture, (height, width, 3), uint8.

    Raises:
        ValueError: If the map is not of this shape.

    Example:
        >>> principal_colours(torch.eye(6).reshape(2, 3, 6), size=12).shape
        (12, 12, 3)
    """
    if features.ndim != 3 or features.shape[-1] < 3:
        raise ValueError(
            "expected features of shape (height, width, channels) with at least three channels, "
            f"got {tuple(features.shape)}"
        )
    height = len(features)
    tokens = rearrange(features.detach().cpu().float(), "h w c -> (h w) c")
    centred = tokens - tokens.mean(dim=0)
    parts = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:3].T
    low, high = torch.quantile(parts, torch.tensor([0.02, 0.98]), dim=0)
    colours = ((parts - low) / (high - low + 1e-9)).clamp(0, 1)
    picture = rearrange(255 * colours, "(h w) c -> 1 c h w", h=height)
    if size is not None:
        picture = torch.nn.functional.interpolate(picture, size=(size, size))
    painted: np.ndarray = rearrange(picture[0], "c h w -> h w c").numpy().astype(np.uint8)
    return painted
