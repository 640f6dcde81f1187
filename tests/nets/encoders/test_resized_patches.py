"""Patches of another size: the same tokens on an enlarged image, the partner's grid, DINOv2 at full size."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite import load_sam
from mfnet_lite.nets.encoders.plain_vit import TimmViT, plain_vit
from mfnet_lite.nets.encoders.resized_patches import resize_patches

timm = pytest.importorskip("timm")


def small() -> TimmViT:
    torch.manual_seed(0)
    return TimmViT(timm.create_model("test_vit", img_size=64, num_classes=0))


@torch.no_grad()
def test_an_enlarged_image_gives_the_same_tokens() -> None:
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    # each patch enlarged by itself, so that no neighbour shines in
    patches = x.unfold(2, 16, 16).unfold(3, 16, 16).reshape(3, 16, 16, 16)
    large = F.interpolate(patches, (32, 32), mode="bicubic", antialias=True)
    large = large.reshape(3, 4, 4, 32, 32).transpose(2, 3).reshape(1, 3, 128, 128)
    net = small()
    before = net(x)
    assert resize_patches(net, 32) is net
    assert net.patch == 32
    torch.testing.assert_close(net(large), before, atol=1e-4, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_the_same_size_changes_nothing() -> None:
    net = small()
    before = net.vit.patch_embed.proj.weight.clone()
    assert torch.equal(resize_patches(net, 16).vit.patch_embed.proj.weight, before)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="expected a vision transformer of timm, got a SamViT"):
        resize_patches(plain_vit(load_sam("tiny")), 16)
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        resize_patches(small(), 0)


@pytest.mark.parametrize(
    ("name", "prefix"), [("vit_large_patch14_dinov2", 1), ("vit_large_patch14_reg4_dinov2", 5)]
)
def test_full_size(name, prefix) -> None:
    """One forward on the meta device, at multiples of its own patches and on the grid of CLIP at 512 pixels."""
    with torch.device("meta"):
        net = plain_vit(timm.create_model(name, num_classes=0))
        assert net(torch.empty(1, 3, 504, 532)).shape == (1, 1024, 36, 38)
        assert resize_patches(net, 16)(torch.empty(1, 3, 512, 512)).shape == (1, 1024, 32, 32)
    assert (net.width, net.depth, net.prefix) == (1024, 24, prefix)
