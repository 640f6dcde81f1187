"""UNetFormer's decoder: four fused maps to one map of class scores.

Wang et al., "UNetFormer", ISPRS Journal 190 (2022), arXiv 2109.08937, as used by MFNet (Ma et al.,
IEEE TGRS 2025), without the auxiliary head. From the coarsest map up::

    level 4 ─ 1×1 ─ block ─ ×2 ┬─ 3×3 ─ block ─ ×2 ┬─ 3×3 ─ block ─ ×2 ┬─ 3×3 ─ refine ─ head
                  level 3 ─ 1×1┘      level 2 ─ 1×1┘      level 1 ─ 1×1┘

A skip and the map from below are added with two learned, non-negative weights that sum to one.

Names beside those of the authors' Decoder::

    entry.0, entry.1        pre_conv.0, pre_conv.1
    blocks.0/1/2            b4, b3, b2               (inside: see global_local.py)
    fuse.0/1                p3, p2: lateral = pre_conv.0, theta = weights, mix.0/1 = post_conv.0/1
    refine.fuse             p1, the same three
    refine.place            p1.pa.0
    refine.channel.1/3      p1.ca.1.0, p1.ca.3.0
    refine.shortcut, detail p1.shortcut, p1.proj
    head.0, head.1, head.4  segmentation_head.0.0, .0.1, .2.0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.decoders.global_local import GlobalLocalBlock
from mfnet_lite.nets.layers.conv import conv_norm, separable


class WeightedFusion(nn.Module):
    """Double the size, add a skip with learned weights, and smooth the sum by a 3×3 convolution.

    The weights are ``relu(theta) / (sum + 1e-8)``: non-negative, and they sum to one.

    Args:
        in_channels: Channels of the skip; ``None`` builds the variant without one.
        width: Channels of the map from below, and of the result.
    """

    def __init__(self, in_channels: int | None, width: int) -> None:
        super().__init__()
        self.lateral: nn.Conv2d | None = None
        if in_channels is not None:
            self.lateral = nn.Conv2d(in_channels, width, 1, bias=False)
            self.theta = nn.Parameter(torch.ones(2))
        self.mix = nn.Sequential(*conv_norm(width, width, 3), nn.ReLU6(inplace=True))

    def forward(
        self,
        x: Float[Tensor, "batch width h w"],
        skip: Float[Tensor, "batch c h2 w2"] | None = None,
        projected: bool = False,
    ) -> Float[Tensor, "batch width h2 w2"]:
        """Fuse.

        Args:
            x: Map from below.
            skip: Map of the next finer level, nominally twice as large; its size is the result's.
            projected: Whether ``skip`` has already passed ``lateral``.
        """
        if self.lateral is None or skip is None:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            return self.mix(x)
        x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        weight = self.theta.relu()
        weight = weight / (weight.sum() + 1e-8)
        if not projected:
            skip = self.lateral(skip)
        return self.mix(weight[0] * skip + weight[1] * x)


class RefinementHead(nn.Module):
    """Last fusion, then two gates side by side: one over places and channels, one over channels.

    Args:
        in_channels: Channels of the skip; ``None`` builds the variant without one.
        width: Channels of the map from below, and of the result.
        reduction: The channel gate's hidden width is ``width // reduction``, at least 1.
    """

    def __init__(self, in_channels: int | None, width: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, width // reduction)
        self.fuse = WeightedFusion(in_channels, width)
        self.place = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.channel = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, hidden, 1, bias=False),
            nn.ReLU6(),
            nn.Conv2d(hidden, width, 1, bias=False),
            nn.Sigmoid(),
        )
        self.shortcut = conv_norm(width, width, 1)
        self.detail = separable(width, 3, 1)

    def forward(
        self,
        x: Float[Tensor, "batch width h w"],
        skip: Float[Tensor, "batch c h2 w2"] | None = None,
        projected: bool = False,
    ) -> Float[Tensor, "batch width h2 w2"]:
        """Fuse (as :class:`WeightedFusion`), gate, refine."""
        x = self.fuse(x, skip, projected)
        gated = x * (self.place(x).sigmoid() + self.channel(x))
        return F.relu6(self.detail(gated) + self.shortcut(x))


class UNetFormerDecoder(nn.Module):
    """Class scores from the maps of a pyramid.

    Args:
        in_channels: Channels of each map; or of the four maps, finest first.
        num_classes: Number of classes.
        width: Channels inside the decoder, a multiple of ``heads``.
        skips: ``False`` builds the variant that takes the coarsest map only (the authors' ablation
            without the Deep Fusion Module).
        heads: Attention heads of the blocks.
        window: Side of their attention windows.
        dropout: Share of channels that are dropped before the last layer in training.

    Example:
        >>> decoder = UNetFormerDecoder(in_channels=32, num_classes=6, width=16)
        >>> maps = [torch.zeros(2, 32, size, size) for size in (16, 8, 4, 2)]
        >>> decoder(maps, size=(60, 64)).shape
        torch.Size([2, 6, 60, 64])
        >>> sum(p.numel() for p in UNetFormerDecoder(256, 6).parameters())
        515102
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        num_classes: int,
        width: int = 64,
        skips: bool = True,
        heads: int = 8,
        window: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        channels = [in_channels] * 4 if isinstance(in_channels, int) else list(in_channels)
        if len(channels) != 4 or min(*channels, num_classes, width) < 1:
            raise ValueError(
                "in_channels (one number or four), num_classes and width must be at least 1, "
                f"got {in_channels}, {num_classes} and {width}"
            )
        self.skips = skips
        lateral = channels[:3] if skips else [None] * 3
        self.entry = conv_norm(channels[3], width, 1)
        self.blocks = nn.ModuleList(GlobalLocalBlock(width, heads, window) for _ in range(3))
        self.fuse = nn.ModuleList(WeightedFusion(lateral[k], width) for k in (2, 1))
        self.refine = RefinementHead(lateral[0], width)
        self.head = nn.Sequential(
            *conv_norm(width, width, 3),
            nn.ReLU6(inplace=True),
            nn.Dropout2d(dropout, inplace=True),
            nn.Conv2d(width, num_classes, 1, bias=False),
        )

    def project(self) -> list[Float[Tensor, "width c"]]:
        """Matrices of the first 1×1 convolution of each level, finest first.

        A fusion that applies them itself (``DeepFusionModule(...)(features, project=...)``) never
        stores the wide maps; say ``projected=True`` then.
        """
        fusions = (self.refine.fuse, self.fuse[1], self.fuse[0])
        convs = [fusion.lateral for fusion in fusions if fusion.lateral is not None]
        return [cast(nn.Conv2d, conv).weight.flatten(1) for conv in (*convs, self.entry[0])]

    def forward(
        self,
        maps: Sequence[Float[Tensor, "batch c h w"]] | Float[Tensor, "batch c h w"],
        size: tuple[int, int],
        projected: bool = False,
    ) -> Float[Tensor, "batch classes height width"]:
        """Decode.

        Args:
            maps: Four maps, finest first; without skips, or from the last of four, a single map.
            size: Height and width of the logits.
            projected: Whether the maps have already passed the matrices of :meth:`project`.

        Returns:
            Logits at ``size``.

        Raises:
            ValueError: If the number of maps does not fit.
        """
        maps = [maps] if isinstance(maps, Tensor) else list(maps)
        if len(maps) != (4 if self.skips else 1):
            raise ValueError(
                f"this decoder takes {'four maps' if self.skips else 'one map'}, got {len(maps)}"
            )
        skips = list(reversed(maps[:-1])) if self.skips else [None] * 3
        x = self.entry[1](maps[-1]) if projected else self.entry(maps[-1])
        for block, fuse, skip in zip(self.blocks, [*self.fuse, self.refine], skips, strict=True):
            x = fuse(block(x), skip, projected)
        return F.interpolate(self.head(x), size=size, mode="bilinear", align_corners=False)
