"""The forward pass of a LLaMA, over the modules of transformers but without its overhead.

A block is x + Wo attention(rotate(Wq n), rotate(Wk n), Wv n) with n = norm(x), then x + Wdown (silu(Wgate m) · Wup m)
with m = norm(x) (Touvron et al. 2023, arXiv 2302.13971). The layers are called as they are, so whatever was injected
into them takes part. Frozen weights may be in half precision beside trained ones in single precision: everything is
computed in the format of the embedding table, and the sum x that runs through all blocks in that of the inputs.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.language.half_precision import attention, gated_silu, rms_norm, rotate

BLOCK = ("LlamaDecoderLayer", "LlamaAttention", "LlamaMLP")
"""Classes of transformers that are computed here."""


def is_llama(network: nn.Module) -> bool:
    """Decide whether a model of transformers is a LLaMA that this forward pass computes.

    Linear layers may be wrapped; where something stands around a whole attention or MLP, transformers computes.

    Args:
        network: A causal language model.
    """
    inner: Any = network  # its attributes have no types here
    if type(network).__name__ != "LlamaForCausalLM" or inner.config.hidden_act != "silu":
        return False
    return all(
        (type(layer).__name__, type(layer.self_attn).__name__, type(layer.mlp).__name__) == BLOCK
        for layer in inner.model.layers
    )


def additive(mask: Bool[Tensor, "batch 1 token token"], dtype: torch.dtype) -> Tensor:
    """Turn a mask into what is added to scores: 0 where a token may look, −∞ where not."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)


def llama_hidden(
    model: nn.Module,
    vectors: Float[Tensor, "batch token width"],
    mask: Bool[Tensor, "batch 1 token token"],
    positions: Int[Tensor, "batch token"],
) -> Float[Tensor, "batch token width"]:
    """Run all blocks and the last norm.

    Args:
        model: A ``LlamaModel`` of transformers, the part below the output embedding.
        vectors: Embedded tokens.
        mask: Which tokens (last axis) each token may look at; at least one.
        positions: Of each token in its text.
    """
    inner: Any = model  # its attributes have no types here
    dtype = inner.embed_tokens.weight.dtype
    cos, sin = angles(inner, positions, dtype)
    bias = additive(mask, dtype)
    x = vectors
    for layer in inner.layers:
        x = x + _attend(layer.self_attn, _norm(layer.input_layernorm, x, dtype), cos, sin, bias)
        m = _norm(layer.post_attention_layernorm, x, dtype)
        hidden = gated_silu(_linear(layer.mlp.gate_proj, m), _linear(layer.mlp.up_proj, m))
        x = x + _linear(layer.mlp.down_proj, hidden)
    return _norm(inner.norm, x, dtype)


def angles(
    model: Any, positions: Int[Tensor, "batch token"], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the positions' angles, (batch, 1, token, channel)."""
    like = torch.empty(0, dtype=torch.float32, device=positions.device)
    cos, sin = model.rotary_emb(like, positions)
    return cos[:, None].to(dtype), sin[:, None].to(dtype)


def _norm(norm: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
    return rms_norm(x, norm.weight, norm.variance_epsilon, dtype)


def _linear(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a linear layer in the format of its input, whatever its weight is kept in."""
    if type(layer) is nn.Linear and layer.weight.dtype != x.dtype:
        bias = None if layer.bias is None else layer.bias.to(x.dtype)
        return F.linear(x, layer.weight.to(x.dtype), bias)
    y: Tensor = layer(x)
    return y


def _attend(part: Any, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor) -> Tensor:
    q, k, v = (
        rearrange(_linear(layer, x), "b t (h c) -> b h t c", c=part.head_dim)
        for layer in (part.q_proj, part.k_proj, part.v_proj)
    )
    out = attention(rotate(q, cos, sin), rotate(k, cos, sin), v, bias, part.scaling)
    return _linear(part.o_proj, rearrange(out, "b h t c -> b t (h c)"))
