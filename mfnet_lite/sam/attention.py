r"""SAM's attention through PyTorch's fused kernels: the same numbers, far fewer bytes.

The official module writes the whole matrix of logits, adds the decomposed relative positions
(Li et al. 2022, arXiv 2203.16527, eq. 4) and normalises it,

.. math:: A_{qk} = q\cdot k/\sqrt d + q\cdot R^h_{y_q-y_k} + q\cdot R^w_{x_q-x_k},

which for one global ViT-B block at 1024 pixels is three matrices of 0.8 GB. Two exact ways around it:

* *bias*: the relative terms are the additive mask of ``scaled_dot_product_attention``, made for one
  chunk of queries at a time in one small buffer. No gradient flows through such a mask in the fused
  CPU kernel, so this way serves inference.
* *folded*: the sum of three products is one product of longer vectors. With rows
  :math:`r_h = q\cdot R^h` (H long) and :math:`r_w` (W long),
  :math:`A_{qk} = [q/\sqrt d, r_h, r_w]\cdot[k, e_{y_k}, e_{x_k}]`, where e are unit vectors. There is
  no bias at all, and gradients reach q and both tables. This way serves training.

The mask decoder's attentions have no positions of this kind and are fused directly.
``scripts/benchmarks/sam.py`` measures all. Nothing is copied or renamed: the official module keeps
its parameters and only answers to another ``forward``, so :func:`unfuse_attention` restores it whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Float
from segment_anything.modeling.image_encoder import Attention, get_rel_pos
from segment_anything.modeling.transformer import Attention as TokenAttention
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.sam.products import product_abt

CHUNK_BYTES = 16 * 2**20
"""Size of the bias buffer; larger ones leave the processor's cache and were slower."""

PLAIN_KEYS = 512
"""Up to so many keys the fused CPU kernel's backward pass is slower than plain products."""

__all__ = ["fuse_attention", "fused_attention", "unfuse_attention"]

M = TypeVar("M", bound=nn.Module)


class FusedAttention(Attention):
    """The official ``Attention`` with a fused ``forward``.

    Never constructed: :func:`fuse_attention` gives this class to existing modules, so weights,
    hooks, and state-dict keys stay where they are.
    """

    def forward(
        self, x: Float[Tensor, "batch height width channels"]
    ) -> Float[Tensor, "batch height width channels"]:
        """Attend within each grid of tokens; see :class:`Attention` and the module docstring."""
        _, height, width, _ = x.shape
        q, k, v = rearrange(
            self.qkv(x),
            "batch height width (three heads dim) -> three batch heads (height width) dim",
            three=3,
            heads=self.num_heads,
        )
        if self.use_rel_pos:
            rel_h, rel_w = relative_terms(q, self.rel_pos_h, self.rel_pos_w, height, width)
            # No fused CPU kernel differentiates a mask; with one it would fall back to full matrices.
            way = folded_attention if rel_h.requires_grad else biased_attention
            out = way(q, k, v, rel_h, rel_w, self.scale)
        else:
            out = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        out = rearrange(
            out, "batch heads (height width) dim -> batch height width (heads dim)", height=height
        )
        return self.proj(out)


class FusedTokenAttention(TokenAttention):
    """The official attention of the mask decoder with a fused ``forward``; never constructed."""

    def forward(
        self,
        q: Float[Tensor, "batch queries channels"],
        k: Float[Tensor, "batch keys channels"],
        v: Float[Tensor, "batch keys channels"],
    ) -> Float[Tensor, "batch queries channels"]:
        """Attend from queries to keys; see ``segment_anything``'s class of the same arguments."""
        split = "batch token (heads dim) -> batch heads token dim"
        query, key, value = (
            rearrange(project(x), split, heads=self.num_heads)
            for project, x in ((self.q_proj, q), (self.k_proj, k), (self.v_proj, v))
        )
        out = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(rearrange(out, "batch heads token dim -> batch token (heads dim)"))


_FUSED: dict[type[nn.Module], type[nn.Module]] = {
    Attention: FusedAttention,
    TokenAttention: FusedTokenAttention,
}


def relative_terms(
    q: Float[Tensor, "batch heads tokens dim"],
    rel_pos_h: Float[Tensor, "rows_h dim"],
    rel_pos_w: Float[Tensor, "rows_w dim"],
    height: int,
    width: int,
) -> tuple[Float[Tensor, "batch heads tokens height"], Float[Tensor, "batch heads tokens width"]]:
    """Multiply the *unscaled* queries with the relative tables of both axes.

    Args:
        q: Queries, tokens in row-major order of the grid.
        rel_pos_h: Vertical table; interpolated linearly if it has not 2·height − 1 rows.
        rel_pos_w: Horizontal table, likewise.
        height: Rows of the grid.
        width: Columns of the grid.

    Returns:
        Logit of every query against every key row, and against every key column.
    """
    grid = rearrange(q, "b n (y x) c -> b n y x c", y=height)
    rows = get_rel_pos(height, height, rel_pos_h)
    columns = get_rel_pos(width, width, rel_pos_w)
    rel_h = einsum(grid, rows, "b n y x c, y key c -> b n y x key")
    rel_w = einsum(grid, columns, "b n y x c, x key c -> b n y x key")
    flat = "b n y x key -> b n (y x) key"
    return rearrange(rel_h, flat), rearrange(rel_w, flat)


def folded_attention(
    q: Float[Tensor, "batch heads tokens dim"],
    k: Float[Tensor, "batch heads tokens dim"],
    v: Float[Tensor, "batch heads tokens dim"],
    rel_h: Float[Tensor, "batch heads tokens height"],
    rel_w: Float[Tensor, "batch heads tokens width"],
    scale: float,
) -> Float[Tensor, "batch heads tokens dim"]:
    """Attend with the relative terms folded into longer queries and keys: no bias, any gradient.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        rel_h: Relative logits by key row, from :func:`relative_terms`.
        rel_w: Relative logits by key column.
        scale: Factor of q·k, 1/√dim.

    Returns:
        The attended values.
    """
    codes = grid_codes(rel_h.shape[-1], rel_w.shape[-1], k)
    long_q = torch.cat([q * scale, rel_h, rel_w], dim=-1)
    long_k = torch.cat([k, codes.expand(*k.shape[:2], -1, -1)], dim=-1)
    return attend_long(long_q, long_k, v)


def grid_codes(height: int, width: int, like: Tensor) -> Float[Tensor, "tokens sides"]:
    """Write every position of a grid as two unit vectors, one of its row and one of its column.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        like: A tensor of the device and number format wanted.
    """
    row = torch.eye(height, dtype=like.dtype, device=like.device)
    column = torch.eye(width, dtype=like.dtype, device=like.device)
    return torch.cat(
        [repeat(row, "y e -> (y x) e", x=width), repeat(column, "x e -> (y x) e", y=height)], dim=-1
    )


def attend_long(
    long_q: Float[Tensor, "batch heads queries long"],
    long_k: Float[Tensor, "batch heads keys long"],
    v: Float[Tensor, "batch heads keys dim"],
) -> Float[Tensor, "batch heads queries dim"]:
    """Attend with queries and keys that are longer than the values, and scaled already.

    Args:
        long_q: Queries with their scale and whatever was folded in.
        long_k: Keys with the counterpart.
        v: Values.
    """
    needs_gradient = torch.is_grad_enabled() and (long_q.requires_grad or v.requires_grad)
    if needs_gradient and v.device.type == "cpu" and v.shape[-2] <= PLAIN_KEYS:
        return product_abt(long_q, long_k).softmax(dim=-1) @ v
    # The fused kernels want values as long as keys; the zeros come out as zeros and are cut off.
    long_v = F.pad(v, (0, long_k.shape[-1] - v.shape[-1]))
    return F.scaled_dot_product_attention(long_q, long_k, long_v, scale=1.0)[..., : v.shape[-1]]


def biased_attention(
    q: Float[Tensor, "batch heads tokens dim"],
    k: Float[Tensor, "batch heads tokens dim"],
    v: Float[Tensor, "batch heads tokens dim"],
    rel_h: Float[Tensor, "batch heads tokens height"],
    rel_w: Float[Tensor, "batch heads tokens width"],
    scale: float,
    chunk_bytes: int = CHUNK_BYTES,
) -> Float[Tensor, "batch heads tokens dim"]:
    """Attend with the relative terms as additive mask, one chunk of queries at a time.

    Arguments and result are those of :func:`folded_attention`, but no gradient is kept.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        rel_h: Relative logits by key row, from :func:`relative_terms`.
        rel_w: Relative logits by key column.
        scale: Factor of q·k, 1/√dim.
        chunk_bytes: Size of the mask in memory; at least one query's.

    Returns:
        The attended values.
    """
    batch, heads, tokens, _ = q.shape
    height, width = rel_h.shape[-1], rel_w.shape[-1]
    row_bytes = heads * tokens * rel_h.element_size()
    images = max(1, min(batch, chunk_bytes // (row_bytes * tokens)))
    queries = max(1, min(tokens, chunk_bytes // row_bytes))
    out = torch.empty_like(v)
    # One buffer for all chunks: fresh ones would each be paged in by the operating system again.
    buffer = rel_h.new_empty(images * heads * queries * tokens)
    for first in range(0, batch, images):
        some = slice(first, first + images)
        for begin in range(0, tokens, queries):
            part = (some, slice(None), slice(begin, begin + queries))
            h, w = rel_h[part], rel_w[part]
            shape = (*h.shape[:3], height, width)
            bias = buffer[: h.shape[:3].numel() * tokens].reshape(shape)
            torch.add(h[..., :, None], w[..., None, :], out=bias)
            bias = rearrange(bias, "b n query y x -> b n query (y x)")
            out[part] = F.scaled_dot_product_attention(
                q[part], k[some], v[some], attn_mask=bias, scale=scale
            )
    return out


def fuse_attention(model: M) -> M:
    """Let every attention of a model use the fused kernels.

    Args:
        model: A ``Sam``, its image encoder or mask decoder, or any module that holds one.

    Returns:
        The same model, changed in place. Parameters and state-dict keys are untouched.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_image_encoder
        >>> config = SamConfig(image_size=32, width=16, depth=2, heads=2, global_blocks=(1,))
        >>> encoder = build_image_encoder(config)
        >>> image = torch.rand(1, 3, 32, 32)
        >>> official = encoder(image)
        >>> torch.allclose(fuse_attention(encoder)(image), official, atol=1e-5)
        True
    """
    _change_classes(model, _FUSED)
    return model


def unfuse_attention(model: M) -> M:
    """Undo :func:`fuse_attention`; the model is bit for bit what it was.

    Args:
        model: A model, fused or not.

    Returns:
        The same model, changed in place.
    """
    _change_classes(model, {new: old for old, new in _FUSED.items()})
    return model


@contextmanager
def fused_attention(model: M) -> Iterator[M]:
    """Use the fused kernels within a ``with`` block; what was fused before stays so after it.

    Args:
        model: A model.

    Yields:
        The same model.
    """
    changed = _change_classes(model, _FUSED)
    try:
        yield model
    finally:
        for module, official in changed:
            module.__class__ = official


def _change_classes(
    model: nn.Module, classes: Mapping[type[nn.Module], type[nn.Module]]
) -> list[tuple[nn.Module, type[nn.Module]]]:
    """Give another class to every module that is exactly one of the keys; return what changed."""
    changed = [(m, type(m)) for m in model.modules() if type(m) in classes]
    for module, old in changed:
        # A subclass without state of its own: only the method lookup changes.
        module.__class__ = classes[old]
    return changed
