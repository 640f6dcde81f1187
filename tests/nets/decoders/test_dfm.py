"""The Deep Fusion Module: the authors' numbers, modality_mask, and the orders that save work.

The golden sums of whole modules were computed with the authors' own blocks (sstary/SSRS, MFNet,
commit 707b454) in float64, filled by the rule of ``tests/golden/fill.py``.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from hypothesis import given as example
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from mfnet_lite.nets.decoders.dfm import DeepFusionModule, SEFusion, SensorUpsample, SumFusion
from tests.golden.fill import filled, given


def close(x: Tensor, sum_: float, of_abs: float, first: list[float], rel: float = 1e-9) -> None:
    assert x.sum().item() == pytest.approx(sum_, rel=rel, abs=1e-5)
    assert x.abs().sum().item() == pytest.approx(of_abs, rel=rel)
    assert x.flatten()[: len(first)].tolist() == pytest.approx(first, rel=rel, abs=2e-6)


def golden_module(channels: int = 32) -> DeepFusionModule:
    """Filled in the authors' order: pyramid of x, pyramid of y, then the gates of each level."""
    net, c, hidden = (
        DeepFusionModule(channels, 2, batch_norm=True).double(),
        channels,
        channels // 16,
    )
    rank = iter(range(48))
    with torch.no_grad():
        for m in range(2):
            for part in (net.up1a, net.norm, net.up1b, net.up2):
                if part is net.norm:
                    part.weight[m] = filled(next(rank), c)
                else:
                    part.weight[m] = rearrange(filled(next(rank), c, c, 2, 2), "i o a b -> i a b o")
                part.bias[m] = filled(next(rank), c)
        for fuse in net.fuse:
            for m in range(2):
                fuse.squeeze[m] = filled(next(rank), hidden, c)
                fuse.squeeze_bias[m] = filled(next(rank), hidden)
                fuse.excite[m] = filled(next(rank), c, hidden)
                fuse.excite_bias[m] = filled(next(rank), c)
    assert next(rank, None) is None
    return net


def test_se_fusion_golden():
    net = SEFusion(32, sensors=2)
    ranks = iter(range(8))
    with torch.no_grad():
        for m in range(2):
            net.squeeze[m] = filled(next(ranks), 2, 32)
            net.squeeze_bias[m] = filled(next(ranks), 2)
            net.excite[m] = filled(next(ranks), 32, 2)
            net.excite_bias[m] = filled(next(ranks), 32)
        out = net(torch.stack([given(0, 1, 32, 2, 2), given(1, 1, 32, 2, 2)]).float())
    close(out, 1.818260, 62.086434, [0.489225, 0.616115, 0.736849], rel=1e-5)


LEVEL_1 = {
    False: (253.36934914425103, 8281.803498462792, [-0.21904403695950625, -0.2504262538582499]),
    True: (265.19975273689886, 8386.815515136244, [-0.13583121377603508, -0.15311244851674552]),
}
COARSER = [
    (-58.15675055494241, 1749.8558594569865, [0.29279274067659583, 0.30085330382633413]),
    (12.648644096572934, 1137.2065946750254, [0.5201939019457875, 0.6000032749581103]),
    (145.48701178026926, 289.75529721780924, [0.9453938466074373, 0.981577553484116]),
]


@pytest.mark.parametrize("training", [False, True])
def test_whole_module_golden(training):
    net = golden_module().train(training)
    maps = net(torch.stack([given(0, 1, 32, 8, 8), given(1, 1, 32, 8, 8)]))
    for x, expected in zip(maps, [LEVEL_1[training], *COARSER], strict=True):
        close(x, *expected)


def test_parameter_counts():
    count = lambda m: sum(p.numel() for p in m.parameters())  # noqa: E731
    assert count(DeepFusionModule(256, 2)) == count(DeepFusionModule(256, 2, batch_norm=True))
    assert count(DeepFusionModule(256, 2)) == 1_643_136
    assert count(DeepFusionModule(256, 1)) == 1_643_136 // 2
    assert count(SumFusion()) == 0


def test_upsample_is_a_transposed_convolution_per_sensor():
    torch.manual_seed(0)
    up = SensorUpsample(6, sensors=3).double()
    x = torch.randn(3, 2, 6, 4, 5, dtype=torch.float64)
    out = rearrange(
        up(rearrange(x, "m b c h w -> m b (h w) c")),
        "m b (h w i j) c -> m b c (h i) (w j)",
        h=4, w=5, i=2, j=2,
    )  # fmt: skip
    for m in range(3):
        weight = rearrange(up.weight[m], "i a b o -> i o a b")
        torch.testing.assert_close(out[m], F.conv_transpose2d(x[m], weight, up.bias[m], stride=2))
    mean = up.mean(x.mean((-2, -1)))
    torch.testing.assert_close(mean, out.mean((-2, -1)))


@pytest.mark.parametrize("sensors", [1, 2, 3])
def test_projection_within_equals_projection_after(sensors):
    torch.manual_seed(0)
    net = DeepFusionModule(32, sensors).double()
    x = torch.randn(sensors, 2, 32, 4, 6, dtype=torch.float64, requires_grad=True)
    heads = [torch.randn(5, 32, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    after = [torch.einsum("dc,bchw->bdhw", w, y) for w, y in zip(heads, net(x), strict=True)]
    within = net(x, project=heads)
    torch.testing.assert_close(within, after)
    inputs = [x, *heads, *net.parameters()]
    a = torch.autograd.grad(sum(y.square().sum() for y in after), inputs)
    b = torch.autograd.grad(sum(y.square().sum() for y in within), inputs)
    torch.testing.assert_close(a, b)
    assert all(g.abs().max() > 0 for g in b)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_absent_sensors_count_exactly_nothing_not_even_nan(batch_norm, training):
    torch.manual_seed(0)
    net = DeepFusionModule(16, 3, batch_norm).train(training)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    modality_mask = torch.tensor([[True, False, True], [True, True, True], [False, False, True]])
    clean = torch.randn(3, 3, 16, 4, 4)
    dirty = clean.clone()
    dirty[~modality_mask.T] = float("nan")
    dirty.requires_grad_()
    a = net(clean, modality_mask)
    after = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(state)
    b = net(dirty, modality_mask)
    for x, y in zip(a, b, strict=True):
        assert torch.equal(x, y)
    for name, value in net.state_dict().items():
        assert torch.equal(value, after[name]), name
    sum(y.sum() for y in b).backward()
    assert torch.all(dirty.grad[~modality_mask.T] == 0)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_full_presence_is_none_and_one_of_two_counts_twice():
    torch.manual_seed(0)
    net = DeepFusionModule(16, 2)
    x = torch.randn(2, 2, 16, 4, 4)
    for a, b in zip(net(x), net(x, torch.ones(2, 2, dtype=torch.bool)), strict=True):
        assert torch.equal(a, b)
    alone = net(x, torch.tensor([[True, False]] * 2))[2]
    gate = net.fuse[2].gate(x.mean((-2, -1)))[0]
    torch.testing.assert_close(alone, 2 * gate[..., None, None] * x[0])


def test_sum_fusion_by_hand():
    x = torch.tensor([1.0, 2.0, 4.0])[:, None, None, None, None].expand(3, 2, 1, 1, 1).clone()
    assert SumFusion()(x).flatten().tolist() == [7, 7]
    x[0, 1] = float("nan")
    modality_mask = torch.tensor([[True, True, True], [False, False, True]])
    assert SumFusion()(x, modality_mask).flatten().tolist() == [7, 12]


def test_layer_norm_treats_samples_alone_and_batch_norm_does_not():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 16, 4, 4)
    for batch_norm, same in ((False, True), (True, False)):
        net = DeepFusionModule(16, 2, batch_norm).train()
        together, alone = net(x)[0][:1], net(x[:, :1])[0]
        assert torch.allclose(together, alone, atol=1e-6) is same


@example(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_sizes(h, w, sensors):
    maps = DeepFusionModule(4, sensors)(torch.randn(sensors, 1, 4, h, w))
    assert [tuple(x.shape[-2:]) for x in maps] == [
        (4 * h, 4 * w), (2 * h, 2 * w), (h, w), (-(-h // 2), -(-w // 2)),
    ]  # fmt: skip


def test_faults_are_one_sentence():
    net, x = DeepFusionModule(8, 2), torch.zeros(2, 3, 8, 4, 4)
    with pytest.raises(ValueError, match=r"samples \[1\] of the batch have no sensor"):
        net(x, torch.tensor([[True, True], [False, False], [True, False]]))
    with pytest.raises(ValueError, match=r"samples \[0, 1, 2\]"):
        SumFusion()(x, torch.zeros(3, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"boolean modality_mask of shape \(3, 2\)"):
        net(x, torch.ones(2, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"float32 of shape"):
        net(x, torch.ones(3, 2))
    with pytest.raises(ValueError, match=r"expected features of shape \(2, batch, 8"):
        net(x[:1])
    with pytest.raises(ValueError, match=r"got \(2, 3, 4, 4, 4\)"):
        net(x[:, :, :4])
    with pytest.raises(ValueError, match="at least 1"):
        DeepFusionModule(8, 0)
