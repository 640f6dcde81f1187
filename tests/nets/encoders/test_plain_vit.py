"""Plain ViTs run block by block equal the networks they are made of."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mfnet_lite import load_sam
from mfnet_lite.nets.encoders.plain_vit import (
    RotaryViT,
    SamViT,
    TimmViT,
    check_blocks,
    plain_vit,
    spread,
)

timm = pytest.importorskip("timm")


def vit(**options) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 24, "depth": 3, "num_heads": 2}
    net = timm.models.vision_transformer.VisionTransformer(**{**sizes, "num_classes": 0, **options})
    nn.init.normal_(net.pos_embed, std=0.2)
    return net.eval()


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_the_small_sam_is_the_official_encoder() -> None:
    sam = load_sam("tiny")
    x = images(1, 3, 256, 256)
    with torch.no_grad():
        torch.testing.assert_close(SamViT(sam)(x), sam.image_encoder(x), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reg_tokens": 3},
        {"reg_tokens": 2, "no_embed_class": True},
        {"class_token": False, "global_pool": "avg", "fc_norm": False},
        {"pre_norm": True},
    ],
)
def test_a_timm_network_gives_its_own_features(options) -> None:
    net = vit(**options)
    x = images(2, 3, 64, 64)
    with torch.no_grad():
        expected = net.forward_features(x)[:, net.num_prefix_tokens :]
        found = plain_vit(net)(x)
    assert torch.equal(found.flatten(2).mT, expected)


@pytest.mark.parametrize("size", [(96, 64), (32, 112)])
def test_a_timm_network_of_another_size_as_timm_resizes_it(size) -> None:
    net, x = vit(reg_tokens=1), images(2, 3, *size)
    with torch.no_grad():
        found = TimmViT(net)(x)
        net.set_input_size(size)
        expected = net.forward_features(x)[:, net.num_prefix_tokens :]
    torch.testing.assert_close(found.flatten(2).mT, expected)


def test_it_stays_frozen_and_in_evaluation() -> None:
    net = plain_vit(vit(proj_drop_rate=0.5)).train()
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert plain_vit(net) is net


def test_other_networks_and_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="got Linear without patch_embed"):
        plain_vit(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="of type str"):
        plain_vit("tiny")
    net = plain_vit(vit())
    for shape in ((1, 3, 60, 64), (1, 1, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match=r"multiples|expected \(batch"):
            net(images(*shape))


def test_prompters_are_spread_evenly() -> None:
    assert [spread(n, 12) for n in (1, 3, 6)] == [(0,), (0, 4, 8), (0, 2, 4, 6, 8, 10)]
    assert spread(0, 6) == spread(6, 6) == tuple(range(6))
    with pytest.raises(ValueError, match="0 to 6 prompters for 6 blocks, got 7"):
        spread(7, 6)
    assert check_blocks((4, 1), 6) == (1, 4)
    for wrong in ((1, 1), (6,), (-1,)):
        with pytest.raises(ValueError, match="different numbers from 0 to 5"):
            check_blocks(wrong, 6)


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (32, 128), (128, 32), (96, 48)])
def test_a_rotary_network_of_any_size(size) -> None:
    """32 × 128 and 128 × 32 have as many patches as 64 × 64: a rotation left from there would not be noticed."""
    torch.manual_seed(0)
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 2}
    rotary = {"use_rot_pos_emb": True, "ref_feat_shape": (3, 3), "num_classes": 0}
    net = timm.models.eva.Eva(**sizes, **rotary).eval()
    any_size = timm.models.eva.Eva(**sizes, **rotary, dynamic_img_size=True).eval()
    any_size.load_state_dict(net.state_dict())
    x, vit = images(2, 3, *size), plain_vit(net)
    assert isinstance(vit, RotaryViT)
    for expected in (any_size, net) if size == (64, 64) else (any_size,):
        tokens = expected.forward_features(x)[:, 1:]
        torch.testing.assert_close(vit(x).flatten(2).mT, tokens, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(plain_vit(any_size)(x), vit(x), atol=1e-5, rtol=1e-5)


def test_a_rotary_network_learns_after_it_predicted() -> None:
    """Another size asked for in inference mode must leave no tensors of that mode behind."""
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 2}
    rotary = {"use_rot_pos_emb": True, "ref_feat_shape": (3, 3), "num_classes": 0}
    torch.manual_seed(0)
    vit, x = plain_vit(timm.models.eva.Eva(**sizes, **rotary).eval()), images(2, 3, 96, 48)
    with torch.inference_mode():
        expected = vit(x)
    learns = x.clone().requires_grad_()
    found = vit(learns)
    found.sum().backward()
    assert torch.equal(found, expected)
    assert learns.grad is not None
    assert learns.grad.any()


def test_a_rotary_network_built_in_inference_mode() -> None:
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 2}
    with torch.inference_mode():
        vit = plain_vit(timm.models.eva.Eva(**sizes, use_rot_pos_emb=True, num_classes=0).eval())
        assert vit(images(1, 3, 96, 48)).shape == (1, 32, 6, 3)


def test_a_rotation_per_block_is_refused() -> None:
    sizes = {"img_size": 64, "patch_size": 16, "embed_dim": 32, "depth": 1, "num_heads": 2}
    net = timm.models.eva.Eva(**sizes, use_rot_pos_emb=True, rope_type="mixed")
    with pytest.raises(ValueError, match="expected one rotation for all blocks of Eva"):
        plain_vit(net)
