"""The image encoder of the small pair: any size, no table of positions, the two ways of attention agree."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets.encoders import conv_stem_vit
from mfnet_lite.nets.encoders.conv_stem_vit import ConvStemConfig, ConvStemViT, attention
from mfnet_lite.nets.encoders.plain_vit import plain_vit

SMALL = ConvStemConfig(width=16, depth=2, heads=2, mlp_ratio=2.0, stem=(4, 8, 8))


@pytest.fixture
def vit():
    torch.manual_seed(0)
    return ConvStemViT(SMALL)


@pytest.mark.parametrize("size", [(8, 8), (40, 64), (16, 72)])
def test_any_multiple_of_the_patch(vit, size):
    images = torch.rand(2, 3, *size)
    grid = vit.grid(images)
    tokens = vit.embed(images)
    assert tokens.shape == (2, 1 + grid[0] * grid[1], 16)
    assert vit.block(1, tokens, grid).shape == tokens.shape
    assert vit(images).shape == (2, 16, *grid)
    with pytest.raises(ValueError, match="multiples of the patch size 8"):
        vit(torch.rand(1, 3, 20, 16))


def test_it_is_one_of_the_plain_encoders(vit):
    assert plain_vit(vit) is vit
    assert (vit.patch, vit.prefix, vit.width, vit.depth, vit.channels) == (8, 1, 16, 2, 16)
    assert vit.mean.shape == vit.std.shape == (3, 1, 1)


def test_full_size_has_the_stated_weights():
    with torch.device("meta"):
        full = ConvStemViT(ConvStemConfig())
    assert sum(p.numel() for p in full.parameters()) == 2_356_160


def test_a_token_knows_where_it_is(vit):
    """A picture of one colour: without positions all patches would be alike."""
    found = vit(torch.full((1, 3, 64, 64), 0.5))[0]
    assert not torch.allclose(found[:, 0, 0], found[:, 4, 4], atol=1e-4)


def test_gradients_reach_every_weight(vit):
    images = torch.rand(1, 3, 24, 32)
    tokens, grid = vit.embed(images), vit.grid(images)
    for number in range(vit.depth):
        tokens = vit.block(number, tokens, grid)
    vit.norm(tokens).square().sum().backward()
    assert [name for name, p in vit.named_parameters() if p.grad is None] == []


def test_attention_is_the_same_written_out_and_fused():
    q, k, v = torch.randn(3, 2, 2, 7, 8)
    with torch.no_grad():
        fused = attention(q, k, v)
    assert torch.allclose(attention(q, k, v), fused, atol=1e-6)


def test_many_tokens_take_the_fused_form(monkeypatch):
    q, k, v = torch.randn(3, 1, 1, 5, 4, requires_grad=True)
    plain = attention(q, k, v)
    monkeypatch.setattr(conv_stem_vit, "FEW", 4)
    assert torch.allclose(attention(q, k, v), plain, atol=1e-6)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="3 heads do not divide a width of 16"):
        ConvStemViT(ConvStemConfig(width=16, heads=3))
