"""MTEnhancer: golden numbers of the authors' modules, sizes, what the two copies of the classes see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.nets.layers.mt_enhancer import ClassAttention, EnhancerBlock, MTEnhancer
from tests.golden.fill import numbers, sines
from tests.nets.layers.test_mv_fuser import FILLS, fill


@torch.no_grad()
def filled(module: nn.Module) -> nn.Module:
    """Fill an enhancer: the scan as in G2, every other matrix, bias and layer norm by a rule of its own."""
    for name, part in module.named_modules():
        if name.endswith("fuser"):
            fill(part, FILLS["G2"])
            part.scale.fill_(0.5)
        elif isinstance(part, nn.LayerNorm):
            part.weight.copy_(sines(part.weight.shape, 0.10, 0.29, 1))
            part.bias.copy_(sines(part.bias.shape, 0.05, 0.19))
        elif isinstance(part, nn.Linear) and "fuser" not in name:
            part.weight.copy_(sines(part.weight.shape, 0.30, 0.33))
            if part.bias is not None:
                part.bias.copy_(sines(part.bias.shape, 0.05, 0.19))
    return module


def test_golden_numbers_of_the_authors_block():
    block = filled(EnhancerBlock(8, heads=2, official=True).double().eval())
    out = block(sines((1, 3, 8), 1, 0.17), sines((1, 4, 8), 1, 0.23))
    expected = """
    0.737718 0.548156 -0.077595 0.891138 1.444611 0.123625 1.165680 1.755581
    1.488312 1.051957 0.374876 1.587032 0.889798 0.289354 0.917636 0.819011
    0.740695 0.383258 -0.837828 0.379608 -0.169240 -1.040707 -0.367678 -0.326768"""
    assert (out.flatten() - numbers(expected)).abs().max() < 1e-6
    assert sum(p.numel() for p in block.parameters()) == 1197


def test_golden_numbers_of_the_authors_wrapper():
    module = filled(MTEnhancer(12, 12, 8, heads=2, official=True).double().eval())
    out = module(sines((1, 3, 12), 1, 0.17), sines((1, 4, 12), 1, 0.23))
    expected = """0.079744 -0.061532 0.097108 -0.008452 0.045772 0.079384 -0.016084 0.129340 -0.025089 0.098741
    0.027833 0.013835"""
    assert (out[0, 0] - numbers(expected)).abs().max() < 1e-6
    assert out.sum().item() == pytest.approx(1.397225, abs=1e-6)
    assert out.abs().sum().item() == pytest.approx(4.124131, abs=1e-6)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_number_of_parameters():
    with torch.device("meta"):
        assert count(EnhancerBlock(256)) == 899_201
        assert count(MTEnhancer(768, 768)) == 1_494_401
        assert count(MTEnhancer(1024, 1024)) == 1_692_289


def test_classes_read_the_image_and_each_other():
    torch.manual_seed(0)
    block = EnhancerBlock(8, heads=2).eval()
    nn.init.ones_(block.fuser.scale)
    text, image = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    before = block(text, image)

    def changed(text: Tensor, image: Tensor) -> list[bool]:
        return ((block(text, image) - before).abs().amax(dim=-1) > 1e-6)[0].tolist()

    assert changed(text, image + torch.randn(1, 5, 8)) == [True] * 3
    other = text.clone()
    other[:, 2] = torch.randn(8)
    assert changed(other, image) == [True] * 3


def test_the_first_copy_knows_no_image():
    """But for the last class, whose convolution looks one token ahead."""
    torch.manual_seed(0)
    fuser = EnhancerBlock(8, heads=2).eval().fuser
    nn.init.ones_(fuser.scale)
    classes, image, other = torch.randn(1, 4, 8), torch.randn(1, 5, 8), torch.randn(1, 5, 8)
    with torch.no_grad():
        one, two = (fuser(torch.cat([classes, x, classes], dim=1)) for x in (image, other))
    assert torch.equal(one[:, :3], two[:, :3])
    assert not torch.equal(one[:, 3], two[:, 3])
    assert (one[:, -4:] - two[:, -4:]).abs().amax(dim=-1).min() > 0


def test_heads_that_do_not_divide():
    with pytest.raises(ValueError, match="divides 8 channels, got 3"):
        ClassAttention(8, 3, 0.0)
