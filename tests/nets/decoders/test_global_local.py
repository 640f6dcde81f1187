"""The global-local block: its bands and windows against plain pooling and plain attention."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.nets.decoders.global_local import (
    GlobalLocalAttention,
    GlobalLocalBlock,
    box,
    extend,
    relative_index,
    spread,
)


@given(st.integers(2, 20), st.integers(2, 20), st.sampled_from([2, 4, 8]))
@settings(max_examples=20, deadline=None)
def test_spread_is_average_pooling_after_one_mirrored_line(height, width, window):
    x = torch.randn(1, 2, height, width, generator=torch.Generator().manual_seed(0)).double()
    pad = window // 2 - 1
    down = F.avg_pool2d(F.pad(x, (0, 0, 0, 1), mode="reflect"), (window, 1), 1, (pad, 0))
    across = F.avg_pool2d(F.pad(x, (0, 1, 0, 0), mode="reflect"), (1, window), 1, (0, pad))
    torch.testing.assert_close(spread(x, window), down + across)


def test_box_of_one_pixel_counts_it_twice():
    assert box(1, 2).tolist() == [[1.0]]


def test_relative_index_counts_offsets():
    index = relative_index(3).reshape(3, 3, 3, 3)
    for (i, j), (k, l) in [((0, 0), (2, 2)), ((2, 1), (0, 0)), ((1, 1), (1, 1))]:
        assert index[i, j, k, l] == (i - k + 2) * 5 + (j - l + 2)


def test_extend_mirrors_and_falls_back():
    x = torch.tensor([[[[1.0, 2, 3]]]])
    assert extend(x, 0, 2).flatten().tolist() == [1, 2, 3, 2, 1]
    assert extend(x, 0, 3).flatten().tolist() == [1, 2, 3, 3, 3, 3]
    assert extend(x, 1, 0).tolist() == [[[[1, 2, 3], [1, 2, 3]]]]
    assert extend(x, 0, 0) is x


def test_windows_do_not_see_each_other_and_the_bias_counts():
    torch.manual_seed(0)
    net = GlobalLocalAttention(8, heads=2, window=4)
    x = torch.randn(1, 8, 8, 8)
    changed = x.clone()
    changed[..., :4, :4] += 1
    a, b = net.attend(x), net.attend(changed)
    assert torch.equal(a[..., 4:, :], b[..., 4:, :])
    assert not torch.allclose(a[..., :4, :4], b[..., :4, :4])
    with torch.no_grad():
        net.table.add_(torch.randn(net.table.shape))
    assert not torch.allclose(net.attend(x), a)


def test_attention_equals_the_formula_with_and_without_gradient():
    torch.manual_seed(0)
    net = GlobalLocalAttention(8, heads=2, window=4).double()
    x = torch.randn(2, 8, 4, 4, dtype=torch.float64)
    q, k, v = net.qkv(x).reshape(2, 3, 2, 4, 16).transpose(-1, -2).unbind(1)
    bias = net.table[net.index].permute(2, 0, 1)
    expected = ((q @ k.mT) / 2 + bias).softmax(-1) @ v
    out = net.attend(x)
    torch.testing.assert_close(out, expected.transpose(-1, -2).reshape(2, 8, 4, 4))
    with torch.no_grad():
        torch.testing.assert_close(net.attend(x), out)
    out.square().sum().backward()
    assert (net.table.grad.abs().max(dim=0).values > 0).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 2), (4, 4), (5, 12), (8, 8), (9, 3)])
def test_any_size(height, width):
    net = GlobalLocalBlock(16, heads=2)
    x = torch.randn(2, 16, height, width)
    assert net(x).shape == x.shape


def test_channels_must_divide():
    with pytest.raises(ValueError, match="multiple of heads"):
        GlobalLocalAttention(10, heads=4)
