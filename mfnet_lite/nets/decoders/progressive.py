"""A light decoder for one map of a plain vision transformer: convolutions, step by step on a finer grid."""

from __future__ import annotations

from collections import OrderedDict

from segment_anything.modeling.common import LayerNorm2d
from torch import nn


class ProgressiveHead(nn.Sequential):
    """Decode by convolutions, each followed by an enlargement, until a pixel of the map covers 4 × 4.

    After SETR's progressive upsampling (Zheng et al. 2021, arXiv 2012.15840), with fewer channels, and with
    a normalisation over the channels of each place in place of one over the batch. GoPT's own head is not
    in the public sources.

    Args:
        channels: Of the frozen network's map.
        num_classes: Number of classes.
        width: Channels inside.
        patch: Side of a patch, pixels, for the number of steps.

    Example:
        >>> import torch
        >>> ProgressiveHead(32, 6, width=8, patch=16)(torch.randn(1, 32, 4, 4)).shape
        torch.Size([1, 6, 16, 16])
    """

    def __init__(self, channels: int, num_classes: int, width: int = 64, patch: int = 16) -> None:
        if width < 1:
            raise ValueError(f"the width of the head must be at least 1, got {width}")
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["reduce"] = nn.Conv2d(channels, width, 1)
        for step in range(max(1, (patch // 4).bit_length() - 1)):
            layers[f"norm{step}"] = LayerNorm2d(width)
            layers[f"conv{step}"] = nn.Conv2d(width, width, 3, padding=1)
            layers[f"act{step}"] = nn.GELU()
            layers[f"up{step}"] = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        layers["norm"] = LayerNorm2d(width)
        layers["classify"] = nn.Conv2d(width, num_classes, 1)
        super().__init__(layers)
