"""Pieces of a transformer block with gradients written by hand: less memory and, in half precision, less time.

Each equals what PyTorch's own operations compute, and its tests compare both. On a CPU the backward pass of the fused
attention in bfloat16 takes several times as long as the products written out, which run on matrix units; so short
sequences are written out, and what the softmax gives is computed again for the backward pass instead of kept.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LONGEST = 1024
"""Tokens up to which attention is written out; its matrices grow with the square."""


class _RMSNorm(torch.autograd.Function):
    """x / rms(x) · w, computed in single precision; keeps x and one number for each token."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        wide = x.float()
        inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
        ctx.save_for_backward(x, inverse, weight)
        return (wide * inverse).to(dtype) * weight.to(dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, inverse, weight = ctx.saved_tensors
        normal, wide = x.float() * inverse, dy.float()
        of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = (wide * normal).sum(tuple(range(dy.ndim - 1))).to(weight.dtype)
        wide = wide * weight.float()
        along = (wide * normal).mean(-1, keepdim=True)
        dx = wide.addcmul_(normal, along, value=-1).mul_(inverse)
        return dx.to(x.dtype), of_weight, None, None


def rms_norm(
    x: Float[Tensor, "*batch width"],
    weight: Float[Tensor, " width"],
    eps: float,
    dtype: torch.dtype,
) -> Float[Tensor, "*batch width"]:
    """Normalise by the root of the mean square (Zhang and Sennrich 2019, arXiv 1910.07467).

    Args:
        x: Tokens.
        weight: A factor for each channel.
        eps: Added to the mean square.
        dtype: Number format of the result.
    """
    y: Tensor = _RMSNorm.apply(x, weight, eps, dtype)
    return y


class _GatedSilu(torch.autograd.Function):
    """silu(g) · u; keeps g and u."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        of_up = F.silu(gate).mul_(dy)
        return torch.ops.aten.silu_backward(dy * up, gate), of_up


def gated_silu(
    gate: Float[Tensor, "*batch width"], up: Float[Tensor, "*batch width"]
) -> Float[Tensor, "*batch width"]:
    """Compute silu(gate) · up (Shazeer 2020, arXiv 2002.05202)."""
    y: Tensor = _GatedSilu.apply(gate, up)
    return y


def _probabilities(q: Tensor, k: Tensor, bias: Tensor, scale: float) -> Tensor:
    """Softmax of the scores; the query heads of one key head lie one after the other along the tokens."""
    group = q.shape[2] // k.shape[2]
    scores = torch.matmul(q, k.transpose(-1, -2))
    scores = rearrange(scores, "b h (g t) s -> b h g t s", g=group)
    weights = torch.add(bias, scores, alpha=scale).softmax(-1)
    return rearrange(weights, "b h g t s -> b h (g t) s")


class _Attention(torch.autograd.Function):
    """Attention with grouped heads, written out; keeps queries, keys and values alone."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(q, k, v, bias)
        ctx.scale = scale
        return torch.matmul(_probabilities(q, k, bias, scale), v)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, bias = ctx.saved_tensors
        weights = _probabilities(q, k, bias, ctx.scale)
        of_v = torch.matmul(weights.transpose(-1, -2), dy)
        of_scores = torch.ops.aten._softmax_backward_data(
            torch.matmul(dy, v.transpose(-1, -2)), weights, -1, weights.dtype
        ).mul_(ctx.scale)
        return of_scores @ k, of_scores.transpose(-1, -2) @ q, of_v, None, None


def attention(
    q: Float[Tensor, "batch heads token channel"],
    k: Float[Tensor, "batch kv_heads token channel"],
    v: Float[Tensor, "batch kv_heads token channel"],
    bias: Float[Tensor, "batch 1 token token"],
    scale: float,
) -> Float[Tensor, "batch heads token channel"]:
    """Attend with grouped heads: the query heads 0…g−1 read the first key head, and so on.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        bias: Added to the scores: 0 where a token may look, −∞ where not.
        scale: Factor of the scores.
    """
    heads, kv_heads, tokens = q.shape[1], k.shape[1], q.shape[2]
    tracked = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    if not tracked or q.device.type != "cpu" or tokens > LONGEST:
        grouped = heads != kv_heads
        return F.scaled_dot_product_attention(q, k, v, bias, scale=scale, enable_gqa=grouped)
    q = rearrange(q, "b (h g) t c -> b h (g t) c", h=kv_heads)
    y: Tensor = _Attention.apply(q, k, v, bias[:, :, None], scale)
    return rearrange(y, "b h (g t) c -> b (h g) t c", t=tokens)


def rotate(
    x: Float[Tensor, "batch heads token channel"],
    cos: Float[Tensor, "batch 1 token channel"],
    sin: Float[Tensor, "batch 1 token channel"],
) -> Float[Tensor, "batch heads token channel"]:
    """Turn pairs of channels by an angle that grows with the position (RoPE: Su et al. 2021, arXiv 2104.09864).

    Args:
        x: Queries or keys.
        cos: Cosine of the angles, twice one after the other, as in transformers.
        sin: Their sine.
    """
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
