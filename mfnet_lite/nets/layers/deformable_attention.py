r"""Deformable attention over several maps: a query looks at a few places that it chooses itself.

Zhu et al., "Deformable DETR", ICLR 2021, arXiv 2010.04159, equation 3. Attention of every query to every pixel of all
maps costs too much. Here each head of a query reads M points per map, at offsets around a reference point, and
averages them by weights; offsets and weights are linear functions of the query:

.. math::
    z = W_o \sum_{l, m} A_{lm}\, W_v\, x_l\!\left(\varphi_l(\hat p) + \Delta_{lm}\right), \qquad
    \sum_{l, m} A_{lm} = 1 .

Between pixels the maps are read bilinearly, beyond their edges they are zero. In plain PyTorch, on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Queries = Float[Tensor, "batch query channel"]
Maps = Sequence[Float[Tensor, "batch channel height width"]]


def sample_and_average(
    maps: Maps,
    places: Float[Tensor, "batch query head level point 2"],
    weights: Float[Tensor, "batch query head level point"],
) -> Queries:
    """Read maps at points, bilinearly, and average what was read.

    Args:
        maps: One per level; channels are divided among the heads.
        places: Horizontal and vertical position of every point, 0 to 1 from edge to edge.
        weights: Weight of every point.

    Raises:
        ValueError: If there is not one map per level.

    Example:
        >>> ramp = torch.arange(4.0).reshape(1, 1, 1, 4)  # values at 0.125, 0.375, 0.625, 0.875
        >>> place = torch.tensor([0.5, 0.5]).reshape(1, 1, 1, 1, 1, 2)
        >>> sample_and_average([ramp], place, torch.ones(1, 1, 1, 1, 1)).item()
        1.5
    """
    heads = places.shape[2]
    if not len(maps) == places.shape[3] == weights.shape[3]:
        raise ValueError(
            f"expected one map per level of places and weights, got {len(maps)} maps, places "
            f"{tuple(places.shape)} and weights {tuple(weights.shape)}"
        )
    read = []
    for level, x in enumerate(maps):
        per_head = rearrange(x, "b (n c) h w -> (b n) c h w", n=heads)
        grid = rearrange(2 * places[:, :, :, level] - 1, "b q n m two -> (b n) q m two")
        # positions in half precision would be off by up to a quarter of a pixel on a map of 128
        wide = torch.promote_types(x.dtype, torch.float32)
        read.append(F.grid_sample(per_head.to(wide), grid.to(wide), align_corners=False))
    values = torch.stack(read, dim=-2)  # (b n) c q level point
    share = rearrange(weights, "b q n l m -> (b n) 1 q l m")
    mean = (values * share).sum(dim=(-2, -1)).to(torch.result_type(maps[0], weights))
    return rearrange(mean, "(b n) c q -> b q (n c)", n=heads)


class DeformableAttention(nn.Module):
    """Attend to a few points of several maps.

    Args:
        channels: Width of queries and maps.
        levels: Number of maps.
        heads: Number of heads, which divides the width.
        points: Points of each head on each map.

    Shape:
        Queries ``(batch, query, channels)``, reference points ``(batch, query, 2)``, maps
        ``(batch, channels, height, width)`` → ``(batch, query, channels)``.

    Raises:
        ValueError: If numbers or maps do not fit.

    Example:
        >>> module = DeformableAttention(8, levels=2, heads=2)
        >>> maps = [torch.randn(1, 8, 4, 6), torch.randn(1, 8, 2, 3)]
        >>> module(torch.randn(1, 5, 8), torch.rand(1, 5, 2), maps).shape
        torch.Size([1, 5, 8])
    """

    def __init__(self, channels: int, levels: int, heads: int = 8, points: int = 4) -> None:
        super().__init__()
        if heads < 1 or channels % heads or levels < 1 or points < 1:
            raise ValueError(
                "expected at least one level and point and a number of heads that divides the channels, got "
                f"channels={channels}, levels={levels}, heads={heads}, points={points}"
            )
        self.levels, self.heads, self.points = levels, heads, points
        self.value = nn.Linear(channels, channels)
        self.offsets = nn.Linear(channels, heads * levels * points * 2)
        self.weights = nn.Linear(channels, heads * levels * points)
        self.out = nn.Linear(channels, channels)
        self._start()

    @torch.no_grad()
    def _start(self) -> None:
        """Let the heads look in directions of their own, one pixel further with every point, with equal weights."""
        angle = torch.arange(self.heads) * (2 * math.pi / self.heads)
        ahead = torch.stack([angle.cos(), angle.sin()], dim=-1)
        ahead = ahead / ahead.abs().amax(dim=-1, keepdim=True)  # on the edge of a square
        reach = torch.arange(1, self.points + 1)
        start = torch.einsum("nk,m->nmk", ahead, reach)[:, None].expand(-1, self.levels, -1, -1)
        self.offsets.bias.copy_(start.flatten())
        for layer in (self.offsets, self.weights):
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(self.weights.bias)
        for layer in (self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(
        self, queries: Queries, reference: Float[Tensor, "batch query 2"], maps: Maps
    ) -> Queries:
        """Attend.

        Args:
            queries: The queries, with their positions added if they have any.
            reference: Horizontal and vertical position around which a query looks, 0 to 1 from edge to edge.
            maps: One per level.
        """
        if len(maps) != self.levels:
            raise ValueError(f"expected {self.levels} maps, one per level, got {len(maps)}")
        shape = {"n": self.heads, "l": self.levels, "m": self.points}
        offsets = rearrange(self.offsets(queries), "b q (n l m k) -> b q n l m k", k=2, **shape)
        weights = rearrange(self.weights(queries), "b q (n l m) -> b q n (l m)", **shape)
        weights = rearrange(weights.softmax(dim=-1), "b q n (l m) -> b q n l m", l=self.levels)
        # offsets count pixels of their map
        sides = torch.tensor([[x.shape[-1], x.shape[-2]] for x in maps]).to(offsets)
        places = reference[:, :, None, None, None] + offsets / sides[:, None]
        values = [
            rearrange(self.value(rearrange(x, "b c h w -> b h w c")), "b h w c -> b c h w")
            for x in maps
        ]
        out: Tensor = self.out(sample_and_average(values, places, weights))
        return out


def centres(height: int, width: int, like: Tensor) -> Float[Tensor, "pixels 2"]:
    """Return the centres of a map's pixels, row by row, as reference points.

    Args:
        height: Rows.
        width: Columns.
        like: Its number format and device are taken.

    Example:
        >>> centres(1, 2, torch.empty(0))
        tensor([[0.2500, 0.5000],
                [0.7500, 0.5000]])
    """
    rows = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
    columns = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)
