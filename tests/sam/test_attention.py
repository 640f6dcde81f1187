from __future__ import annotations

import copy

import pytest
import torch
from segment_anything.modeling.image_encoder import Attention

from mfnet_lite.sam import TINY, build_sam, fuse_attention, fused_attention, unfuse_attention
from mfnet_lite.sam.attention import (
    FusedAttention,
    FusedTokenAttention,
    biased_attention,
    folded_attention,
    relative_terms,
)


@pytest.fixture(scope="module")
def encoder():
    encoder = build_sam(TINY, seed=0).image_encoder
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in encoder.named_parameters():
            if "pos" in name:  # zero in a new model, which would test nothing
                p.normal_(0, 0.3, generator=generator)
    return encoder


def random_image(images=2):
    return torch.rand(images, 3, 256, 256, generator=torch.Generator().manual_seed(2))


def one(side, dim, heads):
    torch.manual_seed(4)
    module = Attention(dim, heads, use_rel_pos=True, input_size=side)
    torch.nn.init.normal_(module.rel_pos_h, 0, 0.5)
    torch.nn.init.normal_(module.rel_pos_w, 0, 0.5)
    return module


@pytest.mark.parametrize("side", [(14, 14), (32, 32), (5, 9)])
@pytest.mark.parametrize("grad", [False, True])
def test_equals_the_official_module(side, grad):
    official = one(side, 48, 3)
    x = torch.randn(2, *side, 48)
    with torch.set_grad_enabled(grad):
        expected = official(x)
        found = fuse_attention(copy.deepcopy(official))(x)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_tables_of_another_length_are_interpolated_as_officially():
    official = one((14, 14), 48, 3)
    x = torch.randn(1, 9, 9, 48)
    with torch.no_grad():
        torch.testing.assert_close(
            fuse_attention(copy.deepcopy(official))(x), official(x), atol=1e-5, rtol=0
        )


def test_without_relative_positions():
    official = Attention(48, 3)
    x = torch.randn(1, 4, 6, 48)
    with torch.no_grad():
        torch.testing.assert_close(
            fuse_attention(copy.deepcopy(official))(x), official(x), atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("chunk_bytes", [1, 5_000, 60_000, 10**9])
def test_chunks_do_not_change_the_answer(chunk_bytes):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 5, 2, 63, 8)
    rel = relative_terms(q, torch.randn(13, 8), torch.randn(17, 8), 7, 9)
    whole = folded_attention(q, k, v, *rel, scale=0.3)
    chunks = biased_attention(q, k, v, *rel, scale=0.3, chunk_bytes=chunk_bytes)
    torch.testing.assert_close(chunks, whole, atol=1e-5, rtol=0)


def test_whole_encoder_and_exact_removal(encoder):
    keys = list(encoder.state_dict())
    with torch.no_grad():
        official = encoder(random_image())
        with fused_attention(encoder):
            assert sum(type(m) is FusedAttention for m in encoder.modules()) == 6
            assert list(encoder.state_dict()) == keys
            fused = encoder(random_image())
        torch.testing.assert_close(fused, official, atol=1e-5, rtol=0)
        assert torch.equal(encoder(random_image()), official)
    assert all(type(b.attn) is Attention for b in encoder.blocks)


def test_gradients_equal_the_official_ones(encoder):
    double = copy.deepcopy(encoder).double()
    weights = torch.randn(1, 128, 32, 32, dtype=torch.float64)

    def gradients():
        double.zero_grad()
        image = random_image(1).double().requires_grad_()
        (double(image) * weights).sum().backward()
        return [image.grad, *(p.grad for p in double.parameters())]

    official = gradients()
    fuse_attention(double)
    for found, expected in zip(gradients(), official, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("grad", [False, True])
def test_autocast_is_finite_and_near(encoder, grad):
    with torch.no_grad():
        exact = encoder(random_image(1))
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(grad):
        official = encoder(random_image(1)).detach().float()
        with fused_attention(encoder):
            ours = encoder(random_image(1)).detach().float()
    assert ours.isfinite().all()
    # As far from the exact answer as the official module under the same autocast, not further.
    assert (ours - exact).abs().mean() < 1.5 * (official - exact).abs().mean()


def test_changed_tables_are_seen_at_once():
    module = fuse_attention(one((6, 6), 16, 2))
    x = torch.randn(1, 6, 6, 16)
    with torch.no_grad():
        before = module(x)
        module.rel_pos_h.mul_(-1)
        after = module(x)
    official = unfuse_attention(copy.deepcopy(module))
    assert not torch.allclose(before, after, atol=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(after, official(x), atol=1e-5, rtol=0)


def test_mask_decoder_equals_the_official_one_and_gradients_too():
    sam = build_sam(TINY, seed=0)
    decoder = sam.mask_decoder
    torch.manual_seed(0)
    embedding = torch.randn(1, 128, 32, 32, requires_grad=True)
    points = torch.rand(3, 2, 2) * 256
    prompts = sam.prompt_encoder((points, torch.ones(3, 2)), None, None)
    prompts = [p.detach() for p in prompts]
    position = sam.prompt_encoder.get_dense_pe()

    def answer():
        masks, iou = decoder(embedding, position, *prompts, True)
        (gradient,) = torch.autograd.grad(masks.sum() + iou.sum(), embedding)
        return masks, iou, gradient

    official = answer()
    with fused_attention(decoder):
        assert sum(type(m) is FusedTokenAttention for m in decoder.modules()) == 7
        fused = answer()
    for found, expected in zip(fused, official, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    for found, expected in zip(answer(), official, strict=True):
        assert torch.equal(found, expected)


def test_a_model_fused_before_stays_fused():
    module = fuse_attention(one((4, 4), 16, 2))
    with fused_attention(module):
        pass
    assert type(module) is FusedAttention
