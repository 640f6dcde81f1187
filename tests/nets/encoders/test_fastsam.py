"""FastSAM behind the pyramid interface, on a network of the same layer numbers and connections."""

from __future__ import annotations

import builtins
import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.nets import SAMCD, build_model
from mfnet_lite.nets.encoders.fastsam import FastSamPyramid, open_fastsam

# (kind, from, channels) of YOLOv8's 23 layers: backbone 0–9, neck 10–21, head 22.
LAYERS = [
    ("conv2", -1, 4), ("conv2", -1, 6), ("conv", -1, 6), ("conv2", -1, 8), ("conv", -1, 8),
    ("conv2", -1, 10), ("conv", -1, 10), ("conv2", -1, 12), ("conv", -1, 12), ("conv", -1, 12),
    ("up", -1, 12), ("cat", [-1, 6], 22), ("conv", -1, 10), ("up", -1, 10), ("cat", [-1, 4], 18),
    ("conv", -1, 8), ("conv2", -1, 8), ("cat", [-1, 12], 18), ("conv", -1, 10), ("conv2", -1, 10),
    ("cat", [-1, 9], 22), ("conv", -1, 14), ("head", [15, 18, 21], 0),
]  # fmt: skip


class Cat(nn.Module):
    def forward(self, maps: list[Tensor]) -> Tensor:
        return torch.cat(maps, dim=1)


class Head(nn.Module):
    calls = 0

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        Head.calls += 1
        return maps


class Yolo(nn.Module):
    """A small network that runs its layers as YOLOv8 does: each says where its input comes from."""

    def __init__(self, layers=LAYERS) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential()
        self.sources = [source for _, source, _ in layers]
        widths: list[int] = []
        for kind, source, width in layers:
            given = 3 if not widths else widths[-1] if source == -1 else 0
            if kind in ("conv", "conv2"):
                step = 2 if kind == "conv2" else 1
                conv = nn.Conv2d(given, width, 3, step, 1, bias=False)
                self.model.append(nn.Sequential(conv, nn.BatchNorm2d(width), nn.SiLU()))
            else:
                self.model.append(
                    {"up": nn.Upsample(scale_factor=2), "cat": Cat(), "head": Head()}[kind]
                )
            widths.append(width)

    def forward(self, x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for layer, source in zip(self.model, self.sources, strict=True):
            if isinstance(source, list):
                x = [x if k == -1 else kept[k] for k in source]
            x = layer(x)
            kept.append(x)
        return x


def test_the_four_layers_and_no_head() -> None:
    net = Yolo()
    pyramid = FastSamPyramid(net)
    assert pyramid.channels == (6, 8, 10, 14)
    x = torch.rand(2, 3, 64, 96)
    before = Head.calls
    maps = pyramid(x)
    assert Head.calls == before
    assert [tuple(m.shape) for m in maps] == [
        (2, 6, 16, 24), (2, 8, 8, 12), (2, 10, 4, 6), (2, 14, 2, 3),
    ]  # fmt: skip
    # the same as what the whole network hands to its head, and its stem alone
    with torch.no_grad():
        for ours, theirs in zip(maps[1:], net(x), strict=True):
            assert torch.equal(ours, theirs)
        assert torch.equal(maps[0], net.model[1](net.model[0](x)))


def test_hooks_are_gone_afterwards() -> None:
    pyramid = FastSamPyramid(Yolo())
    pyramid(torch.rand(1, 3, 32, 32))
    assert not any(layer._forward_hooks for layer in pyramid.net.model)


def test_frozen_in_the_tree_and_in_evaluation_mode() -> None:
    pyramid = FastSamPyramid(Yolo())
    net = SAMCD(pyramid).train()
    assert not any(p.requires_grad for p in pyramid.parameters())
    assert not any(module.training for module in net.encoder.modules())
    statistics = pyramid.net.model[0][1].running_mean.clone()
    change = net(*torch.rand(2, 2, 3, 64, 64)).change
    change.mean().backward()
    assert torch.equal(pyramid.net.model[0][1].running_mean, statistics)
    assert change.shape == (2, 1, 64, 64)


def test_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 22 layers in net.model, got Conv2d with 0"):
        FastSamPyramid(nn.Conv2d(3, 3, 1))
    other = [("conv2", -1, 4), *LAYERS[1:]]
    other[1] = ("conv", -1, 6)
    other[2] = ("conv2", -1, 6)
    with pytest.raises(ValueError, match=r"at strides \(2, 8, 16, 32\), expected \(4, 8, 16, 32\)"):
        FastSamPyramid(Yolo(other))


def test_without_the_package_one_sentence_names_the_licence(tmp_path, monkeypatch) -> None:
    path = tmp_path / "FastSAM-s.pt"
    path.write_bytes(b"")
    original = builtins.__import__

    def refuse(name, *rest):
        if name == "ultralytics":
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.delitem(sys.modules, "ultralytics", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(
        ImportError, match=r"AGPL-3\.0: install it with `pip install ultralytics` if"
    ):
        open_fastsam(path)


def test_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.pt does not exist, expected FastSAM's"):
        open_fastsam("nowhere.pt")


def test_by_name_through_the_package(tmp_path, monkeypatch) -> None:
    class FastSAM:
        def __init__(self, path: str) -> None:
            opened.append(path)
            self.model = Yolo()

    opened: list[str] = []
    package = ModuleType("ultralytics")
    package.FastSAM = FastSAM  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ultralytics", package)
    path = tmp_path / "FastSAM-s.pt"
    path.write_bytes(b"")
    net = build_model("sam_cd", {"before": 3, "after": 3}, 2, backbone=f"fastsam:{path}").eval()
    assert opened == [str(path)]
    pair = {name: torch.rand(1, 3, 40, 50) for name in ("before", "after")}
    with torch.no_grad():
        assert net(pair).shape == (1, 2, 40, 50)


@pytest.mark.filterwarnings("ignore")  # a foreign package, not ours to mend
@pytest.mark.parametrize(
    ("size", "whole", "used", "channels"),
    [
        ("x", 71_751_811, 59_434_640, (160, 320, 640, 640)),
        ("s", 11_790_483, 9_019_552, (64, 128, 256, 512)),
    ],
)
def test_the_real_network_by_the_fact_sheet(size, whole, used, channels) -> None:
    tasks = pytest.importorskip("ultralytics.nn.tasks", reason="ultralytics is no dependency")
    net = tasks.SegmentationModel(f"yolov8{size}-seg.yaml", nc=1, verbose=False)
    pyramid = FastSamPyramid(net)
    assert sum(p.numel() for p in net.parameters()) == whole
    assert sum(p.numel() for p in net.model[:22].parameters()) == used
    assert pyramid.channels == channels
    assert SAMCD(pyramid, official=True).stack[0].conv1.in_channels == 128
    if size == "x":
        trained = [p for p in SAMCD(pyramid, official=True).parameters() if p.requires_grad]
        assert sum(p.numel() for p in trained) == 2_591_357
    handed: list[Tensor] = []
    net.model[22].register_forward_pre_hook(lambda _, maps: handed.extend(maps[0]))
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        net(x)
    for ours, theirs in zip(pyramid(x)[1:], handed, strict=True):
        assert torch.equal(ours, theirs)
