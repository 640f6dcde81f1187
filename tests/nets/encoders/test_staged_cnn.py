"""Convolutional networks run stage by stage equal timm's own maps."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.nets.encoders.plain_vit import PlainViT
from mfnet_lite.nets.encoders.prompted_vit import PromptedViT
from mfnet_lite.nets.encoders.staged_cnn import StagedCNN
from mfnet_lite.nets.encoders.timm_network import TimmNetwork, open_timm

timm = pytest.importorskip("timm")


def images(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def opened(name: str) -> TimmNetwork:
    torch.manual_seed(0)
    return open_timm(name, False, "the test")


def stages(net: PlainViT, x: torch.Tensor) -> list[torch.Tensor]:
    """Run it as one who stands beside does, and give the map after each stage."""
    grid, tokens = net.grid(x), net.embed(x)
    maps = [tokens.mT.unflatten(2, grid)]
    assert tokens.shape[2] == net.width
    for number in range(net.depth):
        tokens, grid = net.block(number, tokens, grid), net.grid_after(number, grid)
        assert tokens.shape[2] == net.width_after(number)
        maps.append(tokens.mT.unflatten(2, grid))
    torch.testing.assert_close(maps[-1], net.final(tokens, grid))
    return maps


@torch.no_grad()
@pytest.mark.parametrize(
    "name",
    ["test_resnet", "test_efficientnet", "test_convnext", "mobilenetv3_small_050", "regnetx_002"],
)
def test_every_stage_is_timms_own_map(name) -> None:
    network = opened(name)
    net = StagedCNN(network)
    x = images(2, 3, 64, 96)
    every = network.net(x)
    maps = stages(net, x)
    assert [tuple(found.shape[2:]) for found in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    for found, level in zip(maps, network.levels, strict=True):
        torch.testing.assert_close(found, every[level], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(net(x), every[-1], atol=1e-5, rtol=1e-5)
    assert net.channels == every[-1].shape[1]


def test_it_is_frozen_with_its_running_statistics() -> None:
    net = StagedCNN(opened("test_resnet")).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = images(2, 3, 64, 64).requires_grad_()
    net(x).sum().backward()  # what stands before it is trained
    assert x.grad is not None
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_other_sizes_are_refused() -> None:
    net = StagedCNN(opened("test_resnet"))
    for size in ((48, 64), (64, 100), (30, 64)):
        with pytest.raises(ValueError, match="must be multiples of"):
            net(images(1, 3, *size))


def test_networks_that_are_no_chain_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one whose stages are run one after the other"):
        StagedCNN(opened("swin_tiny_patch4_window7_224"))


def test_prompts_need_one_width() -> None:
    net = StagedCNN(opened("test_resnet"))
    with pytest.raises(ValueError, match=r"same width after every block, got \[32, 48, 96, 192\]"):
        PromptedViT(net, None, [0])
