"""What every place of a picture teaches the encoder of the small SAM, without any prompt.

A click teaches through one mask at a time. The id maps of a procedural picture say more: for every place they
tell which other places belong with it, how far the thing under it reaches, and where inside an 8 x 8 patch its
border runs. Three linear heads read these answers off the embedding and are thrown away after training, as
the decoder of a masked auto-encoder is. They give the encoder what prompts can then ask for.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.losses.focal_dice import dice_loss
from mfnet_lite.world.shapes.images import LEVELS
from scripts.pretraining.kernels import kernels

CORNERS = 4  # places in each patch that say how far their thing reaches


class DenseHeads(nn.Module):
    """Linear readings of the embedding: grouping, the border inside a patch, and the reach of things."""

    def __init__(self, channels: int, patch: int = 8, width: int = 64) -> None:
        super().__init__()
        levels = len(LEVELS)
        self.patch = patch
        self.project = nn.Linear(channels, levels * width)
        self.scale = nn.Parameter(torch.full((levels,), math.log(8.0)))
        self.bias = nn.Parameter(torch.full((levels,), -4.0))
        self.inner = nn.Linear(channels, levels * patch**2)
        self.reach = nn.Linear(channels, levels * CORNERS * 4)

    def grouping(
        self, tokens: Float[Tensor, "n t c"], places: Int[Tensor, "n clicks"]
    ) -> Float[Tensor, "n levels clicks t"]:
        """Logits that a token belongs with the clicked one: a scaled cosine on each level."""
        z = rearrange(self.project(tokens), "n t (l d) -> n l t d", l=len(LEVELS))
        z = F.normalize(z.float(), dim=-1)
        index = places[:, None, :, None].expand(-1, len(LEVELS), -1, z.shape[-1])
        cosine = torch.einsum("n l k d, n l t d -> n l k t", torch.gather(z, 2, index), z)
        return self.scale.float().exp()[:, None, None] * cosine + self.bias.float()[:, None, None]


def dense_losses(
    heads: DenseHeads,
    embeddings: Float[Tensor, "n c h w"],
    levels: Int[Tensor, "n levels height width"],
    generator: torch.Generator,
    clicks: int = 48,
) -> tuple[Tensor, Tensor, Tensor]:
    """Losses of the three readings.

    Args:
        heads: The linear heads.
        embeddings: Of the pictures, one token per patch.
        levels: Ids of part, object and group under every pixel.
        generator: Source of the clicked places.
        clicks: Places per picture whose group is asked for.

    Returns:
        Grouping (cross-entropy + dice), border inside the patch (cross-entropy), reach (smooth L1 of
        logarithms of distances in patches).
    """
    tokens = rearrange(embeddings, "n c h w -> n (h w) c")
    grid, patch = embeddings.shape[-2:], heads.patch
    ids = rearrange(levels.long(), "n l (h p) (w q) -> n l (h w) (p q)", p=patch, q=patch)
    places = torch.randint(ids.shape[2], (len(ids), clicks), generator=generator, device=ids.device)
    pixel = torch.randint(patch**2, places.shape, generator=generator, device=ids.device)
    target = token_shares(ids, places, pixel)
    logits = heads.grouping(tokens, places).float()
    as_map = "n l k (h w) -> n l k h w"
    overlap = dice_loss(rearrange(logits, as_map, h=grid[0]), rearrange(target, as_map, h=grid[0]))
    grouped = F.binary_cross_entropy_with_logits(logits, target) + overlap.mean()

    middle = ids[..., patch * (patch // 2) + patch // 2, None]
    inner = rearrange(heads.inner(tokens), "n t (l q) -> n l t q", l=len(LEVELS))
    bordered = F.binary_cross_entropy_with_logits(inner.float(), (ids == middle).float())

    reach = rearrange(heads.reach(tokens), "n t (l k s) -> n l t k s", l=len(LEVELS), s=4)
    reached = F.smooth_l1_loss(reach.float(), log_reaches(levels, patch), beta=0.1)
    return grouped, bordered, reached


def token_shares(
    ids: Int[Tensor, "n levels t q"],
    places: Int[Tensor, "n clicks"],
    pixel: Int[Tensor, "n clicks"],
) -> Float[Tensor, "n levels clicks t"]:
    """Which share of each token's pixels has the id of the clicked pixel."""
    n, count = len(ids), ids.shape[2]
    rows = torch.arange(n, device=ids.device)[:, None]
    clicked = rearrange(ids, "n l t q -> n t q l")[rows, places, pixel]
    top = int(ids.max()) + 1
    token = torch.arange(count, device=ids.device)[:, None]
    flat = rearrange(ids * count + token, "n l t q -> n l (t q)")
    share = torch.zeros(n, ids.shape[1], top * count, device=ids.device)
    share.scatter_add_(2, flat, torch.full(flat.shape, 1 / ids.shape[3], device=ids.device))
    share = rearrange(share, "n l (i t) -> n l i t", i=top)
    clicked = rearrange(clicked, "n k l -> n l k 1").expand(-1, -1, -1, count)
    return torch.gather(share, 2, clicked)


def id_ends(levels: Int[Tensor, "n levels height width"]) -> Int[Tensor, "4 n levels ids"]:
    """First column, first row, last column and last row of every id; what is absent begins after its end."""
    n, depth, height, width = levels.shape
    top = int(levels.max()) + 1
    if levels.device.type == "cpu" and levels.dtype == torch.int16 and kernels() is not None:
        return kernels().id_ends(levels.contiguous(), top)
    flat = rearrange(levels.long(), "n l y x -> n l (y x)")
    y = torch.arange(height, device=levels.device).repeat_interleave(width).expand_as(flat)
    x = torch.arange(width, device=levels.device).repeat(height).expand_as(flat)
    fresh = torch.zeros(n, depth, top, dtype=torch.long, device=levels.device)
    first = [(fresh + max(height, width)).scatter_reduce(2, flat, at, "amin") for at in (x, y)]
    return torch.stack([*first, *(fresh.scatter_reduce(2, flat, at, "amax") for at in (x, y))])


def log_reaches(
    levels: Int[Tensor, "n levels height width"], patch: int
) -> Float[Tensor, "n levels t corners 4"]:
    """How far the thing under each of a patch's four quarters reaches left, up, right and down.

    Returns:
        log(1 + distance in patches) from the middle of the quarter to the sides of the thing's box.
    """
    height, width = levels.shape[2:]
    ends = id_ends(levels)
    quarter = slice(patch // 4, None, patch // 2)
    ids = levels[:, :, quarter, quarter].long()
    inner = rearrange(ids, "n l y x -> n l (y x)")
    at_y = torch.arange(patch // 4, height, patch // 2, device=levels.device)[:, None]
    at_x = torch.arange(patch // 4, width, patch // 2, device=levels.device)
    signs = ((-1, at_x), (-1, at_y), (1, at_x), (1, at_y))
    far = [
        sign * (torch.gather(end, 2, inner).reshape(ids.shape) - at)
        for (sign, at), end in zip(signs, ends, strict=True)
    ]
    distance = torch.stack(far, dim=-1).clamp(min=0).float() / patch
    return rearrange(torch.log1p(distance), "n l (h a) (w b) s -> n l (h w) (a b) s", a=2, b=2)
