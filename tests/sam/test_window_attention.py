"""Window attention without padded tokens equals SAM's with them: values and gradients."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.image_encoder import (
    Attention,
    get_rel_pos,
    window_partition,
    window_unpartition,
)
from torch import Tensor, nn

from mfnet_lite.sam.window_attention import window_attention

CASES = [
    # height, width, window, relative positions
    (16, 16, 14, True),  # SAM at 256 pixels: 2 × 2 windows, three of them padded
    (12, 20, 8, True),
    (8, 8, 8, True),
    (16, 24, 8, True),  # tiles without rest
    (5, 9, 8, True),
    (3, 3, 14, True),  # smaller than a window
    (6, 7, 0, True),  # the whole grid
    (9, 6, 4, False),
]


def both(
    height: int, width: int, window: int, relative: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Return the official and our answer on one random input, and what to differentiate."""
    torch.manual_seed(height * 100 + width)
    side = (window, window) if window else (height, width)
    attention = Attention(24, 3, use_rel_pos=relative, input_size=side).double()
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.3)
    x = torch.randn(2, height, width, 24, dtype=torch.float64, requires_grad=True)
    if window:
        cut, padded = window_partition(x, window)
        official = window_unpartition(attention(cut), window, padded, (height, width))
    else:
        official = attention(x)
    tables = None
    if relative:
        tables = (
            get_rel_pos(side[0], side[0], attention.rel_pos_h),
            get_rel_pos(side[1], side[1], attention.rel_pos_w),
        )
    ours = window_attention(
        attention.qkv(x), attention.qkv.bias, 3, window, tables, attention.scale
    )
    return official, attention.proj(ours), [x, *attention.parameters()]


@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_official_attention(case: tuple[int, int, int, bool]) -> None:
    official, ours, inputs = both(*case)
    torch.testing.assert_close(ours, official, atol=1e-12, rtol=1e-12)
    for a, b in zip(
        torch.autograd.grad(ours.sin().sum(), inputs),
        torch.autograd.grad(official.sin().sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b, atol=1e-11, rtol=1e-11)


def test_padding_counts() -> None:
    """Leaving the padding out would be another network: the test above is no accident."""
    torch.manual_seed(0)
    qkv, bias = torch.randn(1, 3, 3, 24), torch.randn(24)
    padded = window_attention(qkv, bias, 2, 4, None, 0.5)
    bare = window_attention(qkv, bias, 2, 3, None, 0.5)
    assert (padded - bare).abs().max() > 0.1


def test_without_bias_padding_is_zero() -> None:
    qkv = torch.randn(1, 3, 3, 24)
    zero = window_attention(qkv, torch.zeros(24), 2, 4, None, 0.5)
    torch.testing.assert_close(window_attention(qkv, None, 2, 4, None, 0.5), zero)


def test_bfloat16() -> None:
    torch.manual_seed(0)
    qkv, bias = torch.randn(1, 5, 6, 48), torch.randn(48)
    tables = (torch.randn(4, 4, 8), torch.randn(4, 4, 8))
    exact = window_attention(qkv, bias, 2, 4, tables, 0.35)
    rough = window_attention(
        qkv.bfloat16(), bias.bfloat16(), 2, 4, (tables[0].bfloat16(), tables[1].bfloat16()), 0.35
    )
    assert rough.dtype is torch.bfloat16
    assert (rough.float() - exact).abs().mean() < 0.05
