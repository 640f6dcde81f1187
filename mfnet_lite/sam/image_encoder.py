"""SAM's image encoder, channel-last from the pixels to the embedding: the same numbers in fewer passes.

The official encoder permutes the patch embedding's output and adds the position table to it. The sum keeps the
permuted layout, so every residual addition, normalisation and gradient of all blocks walks through memory
in strides. Windows are cut out and put back by copies, and the neck normalises channels which lie far apart.
Here the first product already writes tokens one after the other, windows are cut when queries, keys and values
are split anyway (:mod:`mfnet_lite.sam.window_attention`), and the neck stays channel-last as well.

Only official modules are read, never changed; ``scripts/benchmarks/pretraining.py`` measures what it saves.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.image_encoder import Block, get_rel_pos
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.sam.window_attention import window_attention

__all__: list[str] = []  # for pre-training; not part of the interface

Tables = tuple[Float[Tensor, "query_row key_row dim"], Float[Tensor, "query_column key_column dim"]]


def relative_tables(block: Block, height: int, width: int) -> Tables | None:
    """Look up the relative positions of a block for a grid of tokens, one row per query and key position.

    Args:
        block: An official block.
        height: Rows of the grid.
        width: Columns of the grid.

    Returns:
        Vertical and horizontal table; None for a block without relative positions.
    """
    attention = block.attn
    if not attention.use_rel_pos:
        return None
    if block.window_size:
        height = width = block.window_size
    return (
        get_rel_pos(height, height, attention.rel_pos_h),
        get_rel_pos(width, width, attention.rel_pos_w),
    )


def encode_images(
    encoder: ImageEncoderViT,
    images: Float[Tensor, "n 3 image_height image_width"],
    position: Float[Tensor, "1 h w width"] | None = None,
    tables: Sequence[Tables | None] | None = None,
) -> Float[Tensor, "n channels h w"]:
    """Embed normalised images.

    Args:
        encoder: The official encoder.
        images: Sides are multiples of the patch size.
        position: Position table of this grid; by default the encoder's own.
        tables: Relative positions of every block, see :func:`relative_tables`; by default its own.

    Returns:
        Embeddings, channel-last in memory.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_image_encoder
        >>> sizes = SamConfig(image_size=32, width=16, depth=2, heads=2, global_blocks=(1,))
        >>> encoder, image = build_image_encoder(sizes), torch.rand(1, 3, 32, 32)
        >>> torch.allclose(encode_images(encoder, image), encoder(image), atol=1e-5)
        True
    """
    x = _patches(encoder.patch_embed.proj, images)
    if position is None:
        position = encoder.pos_embed
    if position is not None:
        x = x + position
    for number, block in enumerate(encoder.blocks):
        own = tables[number] if tables is not None else relative_tables(block, *x.shape[1:3])
        x = x + block.attn.proj(_attend(block, block.norm1(x), own))
        x = x + block.mlp(block.norm2(x))
    point, first_norm, kernel, second_norm = encoder.neck
    x = _channel_norm(first_norm, F.linear(x, point.weight.flatten(1), point.bias))
    # The permuted view of channel-last tokens is what PyTorch calls channels_last: no copy is made.
    weight = kernel.weight.contiguous(memory_format=torch.channels_last)
    x = F.conv2d(rearrange(x, "n h w c -> n c h w"), weight, kernel.bias, padding=kernel.padding)
    x = _channel_norm(second_norm, rearrange(x, "n c h w -> n h w c").contiguous())
    return rearrange(x, "n h w c -> n c h w")


def _attend(block: Block, x: Float[Tensor, "n h w width"], tables: Tables | None) -> Tensor:
    """Attend within the windows of a block, before the output projection.

    Queries are scaled by scaling their rows of the projection, which are a few against many tokens; the relative
    positions, which multiply unscaled queries, are divided by the same factor.
    """
    attention = block.attn
    width, scale = x.shape[-1], attention.scale
    weight, bias = attention.qkv.weight, attention.qkv.bias
    factor = torch.ones(3 * width, dtype=weight.dtype, device=weight.device)
    factor[:width] = scale
    weight, bias = weight * factor[:, None], None if bias is None else bias * factor
    if tables is not None:
        tables = (tables[0] / scale, tables[1] / scale)
    qkv = F.linear(x, weight, bias)
    return window_attention(qkv, bias, attention.num_heads, block.window_size, tables, 1.0)


def _patches(
    projection: nn.Conv2d, images: Float[Tensor, "n c image_height image_width"]
) -> Float[Tensor, "n h w width"]:
    """Apply a convolution whose stride is its kernel as one product over the pixels of a patch."""
    rows, columns = projection.kernel_size
    patches = rearrange(images, "n c (h p) (w q) -> n h w (c p q)", p=rows, q=columns)
    return F.linear(
        patches.to(projection.weight.dtype), projection.weight.flatten(1), projection.bias
    )


def _channel_norm(norm: LayerNorm2d, x: Float[Tensor, "n h w c"]) -> Float[Tensor, "n h w c"]:
    """Normalise over the channels of each token; the official module wants them in front."""
    return F.layer_norm(x, (x.shape[-1],), norm.weight, norm.bias, norm.eps)
