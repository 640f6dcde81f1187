"""Greedy answers: at every step the most probable word, keys and values of earlier words kept.

For models of the LLaMA architecture the loop is written for one new token at a time: weights of layers that read the
same vector are put together, scale and shift or LoRA are merged into them, keys and values have their place from the
start. Other models answer through ``generate`` of transformers.

A prompt may hold visual tokens, so it is given as vectors. Prompts of several lengths are answered together: they are
filled up on the right, and what fills up is never looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.language.half_precision import rotate
from mfnet_lite.language.language_models import LanguageModel
from mfnet_lite.language.llama import angles, is_llama

CANDIDATES = 8
"""Words among which the choice is made in single precision."""


class _Block(NamedTuple):
    """A block's weights in effect, those that read the same vector put together."""

    first_norm: Tensor
    qkv: tuple[Tensor, Tensor | None]
    out: tuple[Tensor, Tensor | None]
    second_norm: Tensor
    gate_up: tuple[Tensor, Tensor | None]
    down: tuple[Tensor, Tensor | None]


class Written(NamedTuple):
    """An answer as it was written.

    Args:
        ids: Its tokens, without the one that ends it.
        ended: Whether the end token came; else it has as many tokens as it may have.
    """

    ids: list[int]
    ended: bool


class GreedyDecoder:
    """A snapshot of a language model that writes answers.

    Whatever trains afterwards does not reach it: make one for each round of answers. For a LLaMA it holds a second
    copy of the blocks' weights.

    Args:
        model: The language model.
    """

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.blocks: list[_Block] | None = None
        if is_llama(model.network) and _weights_in_effect(model.network):
            with torch.no_grad():
                self.blocks = [_block(layer, model.dtype) for layer in model.network.model.layers]

    @torch.no_grad()
    def __call__(
        self, prompts: Sequence[Float[Tensor, "token width"]], max_new_tokens: int
    ) -> list[list[int]]:
        """Answer prompts.

        Args:
            prompts: Embedded tokens of each; lengths may differ.
            max_new_tokens: Tokens of an answer at most.

        Returns:
            Tokens of each answer, without the one that ends it.

        Raises:
            ValueError: If there is no prompt, or an empty one.
        """
        return [answer.ids for answer in self.written(prompts, max_new_tokens)]

    @torch.no_grad()
    def written(
        self, prompts: Sequence[Float[Tensor, "token width"]], max_new_tokens: int
    ) -> list[Written]:
        """Answer prompts as a call does, and tell which answers came to their end.

        Args:
            prompts: As for a call.
            max_new_tokens: Likewise.
        """
        if not prompts or any(not len(prompt) for prompt in prompts):
            raise ValueError(
                f"expected prompts of at least one token each, got {[len(p) for p in prompts]}"
            )
        if self.blocks is None:
            return [self._by_transformers(prompt, max_new_tokens) for prompt in prompts]
        return self._answer(self.blocks, prompts, max_new_tokens)

    def _answer(
        self, blocks: list[_Block], prompts: Sequence[Tensor], max_new_tokens: int
    ) -> list[Written]:
        model, inner = self.model, self.model.network.model
        device = prompts[0].device
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        longest, batch = int(lengths.max()), len(prompts)
        x = torch.stack([F.pad(p, (0, 0, 0, longest - len(p))) for p in prompts]).to(model.dtype)
        cache = _Cache(inner, batch, longest + max_new_tokens, device)
        last = _read(inner, blocks, x, cache)[torch.arange(batch, device=device), lengths - 1]
        hidden_places = torch.arange(cache.size, device=device) >= lengths[:, None]
        hidden_places[:, longest:] = False  # answers
        bias = None
        if bool(hidden_places.any()):
            bias = torch.zeros(batch, cache.size, device=device)
            bias = bias.masked_fill_(hidden_places, -torch.inf)
            bias = bias.repeat_interleave(cache.kv_heads, dim=0)[:, None]
        answers: list[list[int]] = [[] for _ in prompts]
        computed = list(range(batch))  # prompts of the rows
        for step in range(max_new_tokens):
            chosen = self._choose(last)
            going = []
            for row, token in enumerate(chosen.tolist()):
                said = answers[computed[row]]
                if said[-1:] != [model.eos]:
                    said.append(token)
                    going += [row] if token != model.eos else []
            if not going or step == max_new_tokens - 1:
                break
            if 2 * len(going) <= len(computed):
                # one long answer would keep all the others waiting; by halves little is copied
                rows = torch.tensor(going, device=device)
                computed = [computed[row] for row in going]
                chosen, lengths = chosen[rows], lengths[rows]
                cache.keep(rows)
                if bias is not None:
                    bias = bias.unflatten(0, (-1, cache.kv_heads))[rows].flatten(0, 1)
            place = _Place(longest + step, *_turn(inner, lengths + step), bias)
            last = _write(inner, blocks, model.embed(chosen).float(), cache, place)
        return [self._ended(ids) for ids in answers]

    def _ended(self, ids: list[int]) -> Written:
        """Cut an answer at its end token."""
        end = ids.index(self.model.eos) if self.model.eos in ids else None
        return Written(ids[:end], end is not None)

    def _choose(self, last: Float[Tensor, "batch width"]) -> Int[Tensor, " batch"]:
        """Take the most probable word; half-precision scores are equal too often, so the best are computed again."""
        inner, head = self.model.network.model, self.model.network.get_output_embeddings()
        normal = _norm(last, inner.norm.weight.float(), inner.norm.variance_epsilon)
        if self.model.dtype == torch.float32 or type(head) is not nn.Linear:
            return self.model.logits(normal.to(self.model.dtype)).argmax(-1)
        _, best = self.model.logits(normal.to(self.model.dtype)).topk(CANDIDATES)
        rows = head.weight[best].float()
        scores = torch.einsum("b k c, b c -> b k", rows, normal)
        if head.bias is not None:
            scores = scores + head.bias[best]
        return best.gather(1, scores.argmax(-1, keepdim=True))[:, 0]

    def _by_transformers(self, prompt: Tensor, max_new_tokens: int) -> Written:
        vectors = prompt[None].to(self.model.dtype)
        ids: list[int] = self.model.network.generate(
            inputs_embeds=vectors,
            attention_mask=torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=self.model.eos,
            pad_token_id=self.model.pad,
        )[0].tolist()
        return self._ended(ids)


class _Cache:
    """Keys and values of every block in single precision, heads stacked on prompts, with room for the answer."""

    def __init__(self, inner: Any, batch: int, size: int, device: torch.device) -> None:
        config = inner.config
        self.size = size
        self.heads: int = config.num_attention_heads
        self.kv_heads: int = config.num_key_value_heads
        self.channels: int = inner.layers[0].self_attn.head_dim
        shape = (len(inner.layers), batch * self.kv_heads, size, self.channels)
        self.keys, self.values = (
            torch.empty(shape, device=device),
            torch.empty(shape, device=device),
        )

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Forget all prompts but some."""
        for name in ("keys", "values"):
            every = getattr(self, name).unflatten(1, (-1, self.kv_heads))
            setattr(self, name, every[:, rows].flatten(1, 2))


class _Place(NamedTuple):
    """Where a new token stands: its place in the cache, its angles, and which places are looked at."""

    at: int
    cos: Float[Tensor, "batch 1 channel"]
    sin: Float[Tensor, "batch 1 channel"]
    bias: Float[Tensor, "batch_and_kv_head 1 size"] | None


def _block(layer: Any, dtype: torch.dtype) -> _Block:
    """Put the weights in effect of a block together."""
    attention, mlp = layer.self_attn, layer.mlp
    return _Block(
        layer.input_layernorm.weight.float(),
        _together((attention.q_proj, attention.k_proj, attention.v_proj), dtype),
        _together((attention.o_proj,), dtype),
        layer.post_attention_layernorm.weight.float(),
        _together((mlp.gate_proj, mlp.up_proj), dtype),
        _together((mlp.down_proj,), dtype),
    )


def _weights_in_effect(network: Any) -> bool:
    """Decide whether every linear layer of the blocks is a plain one, under nothing but what can be merged."""
    for layer in network.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        parts = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
        for part in (*parts, mlp.gate_proj, mlp.up_proj, mlp.down_proj):
            while hasattr(part, "merge"):
                part = part.base
            if type(part) is not nn.Linear:  # quantised, or under an adapter
                return False
    return True


def _together(layers: Sequence[nn.Module], dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of linear layers one below the other; wrappers say what is in effect."""
    parts: Any = layers
    weights = [layer.weight.to(dtype) for layer in parts]
    weight = weights[0] if len(weights) == 1 else torch.cat(weights)
    if all(layer.bias is None for layer in parts):
        return weight, None
    biases = [
        w.new_zeros(len(w)) if layer.bias is None else layer.bias.to(dtype)
        for layer, w in zip(parts, weights, strict=True)
    ]
    return weight, torch.cat(biases)


def _turn(inner: Any, positions: Int[Tensor, " batch"]) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine for turning a vector whose halves are swapped: no half need be negated."""
    cos, sin = angles(inner, positions[:, None], torch.float32)
    first, second = sin[:, 0].chunk(2, dim=-1)
    return cos[:, 0], torch.cat((-first, second), dim=-1)


def _read(
    inner: Any, blocks: list[_Block], x: Float[Tensor, "batch token width"], cache: _Cache
) -> Float[Tensor, "batch token width"]:
    """Run all blocks over the prompts and keep their keys and values."""
    tokens = x.shape[1]
    heads, kv_heads, dtype = cache.heads, cache.kv_heads, x.dtype
    eps = inner.norm.variance_epsilon
    cos, sin = angles(inner, torch.arange(tokens, device=x.device)[None], dtype)
    scale, grouped = inner.layers[0].self_attn.scaling, heads != kv_heads
    x = x.float()
    for block, keys, values in zip(blocks, cache.keys, cache.values, strict=True):
        qkv = F.linear(_norm(x, block.first_norm, eps).to(dtype), *block.qkv)
        split = rearrange(qkv, "b t (h c) -> b h t c", c=cache.channels)
        turned = rotate(split[:, : heads + kv_heads], cos, sin)
        k, v = turned[:, heads:], split[:, heads + kv_heads :]
        keys[:, :tokens], values[:, :tokens] = k.flatten(0, 1), v.flatten(0, 1)
        out = F.scaled_dot_product_attention(
            turned[:, :heads], k, v, is_causal=True, scale=scale, enable_gqa=grouped
        )
        x = x + F.linear(rearrange(out, "b h t c -> b t (h c)"), *block.out)
        hidden = F.linear(_norm(x, block.second_norm, eps).to(dtype), *block.gate_up)
        gate, up = hidden.chunk(2, dim=-1)
        x = x + F.linear(F.silu(gate) * up, *block.down)
    return x


def _write(
    inner: Any,
    blocks: list[_Block],
    x: Float[Tensor, "batch width"],
    cache: _Cache,
    place: _Place,
) -> Float[Tensor, "batch width"]:
    """Run all blocks over one new token of each prompt.

    Attention and sums are computed in single precision: beside the products with the weights they cost nothing.
    """
    batch, dtype = len(x), blocks[0].qkv[0].dtype
    both = cache.heads + cache.kv_heads
    group = cache.heads // cache.kv_heads
    eps, end = inner.norm.variance_epsilon, place.at + 1
    scale = inner.layers[0].self_attn.scaling
    bias = None if place.bias is None else place.bias[:, :, :end]
    apply = _single if batch == 1 else F.linear
    x = x.clone()
    kv = zip(cache.keys.unbind(), cache.values.unbind(), strict=True)
    for block, (keys, values) in zip(blocks, kv, strict=True):
        split = apply(_norm(x, block.first_norm, eps).to(dtype), *block.qkv)
        split = split.float().view(batch, -1, cache.channels)
        turning, v = split.split((both, cache.kv_heads), dim=1)
        swapped = turning.roll(cache.channels // 2, dims=-1)
        turned = (turning * place.cos).addcmul_(swapped, place.sin)
        q, k = turned.split((cache.heads, cache.kv_heads), dim=1)
        keys.select(1, place.at).copy_(k.reshape(-1, cache.channels))
        values.select(1, place.at).copy_(v.reshape(-1, cache.channels))
        q = q.reshape(-1, group, cache.channels)
        scores = torch.bmm(q, keys[:, :end].transpose(1, 2)).mul_(scale)
        if bias is not None:
            scores += bias
        out = torch.bmm(scores.softmax(-1), values[:, :end]).view(batch, -1)
        x += apply(out.to(dtype), *block.out)
        hidden = apply(_norm(x, block.second_norm, eps).to(dtype), *block.gate_up)
        gate, up = hidden.chunk(2, dim=-1)
        x += apply(F.silu(gate).mul_(up), *block.down)
    return x


def _single(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear layer for one vector, as a product of matrix and vector."""
    y = torch.mv(weight, x[0])
    return (y if bias is None else y + bias)[None]


def _norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Normalise by the root of the mean square, in single precision."""
    if (
        len(x) == 1 and x.ndim == 2 and x.device.type == "cpu"
    ):  # one number: without five calls on a tensor of one
        inverse: Any = (float(torch.dot(x[0], x[0])) / x.shape[1] + eps) ** -0.5
    else:
        inverse = torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
    return (x * inverse).mul_(weight)
