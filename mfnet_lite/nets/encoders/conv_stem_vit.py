"""A small vision transformer behind a convolutional stem, for pictures of any size.

Three convolutions of stride two see the picture before the first block does, which lets a transformer learn from few
pictures ("Early convolutions help transformers see better", Xiao et al., NeurIPS 2021, arXiv 2106.14881). There is no
table of positions: every block begins with a depthwise convolution over the grid, whose padding and neighbourhood say
where a token is (conditional positional encoding, Chu et al., ICLR 2023, arXiv 2102.10882). So what is learnt on small
crops holds on large pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.encoders.plain_vit import Grid, Images, PlainViT, Tokens

FEW = 1024
"""Tokens up to which attention in training is written out on CPUs."""
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ConvStemConfig:
    """Sizes of the encoder.

    Attributes:
        width: Channels of a token.
        depth: Blocks.
        heads: Attention heads.
        mlp_ratio: Hidden channels of the two-layer network in a block, as a multiple of the width.
        stem: Channels after the three convolutions; a patch is eight pixels wide.
    """

    width: int = 192
    depth: int = 6
    heads: int = 6
    mlp_ratio: float = 3.0
    stem: tuple[int, int, int] = (32, 64, 128)


def attention(
    q: Float[Tensor, "batch head token width"],
    k: Float[Tensor, "batch head token width"],
    v: Float[Tensor, "batch head token width"],
) -> Float[Tensor, "batch head token width"]:
    """Attention of every token to all; on CPUs the gradient of the fused form costs twice that of the plain one."""
    if torch.is_grad_enabled() and q.device.type == "cpu" and q.shape[2] <= FEW:
        weight = (q @ k.mT * q.shape[-1] ** -0.5).softmax(dim=-1)
        return weight.to(v) @ v
    return F.scaled_dot_product_attention(q, k, v)


class Block(nn.Module):
    """Local mixing, attention, two-layer network; each is added to what it reads."""

    def __init__(self, width: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.heads = heads
        self.local = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.lin1 = nn.Linear(width, round(mlp_ratio * width))
        self.lin2 = nn.Linear(round(mlp_ratio * width), width)

    def forward(self, tokens: Tokens, grid: Grid) -> Tokens:
        """Run the block; the first token is the global one, which has no place on the grid."""
        height, _ = grid
        plane = rearrange(tokens[:, 1:], "b (h w) c -> b c h w", h=height)
        mixed = rearrange(self.local(plane), "b c h w -> b (h w) c")
        tokens = tokens + F.pad(mixed, (0, 0, 1, 0))
        q, k, v = rearrange(
            self.qkv(self.norm1(tokens)), "b n (three h c) -> three b h n c", three=3, h=self.heads
        )
        attended = attention(q, k, v)
        tokens = tokens + self.proj(rearrange(attended, "b h n c -> b n (h c)"))
        out: Tensor = tokens + self.lin2(F.gelu(self.lin1(self.norm2(tokens))))
        return out


class ConvStemViT(PlainViT):
    """A vision transformer behind a convolutional stem, one global token before the patches.

    Unlike the other encoders it is built with weights that can be trained; whoever loads it freezes them.

    Args:
        config: Sizes.

    Raises:
        ValueError: If the heads do not divide the width.

    Example:
        >>> vit = ConvStemViT(ConvStemConfig(width=16, depth=2, heads=2, stem=(4, 8, 8)))
        >>> vit(torch.rand(1, 3, 40, 64)).shape
        torch.Size([1, 16, 5, 8])
    """

    patch = 8
    prefix = 1

    def __init__(self, config: ConvStemConfig) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ValueError(f"{config.heads} heads do not divide a width of {config.width}")
        self.width = self.channels = config.width
        self.depth = config.depth
        first, second, third = config.stem
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 3, stride=2, padding=1),
            nn.GELU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1),
            nn.GroupNorm(1, second),
            nn.GELU(),
            nn.Conv2d(second, third, 3, stride=2, padding=1),
            nn.GroupNorm(1, third),
            nn.GELU(),
            nn.Conv2d(third, config.width, 1),
        )
        self.whole = nn.Parameter(torch.zeros(1, 1, config.width))
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, config.mlp_ratio) for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)
        for name, weight in self.blocks.named_parameters():
            if name.endswith(("proj.weight", "lin2.weight")):  # at first, blocks add little
                nn.init.trunc_normal_(weight, std=0.02 / (2 * config.depth) ** 0.5)
        self._keep(MEAN, STD)

    def embed(self, images: Images) -> Tokens:
        """See the picture through the stem, put the global token in front."""
        patches = rearrange(self.stem(images), "b c h w -> b (h w) c")
        return torch.cat([self.whole.expand(len(patches), -1, -1), patches], dim=1)

    def block(self, number: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one block."""
        out: Tensor = self.blocks[number](tokens, grid)
        return out

    def final(self, tokens: Tokens, grid: Grid) -> Float[Tensor, "batch channels height width"]:
        """Normalise, and leave the global token out."""
        return rearrange(self.norm(tokens)[:, 1:], "b (h w) c -> b c h w", h=grid[0])
