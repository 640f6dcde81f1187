"""The channel-last encoder equals the official one, in values and gradients, with padded windows too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mfnet_lite.sam.build import TINY, build_image_encoder
from mfnet_lite.sam.image_encoder import encode_images, relative_tables


def encoder(size, window):
    torch.manual_seed(0)
    config = replace(
        TINY, image_size=size, width=24, heads=2, depth=3, window=window, global_blocks=(1,)
    )
    module = build_image_encoder(config).double()
    for name, p in module.named_parameters():
        if "pos" in name:  # zero in a new model, which would test nothing
            torch.nn.init.normal_(p, std=0.3)
    return module


@pytest.mark.parametrize("window", [4, 3])  # 3 does not divide the grid of 8: padded windows
def test_values_and_gradients_equal_the_official_ones(window):
    module = encoder(64, window)
    image = torch.randn(2, 3, 64, 64, dtype=torch.float64, requires_grad=True)
    expected, found = module(image), encode_images(module, image)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    weights = torch.randn(expected.shape, dtype=torch.float64)
    wanted = [image, *module.parameters()]
    for ours, theirs in zip(
        torch.autograd.grad(found, wanted, weights),
        torch.autograd.grad(expected, wanted, weights),
        strict=True,
    ):
        assert theirs.abs().max() > 0
        torch.testing.assert_close(ours, theirs, atol=1e-8, rtol=1e-8)


def test_the_embedding_lies_channel_last():
    found = encode_images(encoder(64, 4), torch.randn(1, 3, 64, 64, dtype=torch.float64))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_given_tables_take_the_place_of_the_encoders_own():
    module = encoder(64, 4)
    image = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    own = [relative_tables(block, 8, 8) for block in module.blocks]
    assert [t[0].shape for t in own] == [(4, 4, 12), (8, 8, 12), (4, 4, 12)]
    with torch.no_grad():
        expected = encode_images(module, image)
        torch.testing.assert_close(
            encode_images(module, image, module.pos_embed, own), expected, atol=0, rtol=0
        )
        none = encode_images(module, image, 0 * module.pos_embed, own)
    assert (none - expected).abs().max() > 1e-3
