"""The rearranged mask decoder equals the official one, in values and gradients, or steps aside."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from einops import rearrange
from segment_anything.modeling.common import LayerNorm2d
from torch import nn

from mfnet_lite.sam.build import TINY, build_sam
from mfnet_lite.sam.mask_decoder import decode
from mfnet_lite.sam.official_decoder import is_official
from mfnet_lite.sam.prompts import predict_masks


@pytest.fixture
def sam():
    torch.manual_seed(0)
    model = build_sam(replace(TINY, image_size=64, depth=1, global_blocks=(0,)))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    model.mask_decoder.double()
    return model


def position(sam):
    return sam.prompt_encoder.pe_layer((8, 8)).double()


def inputs(images, prompts, tokens, dense_per_prompt):
    generator = torch.Generator().manual_seed(1)
    draw = {"generator": generator, "dtype": torch.float64}
    embeddings = torch.randn(images, 128, 8, 8, **draw).requires_grad_()
    dense = torch.randn(images, prompts, 128, 8, 8, **draw)
    if not dense_per_prompt:
        dense = torch.randn(1, 1, 128, 1, 1, **draw)
    sparse = torch.randn(images, prompts, tokens, 128, **draw).requires_grad_()
    return embeddings, dense.requires_grad_(), sparse


def official(sam, embeddings, dense, sparse):
    """Image by image, as the official decoder works."""
    masks, scores = [], []
    for i in range(len(embeddings)):
        own = dense[min(i, len(dense) - 1)].expand(sparse.shape[1], -1, 8, 8)
        found, iou = sam.mask_decoder.predict_masks(
            embeddings[i : i + 1], position(sam)[None].to(own), sparse[i], own
        )
        masks.append(found)
        scores.append(iou)
    return torch.stack(masks), torch.stack(scores)


@pytest.mark.parametrize("dense_per_prompt", [False, True])
def test_values_and_all_gradients_equal_the_official_ones(sam, dense_per_prompt):
    given = inputs(2, 3, 2, dense_per_prompt)
    step = decode(sam.mask_decoder, *given[:2], position(sam), given[2], rearranged=True)
    assert step.rearranged
    found = step.masks(), step.iou
    expected = official(sam, *given)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)
    parameters = dict(sam.mask_decoder.named_parameters())
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in expected]

    def gradients(outputs):
        total = sum((x * w).sum() for x, w in zip(outputs, weights, strict=True))
        return torch.autograd.grad(total, [*given, *parameters.values()], allow_unused=True)

    names = ["embeddings", "dense", "sparse", *parameters]
    for name, ours, theirs in zip(names, gradients(found), gradients(expected), strict=True):
        if ours is None:  # a shift of all logits: softmax does not see it
            assert name.endswith("k_proj.bias"), name
            assert theirs.abs().max() < 1e-9
        else:
            torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=1e-8, msg=name)


def test_single_precision_is_as_near_as_the_official_module(sam):
    given = inputs(1, 4, 2, False)
    exact = official(sam, *given)[0]
    single = [x.detach().float() for x in given]
    sam.float()
    with torch.no_grad():
        theirs = official(sam, *single)[0]
        ours = decode(
            sam.mask_decoder, *single[:2], position(sam).float(), single[2], rearranged=True
        ).masks()
    assert (ours - exact).abs().max() < 3 * (theirs - exact).abs().max() + 1e-6


class Doubled(nn.Linear):
    """A projection into which something was injected."""

    def forward(self, x):
        return 2 * super().forward(x)


def test_what_was_injected_is_not_passed_over(sam):
    assert is_official(sam.mask_decoder)
    embeddings, _, _ = inputs(1, 1, 1, False)
    boxes = torch.tensor([[[4.0, 8.0, 32.0, 60.0]]])
    before = predict_masks(sam, embeddings, boxes=boxes, rearranged=True).masks
    attention = sam.mask_decoder.transformer.layers[0].cross_attn_token_to_image
    attention.v_proj.__class__ = Doubled
    assert not is_official(sam.mask_decoder)
    changed = predict_masks(sam, embeddings, boxes=boxes, rearranged=True).masks
    assert (changed - before).abs().max() > 1e-4
    attention.v_proj.__class__ = nn.Linear
    torch.testing.assert_close(
        predict_masks(sam, embeddings, boxes=boxes, rearranged=True).masks, before
    )


def test_hooks_are_heard(sam):
    heard = []
    handle = sam.mask_decoder.transformer.register_forward_hook(lambda *_: heard.append(1))
    predict_masks(sam, inputs(1, 1, 1, False)[0], boxes=torch.zeros(1, 1, 4), rearranged=True)
    handle.remove()
    assert heard == [1]


def exchange(name, **changed):
    """Put another module in the place of one."""

    def act(decoder):
        parent, _, last = name.rpartition(".")
        old = decoder.get_submodule(name)
        new = changed.get("by") or copy.deepcopy(old)
        for key, value in changed.items():
            if key != "by":
                setattr(new, key, value)
        setattr(decoder.get_submodule(parent), last, new)

    return act


def double_by_instance(decoder):
    """As accelerate puts its hooks into a module."""
    projection = decoder.transformer.layers[0].cross_attn_token_to_image.v_proj
    forward = projection.forward
    projection.forward = lambda x: 2 * forward(x)


CLICKED = "transformer.layers.0.cross_attn_token_to_image"
INSTEAD = {
    "relu": [
        exchange("output_upscaling.2", by=nn.ReLU()),
        exchange("output_upscaling.4", by=nn.ReLU()),
    ],
    "first relu": [exchange("output_upscaling.2", by=nn.ReLU())],
    "tanh": [exchange("output_upscaling.4", by=nn.GELU("tanh"))],
    "forward": [double_by_instance],
    "no bias": [exchange(f"{CLICKED}.v_proj", bias=None)],
    "two layers": [exchange(f"{CLICKED}.v_proj", by=nn.Sequential(nn.Linear(128, 64), nn.GELU()))],
    "one norm more": [exchange("output_upscaling.4", by=nn.Sequential(nn.GELU(), LayerNorm2d(16)))],
}


@pytest.mark.parametrize("changes", INSTEAD.values(), ids=INSTEAD)
def test_what_the_other_form_does_not_compute_is_left_to_the_decoder(sam, changes):
    given = inputs(2, 3, 2, False)
    before = official(sam, *given)[0]
    for change in changes:
        change(sam.mask_decoder)
    sam.mask_decoder.double()
    assert not is_official(sam.mask_decoder)
    expected = official(sam, *given)[0]
    assert (expected - before).abs().max() > 1e-8
    step = decode(sam.mask_decoder, *given[:2], position(sam), given[2], rearranged=True)
    torch.testing.assert_close(step.masks(), expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("activation", [nn.GELU(), nn.GELU("tanh")])
def test_the_activation_of_the_transformer_may_be_any(sam, activation):
    """The rearranged form calls its module."""
    for layer in sam.mask_decoder.transformer.layers:
        layer.mlp.act = activation
    assert is_official(sam.mask_decoder)
    given = inputs(2, 3, 2, False)
    step = decode(sam.mask_decoder, *given[:2], position(sam), given[2], rearranged=True)
    assert step.rearranged
    for ours, theirs in zip((step.masks(), step.iou), official(sam, *given), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)


def test_hooks_of_the_backward_pass_are_heard(sam):
    heard = []
    projection = sam.mask_decoder.transformer.layers[0].cross_attn_token_to_image.v_proj
    handle = projection.register_full_backward_hook(lambda *_: heard.append(1))
    given = inputs(1, 2, 2, False)
    decode(
        sam.mask_decoder, *given[:2], position(sam), given[2], rearranged=True
    ).masks().sum().backward()
    handle.remove()
    assert heard == [1]
    assert is_official(sam.mask_decoder)


def test_both_ways_of_decoding_agree(sam):
    sam.float()
    embeddings = inputs(2, 1, 1, False)[0].float()
    boxes = torch.tensor([4.0, 8.0, 32.0, 60.0]).expand(2, 3, 4)
    fed_back = torch.randn(2, 3, 32, 32)
    fast = predict_masks(sam, embeddings, boxes=boxes, mask_inputs=fed_back, rearranged=True)
    slow = predict_masks(sam, embeddings, boxes=boxes, mask_inputs=fed_back)
    torch.testing.assert_close(fast.masks, slow.masks, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fast.iou, slow.iou, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_pixels_come_to_their_places_and_back(dtype):
    from mfnet_lite.sam.mask_decoder import _PixelOrder

    x = torch.arange(2 * 3 * 4 * 16).reshape(1, 1, 2, -1).to(dtype).requires_grad_()
    found = _PixelOrder.apply(x, 3)
    pattern = "n p m (y x i j k l) -> n p m (y i k) (x j l)"
    expected = rearrange(x, pattern, y=3, i=2, j=2, k=2, l=2)
    assert torch.equal(found, expected)
    weights = torch.arange(found.numel()).reshape(found.shape).to(dtype)
    ours, theirs = (torch.autograd.grad(y, x, weights)[0] for y in (found, expected))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("rearranged", [False, True])
def test_masks_of_some_prompts_are_those_of_all(sam, rearranged):
    given = inputs(2, 3, 2, True)
    step = decode(sam.mask_decoder, *given[:2], position(sam), given[2], rearranged)
    assert step.rearranged is rearranged
    kept = torch.tensor([[True, False, True], [False, False, True]])
    everything = step.masks()
    assert everything.shape == (2, 3, 4, 32, 32)
    torch.testing.assert_close(step.masks(kept), everything[kept])
    torch.testing.assert_close(step.masks(kept, slice(1, None)), everything[kept][:, 1:])
    assert step.masks(torch.zeros_like(kept)).shape == (0, 4, 32, 32)


def test_by_default_the_step_is_the_official_one(sam):
    given = inputs(2, 3, 2, False)
    step = decode(sam.mask_decoder, *given[:2], position(sam), given[2])
    for ours, theirs in zip((step.masks(), step.iou), official(sam, *given), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
