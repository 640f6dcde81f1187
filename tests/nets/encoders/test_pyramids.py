"""Frozen pyramids: four strides, no gradient, no training mode, SAM's own numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mfnet_lite.nets.encoders.pyramids import STRIDES, Pyramid, SamPyramid, TimmPyramid
from mfnet_lite.sam import SamConfig, build_sam

SIZES = SamConfig(
    image_size=64, patch_size=8, width=16, depth=4, heads=2, window=4, prompt_dim=32,
    global_blocks=(3,),
)  # fmt: skip


@pytest.fixture(params=["sam", "timm"])
def pyramid(request) -> Pyramid:
    if request.param == "sam":
        return SamPyramid(build_sam(SIZES, seed=0))
    pytest.importorskip("timm", reason="timm is an optional package")
    torch.manual_seed(0)
    return TimmPyramid("resnet10t")


def test_four_strides(pyramid: Pyramid) -> None:
    maps = pyramid(torch.rand(2, 3, 64, 96))
    for x, channels, stride in zip(maps, pyramid.channels, STRIDES, strict=True):
        assert x.shape == (2, channels, 64 // stride, 96 // stride)
        assert not x.requires_grad


def test_frozen_also_in_training_mode(pyramid: Pyramid) -> None:
    x = torch.rand(2, 3, 64, 64)
    before = pyramid(x)
    pyramid.train()
    assert not any(module.training for module in pyramid.modules())
    for a, b in zip(pyramid(x), before, strict=True):
        assert torch.equal(a, b)


def test_the_coarsest_map_is_sams_embedding_averaged() -> None:
    sam = build_sam(SIZES, seed=0)
    x = torch.rand(1, 3, 64, 64)
    embedding = sam.image_encoder(sam.preprocess(255 * x))
    expected = torch.nn.functional.avg_pool2d(embedding, 4)
    torch.testing.assert_close(SamPyramid(sam)(x)[3], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("depth", "taken"), [(1, (0, 0, 0)), (2, (0, 0, 1)), (3, (0, 1, 1))])
def test_a_sam_of_few_blocks_gives_one_map_twice(depth: int, taken: tuple[int, ...]) -> None:
    sam = build_sam(replace(SIZES, depth=depth, global_blocks=(depth - 1,)), seed=0).eval()
    x = torch.rand(1, 3, 64, 64)
    heard: list[torch.Tensor] = []
    hooks = [
        b.register_forward_hook(lambda *a: heard.append(a[2])) for b in sam.image_encoder.blocks
    ]
    sam.image_encoder(sam.preprocess(255 * x))
    for hook in hooks:
        hook.remove()
    levels = SamPyramid(sam)(x)
    # 8 × 8 tokens are the map of stride 8
    torch.testing.assert_close(levels[1], heard[taken[1]].movedim(-1, 1), atol=1e-5, rtol=1e-5)
    for level, number, size in ((levels[0], taken[0], 16), (levels[2], taken[2], 4)):
        expected = torch.nn.functional.interpolate(
            heard[number].movedim(-1, 1), (size, size), mode="area" if size == 4 else "bilinear"
        )
        torch.testing.assert_close(level, expected, atol=1e-5, rtol=1e-5)


def test_errors(pyramid: Pyramid) -> None:
    with pytest.raises(ValueError, match="multiples of 32, got 64 × 40"):
        pyramid(torch.rand(1, 3, 64, 40))
    with pytest.raises(ValueError, match=r"expected \(batch, 3, height, width\)"):
        pyramid(torch.rand(1, 4, 64, 64))


@pytest.mark.parametrize(
    ("name", "channels"),
    [("mobilenetv3_small_050", (8, 16, 24, 288)), ("convnext_atto", (40, 80, 160, 320))],
)
def test_any_convolutional_network_of_timm(name: str, channels: tuple[int, ...]) -> None:
    pytest.importorskip("timm", reason="timm is an optional package")
    pyramid = TimmPyramid(name)
    assert pyramid.channels == channels
    maps = pyramid(torch.rand(1, 3, 32, 64))
    assert [tuple(x.shape[1:]) for x in maps] == [
        (c, 32 // s, 64 // s) for c, s in zip(channels, STRIDES, strict=True)
    ]


def test_a_network_without_fine_maps_is_refused() -> None:
    pytest.importorskip("timm", reason="timm is an optional package")
    with pytest.raises(ValueError, match="none at"):
        TimmPyramid("vit_tiny_patch16_224", img_size=64)
