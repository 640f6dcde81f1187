"""Whether a mask decoder is the official one in every part that :mod:`mfnet_lite.sam.mask_decoder` rearranges.

There weights are read and products put in another order, instead of modules called. What was injected, what listens,
and what the constructor of the official class was given in another kind would be passed over.
"""

from __future__ import annotations

from segment_anything.modeling import MaskDecoder, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d, MLPBlock
from segment_anything.modeling.mask_decoder import MLP
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import nn

from mfnet_lite.sam.attention import FusedTokenAttention

__all__: list[str] = []  # not part of the interface

OFFICIAL = (
    MaskDecoder,
    TwoWayTransformer,
    TwoWayAttentionBlock,
    Attention,
    FusedTokenAttention,
    MLPBlock,
    MLP,
    LayerNorm2d,
    nn.LayerNorm,
    nn.Linear,
    nn.ConvTranspose2d,
    nn.Embedding,
    nn.Sequential,
    nn.ModuleList,
    nn.GELU,
    nn.ReLU,
)
"""Modules of a decoder that nothing was injected into."""

UPSCALING = (nn.ConvTranspose2d, LayerNorm2d, nn.GELU, nn.ConvTranspose2d, nn.GELU)
"""Modules that enlarge image tokens."""


def is_official(decoder: nn.Module) -> bool:
    """Decide whether every part of a decoder is the official one, so that it may be rearranged.

    Neither is what hooks hear, or what has a ``forward`` of its own, as accelerate gives to modules; nor is a decoder
    of official classes in which the rearranged products would compute something else: with another activation than
    the exact gelu where masks are enlarged, with transposed convolutions that overlap, or projections without a bias.

    Args:
        decoder: A mask decoder.
    """
    return (
        all(type(m) in OFFICIAL and not _is_listened_to(m) for m in decoder.modules())
        and _doubles_twice(getattr(decoder, "output_upscaling", None))
        and all(_projects(m) for m in decoder.modules() if isinstance(m, Attention))
    )


def _is_listened_to(module: nn.Module) -> bool:
    """Whether something happens, when a module is called or differentiated, that its class does not do."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or "forward" in vars(module)
    )


def _doubles_twice(upscaling: nn.Module | None) -> bool:
    """Whether it enlarges as the rearranged form does, four times in two steps with the exact gelu after each."""
    parts = list(upscaling.children()) if type(upscaling) is nn.Sequential else []
    return tuple(map(type, parts)) == UPSCALING and all(
        part.approximate == "none"
        if isinstance(part, nn.GELU)
        else not isinstance(part, nn.ConvTranspose2d) or _doubles(part)
        for part in parts
    )


def _doubles(convolution: nn.ConvTranspose2d) -> bool:
    """Whether every pixel becomes four of its own, by the same weights for all channels."""
    return (
        convolution.kernel_size == convolution.stride == (2, 2)
        and convolution.padding == convolution.output_padding == (0, 0)
        and convolution.dilation == (1, 1)
        and convolution.groups == 1
    )


def _projects(attention: Attention) -> bool:
    """Whether an attention's projections are the four whose weights are read."""
    projections = (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj)
    return all(type(each) is nn.Linear and each.bias is not None for each in projections)
