"""A mask decoder whose queries are words: query k draws the mask of class k and says whether the class is there.

Masked attention is Mask2Former's (Cheng et al., CVPR 2022, arXiv 2112.01527): a query reads only where it last saw its
mask. Queries made from the classes' words, each bound to its class, are tqdm's (Pak et al., ECCV 2024, arXiv
2407.09033), which MFuser (Zhang and Tan, CVPR 2025, arXiv 2504.03193) takes over::

    words ─ MLP ─→ queries ──[ masked attention to a level ─ to each other ─ FFN ] × layers
                      └─ norm ─┬─ class, or presence     before the first layer and after each
                               └─ MLP · mask features
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.decoders.pixel_decoder import LEVELS
from mfnet_lite.nets.layers.sine_positions import sine_positions

Map = Float[Tensor, "batch channels height width"]
Queries = Float[Tensor, "batch query channels"]
Text = Float[Tensor, "batch class text_channels"]


class QueryOutput(NamedTuple):
    """One answer of the queries, as :func:`mfnet_lite.losses.class_query_loss` takes it.

    Args:
        class_logits: For each query a score for every class and for "no object" at last; or, in the open form, one
            for the presence of its own class.
        mask_logits: For each query its mask, of the size of the mask features.
    """

    class_logits: Float[Tensor, "batch query choice"] | Float[Tensor, "batch query"]
    mask_logits: Float[Tensor, "batch query height width"]


class QueryLayer(nn.Module):
    """Queries read a map where they may, then each other, and are transformed; a norm follows each step.

    Args:
        channels: Width of queries and map.
        heads: Number of heads.
        ffn: Width inside of the last step.
        between: Whether queries read each other.
    """

    def __init__(self, channels: int, heads: int, ffn: int, between: bool) -> None:
        super().__init__()
        self.cross_attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.norm1 = nn.LayerNorm(channels)
        self.self_attention = None
        if between:
            self.self_attention = nn.MultiheadAttention(channels, heads, batch_first=True)
            self.norm2 = nn.LayerNorm(channels)
        self.ffn = nn.Sequential(nn.Linear(channels, ffn), nn.ReLU(), nn.Linear(ffn, channels))
        self.norm3 = nn.LayerNorm(channels)

    def forward(
        self,
        queries: Queries,
        keys: Queries,
        values: Queries,
        hidden: Bool[Tensor, "batch_heads query pixel"],
        positions: Float[Tensor, "query channels"] | None = None,
    ) -> Queries:
        """Refine.

        Args:
            queries: The queries.
            keys: The map's pixels with their positions.
            values: The map's pixels.
            hidden: Pixels that a query must not read.
            positions: Added to queries where they ask and are asked.
        """

        def placed(x: Queries) -> Queries:
            return x if positions is None else x + positions

        read, _ = self.cross_attention(
            placed(queries), keys, values, attn_mask=hidden, need_weights=False
        )
        queries = self.norm1(queries + read)
        if self.self_attention is not None:
            asking = placed(queries)
            heard, _ = self.self_attention(asking, asking, queries, need_weights=False)
            queries = self.norm2(queries + heard)
        out: Tensor = self.norm3(queries + self.ffn(queries))
        return out


def outside_masks(
    mask_logits: Float[Tensor, "batch query height width"], size: Sequence[int]
) -> Bool[Tensor, "batch query pixel"]:
    """Mark the pixels that a query must not read: those outside its mask, or none if its mask is empty.

    Args:
        mask_logits: The masks so far.
        size: Height and width of the map that is read.

    Example:
        >>> outside_masks(torch.tensor([[[[2.0, -1.0]], [[-3.0, -1.0]]]]), (1, 2)).int().tolist()
        [[[0, 1], [0, 0]]]
    """
    read = F.interpolate(mask_logits.detach(), tuple(size), mode="bilinear", align_corners=False)
    outside = read.flatten(2) < 0
    return outside & ~outside.all(dim=-1, keepdim=True)


class TextQueryDecoder(nn.Module):
    """Decode one mask per class from words.

    The defaults are the released sizes; ``channels=64, layers=3, ffn=256`` suits a small encoder.

    In the default, open form no parameter belongs to a class: the head answers whether the query's own class is in the
    image, with one number. Any number of classes in any order may be asked for after training, and in another order
    they get the same answers. With ``classes`` it is the released, closed form: every query has a learned position and
    chooses between all classes and "no object".

    Args:
        text_channels: Width of the classes' embeddings.
        channels: Width of queries, levels and mask features, a multiple of four.
        layers: Number of layers; they read the levels in turn, from coarse to fine.
        heads: Number of heads, which divides the width.
        ffn: Width inside of each layer's last step.
        classes: Number of classes of the closed form; None for the open one.
        between_queries: Let the queries read each other. They then divide the image among themselves, but a further
            class may change the answers for the others; without it, it does not.

    Shape:
        Mask features ``(batch, channels, H, W)``, three levels ``(batch, channels, h, w)`` from coarse to fine, words
        ``(batch, classes, text_channels)`` → ``layers + 1`` of :class:`QueryOutput`, the last one the best.

    Raises:
        ValueError: If numbers, maps or words do not fit.

    Example:
        >>> decoder = TextQueryDecoder(12, channels=16, layers=3, heads=2, ffn=32)
        >>> levels = [torch.randn(1, 16, s, s) for s in (2, 4, 8)]
        >>> outputs = decoder(torch.randn(1, 16, 16, 16), levels, torch.randn(1, 5, 12))
        >>> len(outputs), outputs[-1].class_logits.shape, outputs[-1].mask_logits.shape
        (4, torch.Size([1, 5]), torch.Size([1, 5, 16, 16]))
    """

    def __init__(
        self,
        text_channels: int,
        channels: int = 256,
        layers: int = 9,
        heads: int = 8,
        ffn: int = 2048,
        classes: int | None = None,
        between_queries: bool = True,
    ) -> None:
        super().__init__()
        if channels < 4 or channels % 4 or heads < 1 or channels % heads or layers < 0:
            raise ValueError(
                "expected a width that is a multiple of four and of the heads, and no negative number of layers, got "
                f"channels={channels}, heads={heads}, layers={layers}"
            )
        if classes is not None and classes < 1:
            raise ValueError(f"expected a positive number of classes, or None, got {classes}")
        self.channels, self.heads, self.classes = channels, heads, classes
        self.text = nn.Sequential(
            nn.Linear(text_channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )
        self.positions = None
        if classes is not None:
            self.positions = nn.Parameter(torch.randn(classes, channels))
        self.level = nn.Parameter(torch.randn(LEVELS, channels))
        self.layers = nn.ModuleList(
            QueryLayer(channels, heads, ffn, between_queries) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.class_head = nn.Linear(channels, 1 if classes is None else classes + 1)
        self.mask_head = nn.Sequential(
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
            nn.ReLU(),
            nn.Linear(channels, channels),
        )

    def forward(self, mask_features: Map, levels: Sequence[Map], text: Text) -> list[QueryOutput]:
        """Decode.

        Args:
            mask_features: The map whose product with a query is a mask.
            levels: Three maps, from coarse to fine.
            text: Embeddings of the classes, for each image.

        Returns:
            The answer before the first layer and after each.
        """
        self._check(mask_features, levels, text)
        values = [
            rearrange(x, "b c h w -> b (h w) c") + own
            for x, own in zip(levels, self.level, strict=True)
        ]
        sizes = [(x.shape[-2], x.shape[-1]) for x in levels]
        keys = [
            value + rearrange(sine_positions(self.channels, *size, like=value), "c h w -> (h w) c")
            for value, size in zip(values, sizes, strict=True)
        ]
        queries = self.text(text)
        outputs = [self.answer(queries, mask_features)]
        for number, layer in enumerate(self.layers):
            level = number % LEVELS
            outside = outside_masks(outputs[-1].mask_logits, sizes[level])
            hidden = repeat(outside, "b k p -> (b n) k p", n=self.heads)
            queries = layer(queries, keys[level], values[level], hidden, self.positions)
            outputs.append(self.answer(queries, mask_features))
        return outputs

    def answer(self, queries: Queries, mask_features: Map) -> QueryOutput:
        """Draw the masks of queries and judge their classes.

        Args:
            queries: The queries.
            mask_features: The map whose product with a query is a mask.
        """
        normal = self.norm(queries)
        scores = self.class_head(normal)
        if self.classes is None:
            scores = rearrange(scores, "b k 1 -> b k")
        masks = torch.einsum("bkc,bchw->bkhw", self.mask_head(normal), mask_features)
        return QueryOutput(scores, masks)

    def _check(self, mask_features: Map, levels: Sequence[Map], text: Text) -> None:
        if len(levels) != LEVELS:
            raise ValueError(f"expected three levels, from coarse to fine, got {len(levels)}")
        batch, width, shape = len(mask_features), self.text[0].in_features, tuple(text.shape)
        fits = text.ndim == 3 and (shape[0], shape[2]) == (batch, width)
        if not fits or (self.classes is not None and shape[1] != self.classes):
            raise ValueError(
                f"expected class embeddings of shape ({batch}, {self.classes or 'classes'}, {width}), got {shape}"
            )
