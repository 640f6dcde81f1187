"""Maps of any size for networks that want multiples: the border is extended by mirroring."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def pad_to_multiple(
    x: Float[Tensor, "batch channels height width"], multiple: int
) -> Float[Tensor, "batch channels padded_height padded_width"]:
    """Extend the right and lower border to a multiple, by mirroring where the map is large enough.

    A mirrored border looks like a scene that goes on; zeros would look like a black object.

    Args:
        x: Maps of any size.
        multiple: What height and width must be divisible by.
    """
    height, width = x.shape[-2:]
    below, right = -height % multiple, -width % multiple
    if not (below or right):
        return x
    mode = "reflect" if below < height and right < width else "replicate"
    return F.pad(x, (0, right, 0, below), mode=mode)
