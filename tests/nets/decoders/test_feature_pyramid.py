"""The pyramid over a plain transformer: sizes, numbers of parameters, small batches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.nets.decoders.feature_pyramid import FeaturePyramid


def maps(channels: tuple[int, ...] = (8, 8, 8, 8), size: tuple[int, int] = (5, 6)) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, c, *size, generator=generator) for c in channels]


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (1, 1), (1, 6)])
@pytest.mark.parametrize("official", [False, True])
def test_sizes_on_any_grid(size, official):
    h, w = size
    out = FeaturePyramid(8, official=official)(maps(size=size))
    expected = [(4 * h, 4 * w), (2 * h, 2 * w), (h, w), ((h + 1) // 2, (w + 1) // 2)]
    assert [tuple(x.shape[-2:]) for x in out] == expected
    assert [x.shape[:2] for x in out] == [(2, 8)] * 4


def test_the_last_two_are_the_map_and_its_largest_values():
    x = maps()
    out = FeaturePyramid(8)(x)
    assert out[2] is x[2]
    assert torch.equal(out[3][:, :, 0, 0], x[3][:, :, :2, :2].amax(dim=(2, 3)))
    assert torch.equal(out[3][:, :, 2, 0], x[3][:, :, 4, :2].amax(dim=2))  # the odd row counts


def test_number_of_parameters():
    with torch.device("meta"):
        for official in (False, True):
            # two deconvolutions and a norm for × 4, one for × 2
            c = 2048
            released = FeaturePyramid(c, official=official)
            assert count(released) == 3 * (4 * c * c + c) + 2 * c == 50_341_888
        widths, c = (96, 128, 160, 192), 64
        small = FeaturePyramid(widths, c)
        assert count(small) == sum(w * c + c for w in widths) + 3 * (4 * c * c + c) + 2 * c
    assert small.out_channels == [64] * 4
    assert FeaturePyramid((8, 12, 16, 20)).out_channels == [8, 12, 16, 20]


def test_an_image_is_the_same_alone_in_a_batch_and_in_evaluation():
    x = maps()
    pyramid = FeaturePyramid(8, 16)
    together = pyramid(x)[0][1:]
    assert torch.allclose(together, pyramid([m[1:] for m in x])[0], atol=1e-5)
    assert torch.equal(pyramid(x)[0], pyramid.eval()(x)[0])


def test_the_official_norm_is_over_the_batch():
    x, pyramid = maps(), FeaturePyramid(8, official=True)
    assert not torch.allclose(pyramid(x)[0][1:], pyramid([m[1:] for m in x])[0], atol=1e-3)


def test_gradients_reach_everything():
    x = [m.requires_grad_() for m in maps((8, 9, 10, 11))]
    pyramid = FeaturePyramid((8, 9, 10, 11), 16)
    sum(m.square().sum() for m in pyramid(x)).backward()
    assert all(m.grad.any() for m in x)
    dead = [n for n, p in pyramid.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="channels for four maps, got in_channels="):
        FeaturePyramid((8, 8, 8))
    with pytest.raises(ValueError, match="expected four maps, got 3"):
        FeaturePyramid(8)(maps()[:3])
