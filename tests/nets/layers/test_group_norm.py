"""Group normalisation for any number of channels."""

from __future__ import annotations

import torch

from mfnet_lite.nets.layers.group_norm import group_norm


def test_groups_divide_any_number_of_channels_and_hold_several():
    for channels in range(1, 130):
        norm = group_norm(channels)
        assert channels % norm.num_groups == 0
        assert norm.num_groups == 1 or channels // norm.num_groups >= 8


def test_an_image_does_not_see_the_others():
    norm, x = group_norm(16), torch.randn(3, 16, 1, 2)
    assert torch.allclose(norm(x)[1:2], norm(x[1:2]), atol=1e-6)
