"""The global-local transformer block of UNetFormer: attention in windows, convolutions across them.

Wang, Li, Zhang, Fang, Duan, Meng, Atkinson, "UNetFormer: A UNet-like transformer for efficient
semantic segmentation of remote sensing urban scene imagery", ISPRS Journal 190 (2022), arXiv
2109.08937. Two branches look at the same map::

    global   attention within windows of 8×8, relative position bias; then an 8×1 plus a 1×8 mean,
             which carries what one window found into its neighbours
    local    3×3 convolution + 1×1 convolution, each batch-normalised

Their sum passes a depthwise 8×8 convolution and a 1×1 convolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from mfnet_lite.nets.layers.conv import conv_norm, separable


class GlobalLocalAttention(nn.Module):
    """Window attention beside convolutions.

    Args:
        channels: Channels of the map, a multiple of ``heads``.
        heads: Attention heads.
        window: Side of a window in pixels, even.

    Names beside the authors': ``qkv`` = qkv.0, ``table`` = relative_position_bias_table,
    ``wide`` = local1, ``narrow`` = local2, ``project`` = proj (indices 0, 1, 2 as there).
    """

    index: Tensor

    def __init__(self, channels: int, heads: int = 8, window: int = 8) -> None:
        super().__init__()
        if channels % heads or window % 2:
            raise ValueError(
                f"channels must be a multiple of heads and window even, "
                f"got channels={channels}, heads={heads}, window={window}"
            )
        self.heads, self.window = heads, window
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.table, std=0.02)
        self.register_buffer("index", relative_index(window), persistent=False)
        self.wide = conv_norm(channels, channels, 3)
        self.narrow = conv_norm(channels, channels, 1)
        self.project = separable(channels, window, window // 2 - 1)

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Attend in windows, spread along rows and columns, add the convolutions, project."""
        found = spread(self.attend(x), self.window)
        # Rows and columns of an even kernel's output are one short: one more on each axis.
        return self.project(extend(found + self.wide(x) + self.narrow(x), 1, 1))

    def attend(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Scaled dot-product attention within each window, mirrored up to whole windows."""
        height, width = x.shape[-2:]
        qkv = self.qkv(extend(x, -height % self.window, -width % self.window))
        q, k, v = rearrange(
            qkv,
            "b (three heads d) (rows i) (cols j) -> three (b rows cols) heads (i j) d",
            three=3, heads=self.heads, i=self.window, j=self.window,
        )  # fmt: skip
        bias = rearrange(self.table[self.index], "q k heads -> 1 heads q k")
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        rows, cols = (size // self.window for size in qkv.shape[-2:])
        out = rearrange(
            out,
            "(b rows cols) heads (i j) d -> b (heads d) (rows i) (cols j)",
            rows=rows, cols=cols, i=self.window,
        )  # fmt: skip
        return out[..., :height, :width]


class GlobalLocalBlock(nn.Module):
    """Pre-normalised residual block: attention, then a 1×1-convolution MLP.

    Args:
        channels: Channels of the map.
        heads: Attention heads.
        window: Side of a window.
        ratio: Hidden channels of the MLP per channel.

    Names beside the authors': ``mlp.0`` = mlp.fc1, ``mlp.2`` = mlp.fc2, ``attention`` = attn.

    Example:
        >>> GlobalLocalBlock(16, heads=2)(torch.zeros(2, 16, 5, 12)).shape
        torch.Size([2, 16, 5, 12])
    """

    def __init__(self, channels: int, heads: int = 8, window: int = 8, ratio: int = 4) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attention = GlobalLocalAttention(channels, heads, window)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, ratio * channels, 1),
            nn.ReLU6(inplace=True),
            nn.Conv2d(ratio * channels, channels, 1),
        )

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Add what the attention and then the MLP find."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def relative_index(window: int) -> Int[Tensor, "pixel pixel"]:
    """Row of the bias table for each query and key: their offset, counted from the most negative.

    Args:
        window: Side of the window; it has ``window ** 2`` pixels and ``(2 * window - 1) ** 2``
            different offsets.

    Example:
        >>> relative_index(2)
        tensor([[4, 3, 1, 0],
                [5, 4, 2, 1],
                [7, 6, 4, 3],
                [8, 7, 5, 4]])
    """
    along = torch.arange(window)
    offset = along[:, None] - along[None, :] + window - 1
    index = (2 * window - 1) * offset[:, None, :, None] + offset[None, :, None, :]
    return rearrange(index, "i j k l -> (i j) (k l)")


def extend(
    x: Float[Tensor, "batch channels height width"], below: int, right: int
) -> Float[Tensor, "batch channels taller wider"]:
    """Mirror the map beyond its lower and right border; repeat the border where it is too small."""
    height, width = x.shape[-2:]
    if right:
        x = F.pad(x, (0, right, 0, 0), mode="reflect" if right < width else "replicate")
    if below:
        x = F.pad(x, (0, 0, 0, below), mode="reflect" if below < height else "replicate")
    return x


def spread(
    x: Float[Tensor, "batch channels height width"], window: int
) -> Float[Tensor, "batch channels height width"]:
    """Mean over ``window`` rows plus mean over ``window`` columns, centred on each pixel.

    As average pooling with stride 1 after one mirrored row (column): beyond that, zeros count.
    Written as two products with banded matrices, which is faster than pooling, and exact.
    """
    down = box(x.shape[-2], window).to(x)
    across = box(x.shape[-1], window).to(x)
    return down @ x + x @ across.mT


def box(size: int, window: int) -> Float[Tensor, "size size"]:
    """Matrix of the running mean over an even window, one pixel mirrored at the end, zeros beyond.

    Args:
        size: Length of the axis.
        window: Pixels in the mean, even; output i takes in ``i - window/2 + 1 … i + window/2``.

    Example:
        >>> box(3, 2) * 2
        tensor([[1., 1., 0.],
                [0., 1., 1.],
                [0., 1., 1.]])
    """
    offset = torch.arange(size + 1)[None, :] - torch.arange(size)[:, None]
    matrix = ((offset > -window // 2) & (offset <= window // 2)).float() / window
    mirrored = matrix[:, :size].clone()
    mirrored[:, max(size - 2, 0)] += matrix[:, size]
    return mirrored
