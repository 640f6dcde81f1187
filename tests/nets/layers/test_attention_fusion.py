"""Attention in the place of an MVFuser."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets.layers import AttentionFusion, MVFuser


def test_attends_as_written_out():
    torch.manual_seed(0)
    net = AttentionFusion(20, heads=2).eval()
    x = torch.randn(1, 5, 20)
    q, k, v = net.qkv(net.norm(x))[0].chunk(3, dim=-1)
    read = [
        torch.softmax(a @ b.T / a.shape[-1] ** 0.5, -1) @ c
        for a, b, c in zip(q.chunk(2, -1), k.chunk(2, -1), v.chunk(2, -1), strict=True)
    ]
    expected = net.scale * net.out(torch.cat(read, dim=-1))
    assert torch.allclose(net(x)[0], expected, atol=1e-6)


@pytest.mark.parametrize("channels", [96, 192, 1024])
def test_has_about_as_many_weights_as_an_mv_fuser(channels):
    ours, other = (
        sum(p.numel() for p in net.parameters())
        for net in (AttentionFusion(channels), MVFuser(channels))
    )
    assert abs(ours / other - 1) < 0.12


def test_starts_small_and_every_token_reads_every_other():
    torch.manual_seed(0)
    net = AttentionFusion(24).eval()
    x = torch.randn(1, 6, 24)
    assert net(x).abs().max() < 0.01
    other = x.clone()
    other[0, 5] += 1
    assert (net(other) - net(x))[0, 0].abs().max() > 0


def test_refuses_no_channels():
    with pytest.raises(ValueError, match="expected channels and heads"):
        AttentionFusion(0)
