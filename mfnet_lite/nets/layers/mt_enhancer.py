r"""MTEnhancer: class embeddings of a text encoder, refined by the image that they will be looked for in.

Zhang and Tan, "Mamba as a Bridge", CVPR 2025, arXiv 2504.03193. A scan carries what earlier tokens say to later ones.
So that the classes can read the image, they stand around it twice, and their two answers are added::

    [ classes ; image ; classes ] ── MVFuser ──→  first copy + last copy
      knows text   │     reads image: everything before it
      alone        └──────────────────┘
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.layers.mv_fuser import MVFuser

Classes = Float[Tensor, "batch class channel"]
Patches = Float[Tensor, "batch patch channel"]


class ClassAttention(nn.Module):
    """Let the classes see each other.

    Args:
        channels: Width of the tokens.
        heads: Number of heads, which divides it.
        dropout: Probability of an output channel to be dropped.
    """

    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        if heads < 1 or channels % heads:
            raise ValueError(
                f"expected a number of heads that divides {channels} channels, got {heads}"
            )
        self.heads = heads
        self.q = nn.Linear(channels, channels, bias=False)
        self.k = nn.Linear(channels, channels, bias=False)
        self.v = nn.Linear(channels, channels, bias=False)
        self.out = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Classes) -> Classes:
        """Attend.

        Args:
            tokens: One per class.
        """
        q, k, v = (
            rearrange(project(tokens), "b c (h d) -> b h c d", h=self.heads)
            for project in (self.q, self.k, self.v)
        )
        seen = rearrange(F.scaled_dot_product_attention(q, k, v), "b h c d -> b c (h d)")
        out: Tensor = self.dropout(self.out(seen))
        return out


class EnhancerBlock(nn.Module):
    """Classes see each other, read the image, and are transformed one by one; each is added to them.

    Args:
        channels: Width of the tokens.
        heads: Number of heads of the classes' attention.
        states: Number of states of the scan.
        dropout: Probability of a channel to be dropped.
        official: The authors' form of :class:`MVFuser`.

    Example:
        >>> block = EnhancerBlock(8, heads=2)
        >>> block(torch.randn(1, 3, 8), torch.randn(1, 4, 8)).shape
        torch.Size([1, 3, 8])
    """

    def __init__(
        self,
        channels: int,
        heads: int = 4,
        states: int = 16,
        dropout: float = 0.1,
        official: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = ClassAttention(channels, heads, dropout)
        self.norm2 = nn.LayerNorm(channels)
        self.fuser = MVFuser(channels, states, dropout=dropout, official=official)
        self.norm3 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * channels, channels),
        )

    def forward(self, text: Classes, image: Patches) -> Classes:
        """Refine.

        Args:
            text: One token per class.
            image: Tokens of the image, as wide.
        """
        text = text + self.attention(self.norm1(text))
        normal = self.norm2(text)
        joint = self.fuser(torch.cat([normal, image, normal], dim=1))
        classes = text.shape[1]
        text = text + joint[:, :classes] + joint[:, -classes:]
        out: Tensor = text + self.mlp(self.norm3(text))
        return out


class MTEnhancer(nn.Module):
    """Refine the embeddings of classes by an image, in a space of its own.

    Args:
        text_channels: Width of the classes' embeddings.
        image_channels: Width of the image's.
        channels: Width in which they meet.
        heads: Number of heads of the classes' attention.
        states: Number of states of the scan.
        blocks: Number of blocks.
        dropout: Probability of a channel to be dropped.
        official: The authors' form of :class:`MVFuser`.

    Shape:
        ``(batch, classes, text_channels)``, ``(batch, patches, image_channels)`` → the change of the first,
        ``(batch, classes, text_channels)``.

    Example:
        >>> module = MTEnhancer(12, 12, 8, heads=2)
        >>> module(torch.randn(1, 3, 12), torch.randn(1, 4, 12)).shape
        torch.Size([1, 3, 12])
    """

    def __init__(
        self,
        text_channels: int,
        image_channels: int,
        channels: int = 256,
        heads: int = 4,
        states: int = 16,
        blocks: int = 1,
        dropout: float = 0.1,
        official: bool = False,
    ) -> None:
        super().__init__()
        self.image_in = nn.Sequential(
            nn.LayerNorm(image_channels),
            nn.Linear(image_channels, channels),
            nn.LayerNorm(channels),
        )
        self.text_in = nn.Sequential(
            nn.LayerNorm(text_channels), nn.Linear(text_channels, channels)
        )
        self.blocks = nn.ModuleList(
            EnhancerBlock(channels, heads, states, dropout, official) for _ in range(blocks)
        )
        self.text_out = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, text_channels))

    def forward(self, text: Classes, image: Patches) -> Classes:
        """Return what is added to the embeddings, after a weight for each channel.

        Args:
            text: Embeddings of the classes.
            image: Embeddings of the image and its patches.
        """
        image, text = self.image_in(image), self.text_in(text)
        for block in self.blocks:
            text = block(text, image)
        out: Tensor = self.text_out(text)
        return out
