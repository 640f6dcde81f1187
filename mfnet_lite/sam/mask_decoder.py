r"""SAM's mask decoder for many prompts on many images, in one step and two forms.

:func:`decode` is what prompting, interactive training and automatic mask generation share. By default it calls
the decoder's own modules. Its other form gives the same numbers with nothing computed per pixel twice.

The official decoder repeats the image once per prompt and projects every image token to keys, values and
queries, although a prompt has only a handful of tokens. Three exact rearrangements avoid that.

* *Projections move to the prompt's side.* With token queries :math:`q_h` and image tokens :math:`x`,
  :math:`q_h\cdot(W_h x + b_h) = (W_h^\top q_h)\cdot x + \mathrm{const}`, and the constant, equal for all keys,
  leaves the softmax as it is. Values move likewise: :math:`\sum_x p_x (W_h x + b_h) = W_h (\sum_x p_x x) + b_h`.
  In the other direction (image tokens ask prompt tokens) query and output projections move to the prompt's
  side in the same way. Image tokens meet heads · tokens vectors (56 for a click) instead of three projections.
* *What prompts share is computed once.* Before the first update, image tokens are the same for all prompts of
  an image, unless a mask was fed back.
* *The image stays channel-last*, so that transposed convolutions of stride 2 are plain matrix products.

``scripts/benchmarks/sam.py`` and ``scripts/benchmarks/pretraining.py`` measure what it saves. Only official
modules are read, never changed; a decoder with anything injected into it is left to its own ``forward``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from einops import einsum, rearrange, repeat
from jaxtyping import Bool, Float
from segment_anything.modeling import MaskDecoder, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.transformer import Attention
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from mfnet_lite.sam.official_decoder import is_official
from mfnet_lite.sam.products import product_abt, product_atb

__all__: list[str] = []  # what prompting and automatic masks share; not part of the interface

ImageTokens = Float[Tensor, "images shared pixels channels"]
"""Tokens of each image; ``shared`` is 1 while all prompts see the same ones, else the number of prompts."""
PromptTokens = Float[Tensor, "images prompts tokens channels"]


def transform(
    transformer: TwoWayTransformer,
    image: ImageTokens,
    position: Float[Tensor, "pixels channels"],
    tokens: PromptTokens,
) -> tuple[PromptTokens, ImageTokens]:
    """Run the two-way transformer.

    Args:
        transformer: The official module.
        image: Image tokens, once per image or once per prompt.
        position: Positional code of the image tokens.
        tokens: Output tokens and prompt tokens; also their own positional code.

    Returns:
        Updated prompt tokens, and updated image tokens of every prompt.
    """
    # As in the official class, prompt tokens and the positions of the image are added again before every attention:
    # queries and keys shall know where they are, values shall not.
    queries, keys = tokens, image
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            queries = layer.norm1(_among_tokens(layer.self_attn, queries, queries))
        else:
            located = queries + tokens
            queries = layer.norm1(queries + _among_tokens(layer.self_attn, located, queries))
        located_keys = keys + position
        attended = tokens_to_image(
            layer.cross_attn_token_to_image, queries + tokens, located_keys, keys
        )
        queries = layer.norm2(queries + attended)
        queries = layer.norm3(queries + layer.mlp(queries))
        attended = image_to_tokens(
            layer.cross_attn_image_to_token, located_keys, queries + tokens, queries
        )
        keys = layer.norm4(keys + attended)
    attended = tokens_to_image(
        transformer.final_attn_token_to_image, queries + tokens, keys + position, keys
    )
    return transformer.norm_final_attn(queries + attended), keys


def tokens_to_image(
    attention: Attention, q: PromptTokens, k: ImageTokens, v: ImageTokens
) -> PromptTokens:
    """Attend from prompt tokens to image tokens, whose projections are moved to the prompt's side.

    Args:
        attention: The official module.
        q: Prompt tokens with their position.
        k: Image tokens with their position.
        v: Image tokens.
    """
    heads, shared = attention.num_heads, k.shape[1]
    # q·(W k + b) = (Wᵀ q)·k + q·b, and softmax does not see q·b, which is the same for all pixels. So a few prompt
    # tokens go through the key projection, and the many image tokens through none.
    query = _in_heads(attention.q_proj(q), attention, shared)
    key_weight = rearrange(attention.k_proj.weight, "(h d) c -> h d c", h=heads)
    rows = _through(query, key_weight) * _scale(attention)
    # A row of logits holds all pixels: softmax runs along memory, as everything does that is as long as the image.
    logits = product_abt(rearrange(rows, "n s g h t c -> n s (g h t) c"), k)
    # The weights of a row sum to one, so projecting the sum of image tokens is summing projected ones.
    attended = logits.softmax(dim=3) @ v
    attended = rearrange(attended, "n s (g h t) c -> n s g h t c", h=heads, t=q.shape[2], s=shared)
    value_weight = rearrange(attention.v_proj.weight, "(h d) c -> h c d", h=heads)
    value = rearrange(_through(attended, value_weight), "n s g h t d -> n (s g) t (h d)")
    return attention.out_proj(value + attention.v_proj.bias)


def image_to_tokens(
    attention: Attention, q: ImageTokens, k: PromptTokens, v: PromptTokens
) -> ImageTokens:
    """Attend from image tokens to prompt tokens; all four projections run on the prompt's side.

    Args:
        attention: The official module.
        q: Image tokens with their position.
        k: Prompt tokens with their position.
        v: Prompt tokens.
    """
    heads, shared = attention.num_heads, q.shape[1]
    # Here the image tokens are the queries. (W x + b)·key = x·(Wᵀ key) + b·key, and b·key differs from one prompt token
    # to the next: softmax runs over these, so the constant must stay.
    key = _in_heads(attention.k_proj(k), attention, shared) * _scale(attention)
    query_weight = rearrange(attention.q_proj.weight, "(h d) c -> h d c", h=heads)
    query_bias = rearrange(attention.q_proj.bias, "(h d) -> h d", h=heads)
    rows = rearrange(_through(key, query_weight), "n s g h t c -> n s (g h t) c")
    constant = einsum(key, query_bias, "n s g h t d, h d -> n s g h t")
    logits = product_abt(rows, q) + rearrange(constant, "n s g h t -> n s (g h t) 1")
    # Softmax over a handful of tokens is slow along memory and fast across it, for as many pixels as fit at a time.
    split = "n s (g h t) pixels -> n s g h t pixels"
    weights = rearrange(logits, split, h=heads, t=k.shape[2]).softmax(dim=4)
    weights = rearrange(weights, "n s g h t pixels -> n (s g) (h t) pixels")
    # Value and output projections of a handful of prompt tokens, ahead of the sum over them.
    value = _in_heads(attention.v_proj(v), attention, shared)
    out_weight = rearrange(attention.out_proj.weight, "c (h d) -> h d c", h=heads)
    # The weights of a head sum to one, so the bias may be added to its values in equal parts.
    values = _through(value, out_weight) + attention.out_proj.bias / heads
    return product_atb(weights, rearrange(values, "n s g h t c -> n (s g) (h t) c"))


def _among_tokens(attention: Attention, q: PromptTokens, v: PromptTokens) -> PromptTokens:
    """Attend among the tokens of each prompt."""
    flat = "n p t c -> (n p) t c"
    located = rearrange(q, flat)
    return attention(located, located, rearrange(v, flat)).view_as(q)


def _in_heads(
    projected: PromptTokens, attention: Attention, shared: int
) -> Float[Tensor, "images shared prompts_each heads tokens dim"]:
    """Split channels into heads, and prompts into those which share their image tokens."""
    return rearrange(projected, "n (s g) t (h d) -> n s g h t d", s=shared, h=attention.num_heads)


def _through(
    x: Float[Tensor, "images shared prompts_each heads tokens channels_in"],
    weight: Float[Tensor, "heads channels_in channels_out"],
) -> Float[Tensor, "images shared prompts_each heads tokens channels_out"]:
    """Multiply every head with a matrix of its own."""
    return einsum(x, weight, "n s g h t i, h i o -> n s g h t o")


def _scale(attention: Attention) -> float:
    return (attention.internal_dim // attention.num_heads) ** -0.5


def upscale(
    upscaling: nn.Sequential, image: ImageTokens
) -> Float[Tensor, "images prompts pixels four four_again channels"]:
    """Upscale image tokens four times, as matrix products over channels, all but the last gelu.

    Args:
        upscaling: The official ``output_upscaling``.
        image: Image tokens.

    Returns:
        For every image token its 4 × 4 pixels, in the order (row, column) of the first doubling and then
        (row, column) of the second.
    """
    first, norm, gelu, second, _ = upscaling
    assert isinstance(first, nn.ConvTranspose2d)
    assert isinstance(second, nn.ConvTranspose2d)
    assert isinstance(norm, LayerNorm2d)
    x = _doubled(first, image)
    # LayerNorm2d normalises over the channels of each pixel, which is the last axis here.
    x = gelu(F.layer_norm(x, (x.shape[-1],), norm.weight, norm.bias, norm.eps))
    return _doubled(second, x)


def _doubled(
    convolution: nn.ConvTranspose2d, x: Float[Tensor, "*n channels_in"]
) -> Float[Tensor, "*n four channels_out"]:
    """Apply a transposed convolution of kernel and stride 2: every pixel becomes four of its own."""
    weight = rearrange(convolution.weight, "i o y x -> (y x o) i")
    bias = None if convolution.bias is None else convolution.bias.repeat(4)
    return F.linear(x, weight, bias).unflatten(-1, (4, -1))


def gelu_masks(
    hyper: Float[Tensor, "images prompts masks channels"],
    upscaled: Float[Tensor, "images prompts pixels four four_again channels"],
    height: int,
) -> Float[Tensor, "images prompts masks mask_height mask_width"]:
    """Multiply each mask's vector with the gelu of every pixel and put the pixels in the order of the mask.

    A ``TorchFunctionMode`` may exchange this function as it may exchange PyTorch's own.

    Args:
        hyper: A vector for each mask.
        upscaled: From :func:`upscale`.
        height: Rows of image tokens.
    """
    if has_torch_function((hyper, upscaled)):
        return handle_torch_function(gelu_masks, (hyper, upscaled), hyper, upscaled, height)
    flat = rearrange(F.gelu(upscaled), "n p pixels i j c -> n p (pixels i j) c")
    return _PixelOrder.apply(product_abt(hyper, flat), height)


class _PixelOrder(torch.autograd.Function):
    """Put the 4 × 4 pixels of every image token in row-major order.

    The innermost axis of this pattern has two elements, which PyTorch copies one by one. As one integer of
    twice the size they move together, several times faster.
    """

    @staticmethod
    def forward(ctx: Any, masks: Tensor, height: int) -> Tensor:
        ctx.height = height
        return _move_pairs("n p m (y x i j k) l -> n p m (y i k) (x j l)", masks, height)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        back = "n p m (y i k) (x j) l -> n p m (y x i j k l)"
        return _move_pairs(back, grad, ctx.height), None


def _move_pairs(pattern: str, x: Tensor, height: int) -> Tensor:
    """Rearrange a tensor whose last axis consists of pairs (l)."""
    wider = {2: torch.int32, 4: torch.int64}.get(x.element_size())
    pairs = x.contiguous().unflatten(-1, (-1, 2))
    if wider is not None:
        pairs = pairs.view(wider)
    moved = rearrange(pairs, pattern, y=height, i=2, j=2, k=2).contiguous()
    return moved if wider is None else moved.view(x.dtype)


@dataclass(frozen=True)
class Decoded:
    """What the two-way transformer made of image and prompts; masks come out of it when they are asked for.

    Enlarging the image tokens costs far more than estimating the quality of masks, so automatic mask generation
    looks at :attr:`iou` first and has masks made of the prompts that pass.

    Attributes:
        decoder: The mask decoder that ran.
        states: The decoder's own tokens and the prompt's after the transformer, (images, prompts, tokens,
            channels); of the decoder's own modules images and prompts are one axis.
        image: Image tokens after the transformer, (images, prompts, pixels, channels) or likewise.
        shape: Number of images and of prompts.
        height: Rows of image tokens.
        rearranged: In which form the decoder ran, and makes masks.
    """

    decoder: MaskDecoder
    states: Tensor
    image: Tensor
    shape: tuple[int, int]
    height: int
    rearranged: bool

    @property
    def iou(self) -> Float[Tensor, "images prompts masks"]:
        """Predicted IoU of all masks, the single one first."""
        iou: Tensor = self.decoder.iou_prediction_head(self.states[..., 0, :])
        return iou if self.rearranged else iou.unflatten(0, self.shape)

    def masks(
        self,
        kept: Bool[Tensor, "images prompts"] | None = None,
        candidates: slice = slice(None),
    ) -> Float[Tensor, "*prompts masks y x"]:
        """Make masks.

        Args:
            kept: The prompts whose masks are wanted; None for all.
            candidates: Which masks of each prompt, of which the first is the single one.

        Returns:
            Logits, with the axes images and prompts for all prompts, with one axis for those that were kept.
        """
        networks = list(enumerate(self.decoder.output_hypernetworks_mlps, start=1))[candidates]
        if self.rearranged:
            states = self.states if kept is None else self.states[kept][None]
            image = self.image if kept is None else self.image[kept][None]
            vectors = torch.stack([network(states[:, :, i]) for i, network in networks], dim=2)
            found = gelu_masks(vectors, upscale(self.decoder.output_upscaling, image), self.height)
            return found if kept is None else found[0]
        rows = slice(None) if kept is None else kept.flatten()
        grid = rearrange(self.image[rows], "n (h w) c -> n c h w", h=self.height)
        upscaled = self.decoder.output_upscaling(grid)
        vectors = torch.stack([network(self.states[rows, i]) for i, network in networks], dim=1)
        found = torch.einsum("n k c, n c y x -> n k y x", vectors, upscaled)
        return found.unflatten(0, self.shape) if kept is None else found


def decode(
    decoder: MaskDecoder,
    embeddings: Float[Tensor, "images channels h w"],
    dense: Float[Tensor, "images_or_1 prompts_or_1 channels h_or_1 w_or_1"],
    position: Float[Tensor, "channels h w"],
    tokens: PromptTokens,
    rearranged: bool = False,
    official: bool | None = None,
) -> Decoded:
    """Run the decoder on every prompt of every image: the one step of prompting, training and automatic masks.

    Args:
        decoder: The official mask decoder.
        embeddings: One per image.
        dense: What is added to the embeddings: the code of the masks fed back, or of their absence.
        position: Positional code of the image tokens.
        tokens: Prompt tokens.
        rearranged: Run the products in another order where nothing was injected into the decoder.
        official: What :func:`is_official` said of this decoder just before, for several calls; None asks it.

    Returns:
        The state from which masks and their predicted IoU are read.
    """
    # Why there are two forms. The rearranged one is faster the more prompts share an image, and in training most of
    # all. But it adds the same numbers in another order, so that results differ in their last bits, a bias which
    # softmax cannot see gets no gradient, and it reads weights instead of calling modules, so that a LoRA or a hook
    # inside the decoder would be passed over. Hence the decoder's own modules are the default, whose bits the book's
    # printed numbers rest on, and the only form where something was injected.
    rearranged = rearranged and (is_official(decoder) if official is None else official)
    shape, height = (tokens.shape[0], tokens.shape[1]), embeddings.shape[-2]
    own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    own = repeat(own, "k c -> n p k c", n=shape[0], p=shape[1])
    queries = torch.cat([own, tokens.to(own.dtype)], dim=2)
    source = embeddings[:, None] + dense
    if rearranged:
        image = rearrange(source, "n s c h w -> n s (h w) c")
        code = rearrange(position, "c h w -> (h w) c").to(image.dtype)
        states, image = transform(decoder.transformer, image, code, queries)
    else:
        source = source.expand(-1, shape[1], -1, -1, -1).flatten(0, 1)
        states, image = decoder.transformer(
            source, position.expand(len(source), -1, -1, -1), queries.flatten(0, 1)
        )
    return Decoded(decoder, states, image, shape, height, rearranged)
