"""Which decoders may be rearranged; that the others keep their own form is tested in test_mask_decoder.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from segment_anything.modeling import MaskDecoder
from torch import nn

from mfnet_lite.sam.attention import fuse_attention
from mfnet_lite.sam.build import TINY, build_sam
from mfnet_lite.sam.official_decoder import is_official


@pytest.fixture
def sam():
    return build_sam(replace(TINY, image_size=64, depth=1, global_blocks=(0,)))


@pytest.fixture
def decoder(sam):
    return sam.mask_decoder


def test_ours_is_official_with_fused_attention_too(sam):
    assert is_official(sam.mask_decoder)
    assert is_official(fuse_attention(sam).mask_decoder)


@pytest.mark.parametrize("activation", [nn.GELU, nn.ReLU, nn.SiLU])
def test_what_the_constructor_was_given(decoder, activation):
    built = MaskDecoder(transformer_dim=128, transformer=decoder.transformer, activation=activation)
    assert is_official(built) == (activation is nn.GELU)


@pytest.mark.parametrize(
    "changed",
    [
        {"kernel_size": (4, 4)},
        {"stride": (1, 1)},
        {"padding": (1, 1)},
        {"output_padding": (1, 1)},
        {"dilation": (2, 2)},
        {"groups": 2},
    ],
    ids=str,
)
def test_transposed_convolutions_of_another_kind_are_not_official(decoder, changed):
    for key, value in changed.items():
        setattr(decoder.output_upscaling[3], key, value)
    assert not is_official(decoder)


def test_another_number_of_steps_is_not_official(decoder):
    decoder.output_upscaling = decoder.output_upscaling[:3]
    assert not is_official(decoder)
    decoder.output_upscaling = nn.Sequential()
    assert not is_official(decoder)
    assert not is_official(nn.Linear(1, 1))
