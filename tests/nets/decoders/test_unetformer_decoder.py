"""UNetFormer's decoder: the authors' numbers, every size, every parameter.

The golden sums of the whole decoder were computed with the authors' own blocks (sstary/SSRS, MFNet,
commit 707b454) in float64, filled by the rule of ``tests/golden/fill.py`` (fusion weights: its absolute
values), dropout 0.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mfnet_lite.nets.decoders.dfm import DeepFusionModule
from mfnet_lite.nets.decoders.unetformer_decoder import (
    RefinementHead,
    UNetFormerDecoder,
    WeightedFusion,
)
from tests.golden.fill import filled, given

NORM = ("weight", "bias")


def authors_order() -> list[str]:
    """Our parameter names in the order in which the authors' decoder lists its own."""
    names = ["entry.0.weight", *(f"entry.1.{k}" for k in NORM)]
    for i in range(3):
        block, attention = f"blocks.{i}", f"blocks.{i}.attention"
        names += [f"{block}.norm1.{k}" for k in NORM]
        names += [f"{attention}.table", f"{attention}.qkv.weight"]
        for conv in ("wide", "narrow", "project"):
            names += [f"{attention}.{conv}.0.weight", *(f"{attention}.{conv}.1.{k}" for k in NORM)]
        names += [f"{attention}.project.2.weight"]
        names += [f"{block}.mlp.{layer}.{k}" for layer in (0, 2) for k in NORM]
        names += [f"{block}.norm2.{k}" for k in NORM]
        if i > 0:
            names += fusion(f"fuse.{i - 1}")
    names += fusion("refine.fuse")
    names += [f"refine.place.{k}" for k in NORM]
    names += ["refine.channel.1.weight", "refine.channel.3.weight"]
    for conv in ("shortcut", "detail"):
        names += [f"refine.{conv}.0.weight", *(f"refine.{conv}.1.{k}" for k in NORM)]
    return [*names, "refine.detail.2.weight", "head.0.weight", "head.1.weight", "head.1.bias",
            "head.4.weight"]  # fmt: skip


def fusion(name: str) -> list[str]:
    tail = ["theta", "lateral.weight", "mix.0.weight", "mix.1.weight", "mix.1.bias"]
    return [f"{name}.{k}" for k in tail]


@pytest.mark.parametrize(
    ("training", "total", "of_abs", "first"),
    [
        (False, 35051.5924906807, 35051.5924906807, [0.7685579654799941, 0.7107025296037373]),
        (True, 39189.79872322208, 39197.18505140251, [0.6175776519514302, 0.5460004478614757]),
    ],
)
def test_whole_decoder_golden(training, total, of_abs, first):
    net = UNetFormerDecoder(32, 3, width=16, dropout=0.0).double().train(training)
    order = authors_order()
    assert sorted(order) == sorted(name for name, _ in net.named_parameters())
    with torch.no_grad():
        for rank, name in enumerate(order):
            parameter = net.get_parameter(name)
            value = filled(rank, *parameter.shape)
            parameter.copy_(value.abs() if name.endswith("theta") else value)
    maps = [given(shift, 2, 32, size, size) for shift, size in enumerate((64, 32, 16, 8))]
    out = net(maps, (96, 80))
    # The authors' fusion weights are float32 by declaration: 1e-8 vanishes there, hence 1e-6.
    assert out.sum().item() == pytest.approx(total, rel=1e-6)
    assert out.abs().sum().item() == pytest.approx(of_abs, rel=1e-6)
    assert out[0, 0, 0, :2].tolist() == pytest.approx(first, rel=1e-6)


def test_fusion_golden():
    net = WeightedFusion(4, 4).eval()
    with torch.no_grad():
        net.lateral.weight.copy_(filled(0, 4, 4, 1, 1))
        net.mix[0].weight.copy_(filled(2, 4, 4, 3, 3))
        net.theta.copy_(torch.tensor([1.0, 3.0]))
        out = net(given(0, 1, 4, 2, 2).float(), given(1, 1, 4, 4, 4).float())
    assert out.sum().item() == pytest.approx(31.719928, rel=1e-5)
    assert out.flatten()[:3].tolist() == pytest.approx([0.704267, 0.984110, 0.965692], abs=2e-6)


def test_parameter_counts():
    count = lambda m: sum(p.numel() for p in m.parameters())  # noqa: E731
    assert count(UNetFormerDecoder(256, 6)) == 515_102
    # Without skips go three 1×1 convolutions 256 → 64 and three pairs of fusion weights.
    assert count(UNetFormerDecoder(256, 6, skips=False)) == 515_102 - 3 * (256 * 64 + 2)


def test_negative_fusion_weights_are_cut_off():
    net = WeightedFusion(4, 4).eval()
    with torch.no_grad():
        net.theta.copy_(torch.tensor([-5.0, 2.0]))
    x = torch.randn(1, 4, 2, 2)
    a = net(x, torch.randn(1, 4, 4, 4))
    assert torch.equal(a, net(x, torch.randn(1, 4, 4, 4)))


def test_refinement_gates_are_a_sum_of_two():
    torch.manual_seed(0)
    net = RefinementHead(None, 16).eval()
    x = torch.rand(1, 16, 4, 4)
    y = net.fuse(x)
    place, channel = net.place(y).sigmoid() * y, net.channel(y) * y
    expected = (net.detail(place + channel) + net.shortcut(y)).clamp(0, 6)
    torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 2), (4, 4), (5, 7), (16, 8)])
@pytest.mark.parametrize("skips", [True, False])
def test_every_map_size_and_every_parameter(h, w, skips):
    torch.manual_seed(0)
    net = UNetFormerDecoder(8, 5, width=16, skips=skips)
    sizes = [(4 * h, 4 * w), (2 * h, 2 * w), (h, w), (-(-h // 2), -(-w // 2))]
    maps = [torch.randn(2, 8, *size) for size in sizes]
    out = net(maps if skips else maps[2], (33, 50))
    assert out.shape == (2, 5, 33, 50)
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_projected_maps_give_the_same_logits_and_gradients():
    torch.manual_seed(0)
    fuse, net = DeepFusionModule(32, 2).double(), UNetFormerDecoder(32, 6).double().eval()
    x = torch.randn(2, 2, 32, 4, 4, dtype=torch.float64)
    plain = net(fuse(x), (64, 64))
    short = net(fuse(x, project=net.project()), (64, 64), projected=True)
    torch.testing.assert_close(short, plain)
    inputs = [*fuse.parameters(), *net.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad(short.square().sum(), inputs),
        torch.autograd.grad(plain.square().sum(), inputs),
    )


def test_eval_repeats_itself_and_training_drops_channels():
    torch.manual_seed(0)
    net, x = UNetFormerDecoder(8, 2, width=16, skips=False, dropout=0.5), torch.randn(2, 8, 4, 4)
    assert not torch.equal(net(x, (16, 16)), net(x, (16, 16)))
    net.eval()
    assert torch.equal(net(x, (16, 16)), net(x, (16, 16)))
    assert any(isinstance(m, nn.Dropout2d) for m in net.modules())


def test_faults_are_one_sentence():
    with pytest.raises(ValueError, match="takes four maps, got 1"):
        UNetFormerDecoder(8, 2, width=16)(torch.zeros(1, 8, 4, 4), (16, 16))
    with pytest.raises(ValueError, match="takes one map, got 2"):
        UNetFormerDecoder(8, 2, width=16, skips=False)([torch.zeros(1, 8, 4, 4)] * 2, (16, 16))
    with pytest.raises(ValueError, match="at least 1"):
        UNetFormerDecoder(8, 0)
