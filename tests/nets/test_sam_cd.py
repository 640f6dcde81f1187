"""SAM-CD: the authors' numbers with shared weights, and what our version mends."""

from __future__ import annotations

import math
import zlib

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.losses import temporal_similarity
from mfnet_lite.nets.encoders.pyramids import Pyramid, SamPyramid
from mfnet_lite.nets.sam_cd import SAMCD
from mfnet_lite.sam import build_sam
from tests.small_sam import FOUR_LEVELS


def ramp(*shape: int, f: float, p: float) -> Tensor:
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(f * k + p).reshape(shape).float()


class Stub(Pyramid):
    """FastSAM-x's widths, and the sheet's features: phase 0 for the first date, 0.5 for the second."""

    channels = (160, 320, 640, 640)

    def __init__(self, phases: tuple[float, float] = (0.0, 0.5)) -> None:
        super().__init__()
        self.phases = phases

    def features(self, images: Tensor) -> list[Tensor]:
        sides = ((8, 0.14), (4, 0.11), (2, 0.12), (1, 0.13))
        return [
            torch.cat([ramp(1, c, side, side, f=f, p=p) for p in self.phases])
            for c, (side, f) in zip(self.channels, sides, strict=True)
        ]


def authors_name(name: str) -> str:
    """Our parameter's name in the authors' network; the weights of the sheet depend on it."""
    for ours, theirs in (
        ("adapt.0", "Adapter4"),
        ("adapt.1", "Adapter8"),
        ("adapt.2", "Adapter16"),
        ("adapt.3", "Adapter32"),
        ("decode.0.mix", "Dec2.decode"),
        ("decode.1.mix", "Dec1.decode"),
        ("decode.2.mix", "Dec0.decode"),
        ("decode.0", "Dec2"),
        ("decode.1", "Dec1"),
        ("decode.2", "Dec0"),
        ("semantic", "segmenter"),
        ("stack", "resCD"),
        ("reduce", "headC"),
        ("gate", "SA.SA"),
        ("change", "segmenterC"),
    ):
        if name.startswith(ours):
            return theirs + name[len(ours) :]
    raise AssertionError(name)


def filled(net: nn.Module, scale: float) -> nn.Module:
    """Rule W(scale) of the sheets."""
    state = net.state_dict()
    for name, value in state.items():
        if name.endswith("num_batches_tracked") or name.startswith("encoder"):
            continue
        theirs = authors_name(name)
        phase = 2 * math.pi * (zlib.crc32(theirs.encode()) % 1000) / 1000
        j = torch.arange(1, value.numel() + 1, dtype=torch.float64)
        new = scale * torch.sin(0.7 * j + phase)
        if (value.ndim == 1 and theirs.endswith("weight")) or theirs.endswith("running_var"):
            new += 1
        state[name] = new.reshape(value.shape).to(value.dtype)
    net.load_state_dict(state)
    return net.eval()


def golden(phases: tuple[float, float] = (0.0, 0.5)) -> SAMCD:
    net = filled(SAMCD(Stub(phases), official=True), 0.04)
    assert isinstance(net, SAMCD)
    return net


PICTURES = torch.zeros(1, 3, 32, 32)


def near(value: Tensor, expected: float) -> None:
    assert value.item() == pytest.approx(expected, abs=3e-5, rel=1e-4)


def test_parameter_counts() -> None:
    net = SAMCD(Stub(), official=True)
    assert sum(p.numel() for p in net.parameters()) == 2_591_357
    counts = [sum(p.numel() for p in part.parameters()) for part in net.adapt]
    assert counts == [6_480, 25_760, 102_720, 102_720]
    counts = [sum(p.numel() for p in part.parameters()) for part in net.decode]
    assert counts == [390_880, 97_840, 89_640]
    for part, expected in (
        (net.semantic, 520),
        (net.gate, 156),
        (net.stack, 1_772_544),
        (net.reduce, 2_080),
        (net.change, 17),
    ):
        assert sum(p.numel() for p in part.parameters()) == expected
    assert len(net.state_dict()) == 157


def test_golden_inside() -> None:
    net = golden()
    maps = [adapt(x) for adapt, x in zip(net.adapt, net.encoder(PICTURES), strict=True)]
    near(maps[3][0].mean(), 0.018121)
    near(maps[3][0].flatten()[0], 0.023029)
    near(maps[0][0].mean(), 0.020051)
    near(maps[0][0].flatten()[-1], 0.024692)
    expected = (
        (0.273879, None, 0.711814),
        (0.048083, 0.160162, 0.092667),
        (0.033080, 0.123427, None),
    )
    x = maps[3]
    for step, fine, (mean, first, last) in zip(
        net.decode, reversed(maps[:3]), expected, strict=True
    ):
        x = step(x, fine)
        near(x[0].mean(), mean)
        if first is not None:
            near(x[0].flatten()[0], first)
        if last is not None:
            near(x[0].flatten()[-1], last)


@torch.no_grad()
def test_golden_outputs() -> None:
    change, one, two = golden()(PICTURES, PICTURES)
    near(one.mean(), 0.005289)
    near(one.abs().mean(), 0.030769)
    near(one.flatten()[0], 0.043811)
    near(one.flatten()[-1], 0.004087)
    near(two.mean(), 0.005288)
    near(two.flatten()[0], 0.043790)
    near(two.flatten()[-1], 0.004237)
    near(change.mean(), -12.239023)
    near(change.flatten()[0], -29.441547)
    near(change.flatten()[-1], -3.933252)
    for value, expected in zip(
        change[0, 0, 0, ::8], (-29.441547, -42.567440, -54.645229, -32.097107), strict=True
    ):
        near(value, expected)
    for place, expected in ((7, -8.274580), (15, -8.287733), (23, -6.990776)):
        near(change[0, 0, place, place], expected)


@torch.no_grad()
def test_golden_equal_dates_do_not_force_no_change() -> None:
    change = golden((0.0, 0.0))(PICTURES, PICTURES).change
    near(change.mean(), -12.908218)
    near(change.flatten()[0], -30.821495)


def small(**options) -> SAMCD:
    torch.manual_seed(0)
    return SAMCD(SamPyramid(build_sam(FOUR_LEVELS, seed=0)), **options)


@pytest.mark.parametrize(("options", "same"), [({}, True), ({"official": True}, False)])
def test_swapping_the_dates(options: dict[str, bool], same: bool) -> None:
    net = small(**options).eval()
    a, b = torch.rand(2, 2, 3, 64, 64)
    with torch.no_grad():
        there, back = net(a, b), net(b, a)
    assert torch.allclose(there.change, back.change, atol=1e-5) is same
    torch.testing.assert_close(there.before, back.after)


@pytest.mark.parametrize(
    "options",
    [{}, {"official": True}, {"semantic": False}, {"adaptor": False}, {"symmetric": False}],
)
def test_every_trained_tensor_learns_and_the_encoder_does_not(options: dict[str, bool]) -> None:
    net = small(**options).train()
    a, b = torch.rand(2, 2, 3, 64, 64)
    change, one, two = net(a, b)
    assert change.shape == (2, 1, 64, 64)
    loss = change.square().mean()
    if options.get("semantic", True):
        assert one.shape == two.shape == (2, 8, 64, 64)
        loss = loss + temporal_similarity(one, two, torch.zeros(2, 64, 64))
    else:
        assert one.shape == (2, 0, 64, 64)
    loss.backward()
    for name, parameter in net.named_parameters():
        assert (parameter.grad is not None) is parameter.requires_grad, name
        assert parameter.requires_grad is not name.startswith("encoder"), name


def test_non_square_and_batch_of_one() -> None:
    net = small().eval()
    assert net(*torch.rand(2, 1, 3, 64, 96)).change.shape == (1, 1, 64, 96)


def test_errors() -> None:
    with pytest.raises(ValueError, match="both dates must have one shape"):
        small()(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 32))
    with pytest.raises(ValueError, match="latent and fine must be at least 1, got 0 and 64"):
        small(latent=0)


@pytest.mark.parametrize("wrong", ["before", "after"])
def test_bytes_are_refused(wrong):
    dates = {name: torch.zeros(1, 3, 64, 64) for name in ("before", "after")}
    dates[wrong] = dates[wrong].byte()
    with pytest.raises(
        ValueError, match=f"expected {wrong} as floats .* divide 8-bit values by 255"
    ):
        small()(**dates)
