"""Self-attention over the tokens of two encoders: the quadratic rival of :class:`~mfnet_lite.nets.layers.MVFuser`."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.layers.mv_fuser import START

SHARE = 0.4
"""Width inside, as a share of the width outside: about as many weights as an MVFuser of the same width."""


class AttentionFusion(nn.Module):
    """Let every token of a sequence read every other one, in quadratic time.

    Input, output and start are those of :class:`~mfnet_lite.nets.layers.MVFuser`, so that one can stand for the other.

    Args:
        channels: Width of the tokens.
        heads: Number of heads.
        dropout: Probability of a channel to be dropped before the last projection.

    Shape:
        ``(batch, length, channels)`` → the same, to be added to the input by the caller.

    Example:
        >>> AttentionFusion(20)(torch.randn(1, 5, 20)).shape
        torch.Size([1, 5, 20])
    """

    def __init__(self, channels: int, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        if channels < 1 or heads < 1:
            raise ValueError(f"expected channels and heads, got {channels} and {heads}")
        inner = heads * max(1, round(SHARE * channels / heads))
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * inner, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(inner, channels, bias=False)
        self.scale = nn.Parameter(torch.tensor(START))

    def forward(
        self, tokens: Float[Tensor, "batch length channel"]
    ) -> Float[Tensor, "batch length channel"]:
        """Return what is added to the tokens.

        Args:
            tokens: Both encoders' tokens, joined along the sequence.
        """
        q, k, v = rearrange(
            self.qkv(self.norm(tokens)), "b l (three h d) -> three b h l d", three=3, h=self.heads
        )
        read = rearrange(F.scaled_dot_product_attention(q, k, v), "b h l d -> b l (h d)")
        out: Tensor = self.scale * self.out(self.dropout(read))
        return out
