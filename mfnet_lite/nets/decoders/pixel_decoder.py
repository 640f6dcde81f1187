"""A pixel decoder that reads words: maps of several sizes see each other, and the classes that are looked for.

The pixel decoder of Mask2Former (Cheng et al., CVPR 2022, arXiv 2112.01527), whose deformable attention lets every
pixel of the three coarser maps look at a few places of all three, with an attention to the class embeddings after it,
as in tqdm (Pak et al., "Textual Query-Driven Mask Transformer", ECCV 2024, arXiv 2407.09033) and MFuser::

    × ½, × 1, × 2 ── 1×1, norm ──[ deformable ─ words ─ FFN ] × layers ──→ levels
    × 4 ──────────── 1×1, norm ──── + enlarged finest level ── 3×3, 1×1 ──→ mask features
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.layers.deformable_attention import DeformableAttention, centres
from mfnet_lite.nets.layers.group_norm import group_norm
from mfnet_lite.nets.layers.sine_positions import sine_positions

LEVELS = 3
"""Maps that see each other."""

Maps = Sequence[Float[Tensor, "batch channels height width"]]
Map = Float[Tensor, "batch channels height width"]
Pixels = Float[Tensor, "batch pixel channels"]
Text = Float[Tensor, "batch class text_channels"]


class DecodedPixels(NamedTuple):
    """What a pixel decoder gives.

    Args:
        mask_features: The finest map; its product with a query is a mask.
        levels: The maps that queries attend to, from coarse to fine.
    """

    mask_features: Map
    levels: tuple[Map, Map, Map]


class PixelLayer(nn.Module):
    """Pixels look at each other, at words, and are transformed one by one; a norm follows each step.

    Args:
        channels: Width of pixels and words.
        heads: Number of heads of both attentions.
        points: Points of each head on each map.
        ffn: Width inside of the last step.
        words: Whether there are words to look at.
    """

    def __init__(self, channels: int, heads: int, points: int, ffn: int, words: bool) -> None:
        super().__init__()
        self.attention = DeformableAttention(channels, LEVELS, heads, points)
        self.norm1 = nn.LayerNorm(channels)
        if words:
            self.text_attention = nn.MultiheadAttention(channels, heads, batch_first=True)
            self.norm2 = nn.LayerNorm(channels)
        self.ffn = nn.Sequential(nn.Linear(channels, ffn), nn.ReLU(), nn.Linear(ffn, channels))
        self.norm3 = nn.LayerNorm(channels)

    def forward(
        self,
        pixels: Pixels,
        positions: Float[Tensor, "pixel channels"],
        reference: Float[Tensor, "pixel 2"],
        sizes: Sequence[tuple[int, int]],
        text: Pixels | None = None,
        text_positions: Float[Tensor, "class channels"] | None = None,
    ) -> Pixels:
        """Refine.

        Args:
            pixels: Of all maps, one map behind the other.
            positions: Added to them where they ask.
            reference: Their places, 0 to 1.
            sizes: Height and width of each map.
            text: Words, as wide.
            text_positions: Added to words where they are asked, not to what they say.
        """
        asked = reference.expand(len(pixels), -1, -1)
        seen = self.attention(pixels + positions, asked, as_maps(pixels, sizes))
        pixels = self.norm1(pixels + seen)
        if text is not None:
            keys = text if text_positions is None else text + text_positions
            said, _ = self.text_attention(pixels + positions, keys, text, need_weights=False)
            pixels = self.norm2(pixels + said)
        out: Tensor = self.norm3(pixels + self.ffn(pixels))
        return out


def as_maps(pixels: Pixels, sizes: Sequence[tuple[int, int]]) -> list[Map]:
    """Turn pixels that stand one map behind the other into maps again.

    Args:
        pixels: The pixels, row by row.
        sizes: Height and width of each map.
    """
    parts = pixels.split([h * w for h, w in sizes], dim=1)
    return [
        rearrange(x, "b (h w) c -> b c h w", h=h) for x, (h, _) in zip(parts, sizes, strict=True)
    ]


class PixelDecoder(nn.Module):
    """Let maps of several sizes read each other and the classes' words.

    The defaults are the released sizes; ``channels=64, layers=1, ffn=256`` suits a small encoder.

    Args:
        in_channels: Of the four maps, one number for each or one for all.
        text_channels: Width of the classes' embeddings; None decodes without words, as Mask2Former does.
        channels: Width inside, a multiple of four.
        layers: Number of layers.
        heads: Number of heads, which divides the width.
        points: Points of each head on each map.
        ffn: Width inside of each layer's last step.
        classes: Learn a position for each of so many classes, as released. None, the default, ties no parameter to
            a class: their number is free and their order without effect.

    Shape:
        Four maps from fine to coarse and ``(batch, classes, text_channels)`` → :class:`DecodedPixels`, with the size
        of the finest map and of the three others.

    Raises:
        ValueError: If numbers, maps or words do not fit.

    Note:
        All classes take part in one attention, so that a further class changes what the pixels read of the others.
        With ``text_channels=None`` it does not.

    Example:
        >>> decoder = PixelDecoder(8, 12, channels=16, layers=1, heads=2, points=2, ffn=32)
        >>> maps = [torch.zeros(1, 8, s, s) for s in (16, 8, 4, 2)]
        >>> out = decoder(maps, torch.zeros(1, 5, 12))
        >>> out.mask_features.shape[1:], [x.shape[-1] for x in out.levels]
        (torch.Size([16, 16, 16]), [2, 4, 8])
    """

    def __init__(
        self,
        in_channels: Sequence[int] | int,
        text_channels: int | None,
        channels: int = 256,
        layers: int = 6,
        heads: int = 8,
        points: int = 4,
        ffn: int = 1024,
        classes: int | None = None,
    ) -> None:
        super().__init__()
        given = [in_channels] * 4 if isinstance(in_channels, int) else list(in_channels)
        if len(given) != 4 or channels < 4 or channels % 4 or layers < 1:
            raise ValueError(
                "expected channels of four maps, a width that is a multiple of four and at least one layer, got "
                f"in_channels={in_channels}, channels={channels}, layers={layers}"
            )
        if classes is not None and (classes < 1 or text_channels is None):
            raise ValueError(
                "expected a positive number of classes, and words to which their positions belong, got "
                f"classes={classes}, text_channels={text_channels}"
            )
        self.channels, self.classes = channels, classes
        self.project = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, channels, 1), group_norm(channels)) for c in given[:0:-1]
        )
        self.level = nn.Parameter(torch.randn(LEVELS, channels))
        self.text = None if text_channels is None else nn.Linear(text_channels, channels)
        self.text_positions = None
        if classes is not None:
            self.text_positions = nn.Parameter(torch.randn(classes, channels))
        self.layers = nn.ModuleList(
            PixelLayer(channels, heads, points, ffn, words=text_channels is not None)
            for _ in range(layers)
        )
        self.lateral = nn.Sequential(
            nn.Conv2d(given[0], channels, 1, bias=False), group_norm(channels)
        )
        self.merge = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            group_norm(channels),
            nn.ReLU(),
        )
        self.mask_features = nn.Conv2d(channels, channels, 1)

    def forward(self, maps: Maps, text: Text | None = None) -> DecodedPixels:
        """Decode.

        Args:
            maps: Four, from fine to coarse.
            text: Embeddings of the classes, for each image.
        """
        self._check(maps, text)
        fine, *others = maps
        coarse = [f(x) for f, x in zip(self.project, reversed(others), strict=True)]
        sizes = [(x.shape[-2], x.shape[-1]) for x in coarse]
        pixels = torch.cat([rearrange(x, "b c h w -> b (h w) c") for x in coarse], dim=1)
        positions = torch.cat(
            [
                rearrange(sine_positions(self.channels, *size, like=pixels), "c h w -> (h w) c")
                + level
                for size, level in zip(sizes, self.level, strict=True)
            ]
        )
        # places in half precision would be off by pixels
        wide = pixels.new_empty(0, dtype=torch.promote_types(pixels.dtype, torch.float32))
        reference = torch.cat([centres(*size, like=wide) for size in sizes])
        words = None if self.text is None else self.text(text)
        for layer in self.layers:
            pixels = layer(pixels, positions, reference, sizes, words, self.text_positions)
        first, second, third = as_maps(pixels, sizes)
        enlarged = F.interpolate(third, fine.shape[-2:], mode="bilinear", align_corners=False)
        merged = self.merge(self.lateral(fine) + enlarged)
        return DecodedPixels(self.mask_features(merged), (first, second, third))

    def _check(self, maps: Maps, text: Text | None) -> None:
        if len(maps) != LEVELS + 1:
            raise ValueError(f"expected four maps, from fine to coarse, got {len(maps)}")
        if (text is None) != (self.text is None):
            raise ValueError(
                "expected no words: this decoder was built without text_channels"
                if self.text is None
                else "expected the classes' embeddings, got none"
            )
        if text is None or self.text is None:
            return
        shape, classes = tuple(text.shape), self.classes
        fits = text.ndim == 3 and shape[0] == len(maps[0]) and shape[2] == self.text.in_features
        if not fits or shape[1] < 1 or (classes is not None and shape[1] != classes):
            raise ValueError(
                f"expected class embeddings of shape ({len(maps[0])}, {classes or 'classes'}, "
                f"{self.text.in_features}), got {shape}"
            )
