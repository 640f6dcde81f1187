"""Visual tokens: which channels stand where, one grid, frozen parts that stay and can be kept."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite.nets.encoders.plain_vit import SamViT
from mfnet_lite.nets.encoders.visual_perception import ScalesNetwork, VisualPerception, spread_taps
from mfnet_lite.sam import SamConfig, build_sam
from mfnet_lite.utils.hashes import hash_tensors

IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def vit() -> SamViT:
    torch.manual_seed(0)
    return SamViT(
        build_sam(SamConfig(image_size=64, width=16, depth=4, heads=2, global_blocks=(1, 3)))
    )


def scales(**options: object) -> ScalesNetwork:
    pytest.importorskip("timm")
    torch.manual_seed(0)
    return ScalesNetwork("resnet10t", pretrained=False, **options)  # type: ignore[arg-type]


def test_channels_are_those_of_the_chosen_blocks_in_order() -> None:
    encoder = vit()
    perception = VisualPerception(encoder, None, width=8, taps=(2, 0))
    features = perception.frozen_features(IMAGES)
    grid = encoder.grid(IMAGES)
    assert perception.taps == (0, 2)
    assert features.shape == (2, grid[0] * grid[1], 32)
    assert perception.token_count(64, 96) == features.shape[1]
    tokens = encoder.embed((IMAGES - encoder.mean) / encoder.std)
    first = encoder.block(0, tokens, grid)
    torch.testing.assert_close(features[..., :16], first)
    third = encoder.block(2, encoder.block(1, first, grid), grid)
    torch.testing.assert_close(features[..., 16:], third)


def test_both_branches_come_to_the_grid_asked_for() -> None:
    network = scales(scales=(0, 2))
    perception = VisualPerception(vit(), network, width=8, grid=(2, 3))
    features = perception.frozen_features(IMAGES)
    assert perception.channels == 3 * 16 + network.channels
    assert features.shape == (2, 6, perception.channels)
    assert perception(IMAGES).shape == (2, 6, 8)
    maps = network.net((IMAGES - network.mean) / network.std)
    fine = F.adaptive_avg_pool2d(maps[network.levels[0]], (2, 3)).flatten(2).transpose(1, 2)
    torch.testing.assert_close(features[..., 48 : 48 + fine.shape[-1]], fine)
    whole = network(IMAGES)
    assert whole.shape[-2:] == maps[network.levels[0]].shape[-2:] == (16, 24)
    alone = VisualPerception(None, network, width=8, grid=(2, 3))
    torch.testing.assert_close(alone.frozen_features(IMAGES), features[..., 48:])


def test_only_the_projection_trains_and_features_can_be_kept() -> None:
    perception = VisualPerception(vit(), scales(), width=8, grid=(2, 2)).train()
    names = {name for name, p in perception.named_parameters() if p.requires_grad}
    assert names == {"projection.weight", "projection.bias"}
    frozen = {n: v for n, v in perception.state_dict().items() if not n.startswith("projection")}
    before = hash_tensors(frozen)
    kept = perception.frozen_features(IMAGES)
    assert not kept.requires_grad
    optimiser = torch.optim.SGD([p for p in perception.parameters() if p.requires_grad], lr=0.1)
    perception(IMAGES).square().sum().backward()
    optimiser.step()
    now = {n: v for n, v in perception.state_dict().items() if not n.startswith("projection")}
    assert hash_tensors(now) == before
    assert torch.equal(perception.project(kept), perception(IMAGES))
    assert perception.project(kept.half()).dtype == torch.float32


def test_projection_has_its_own_seed() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    encoder = vit()
    torch.set_rng_state(state)
    one = VisualPerception(encoder, None, width=8, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    two = VisualPerception(encoder, None, width=8, seed=1)
    assert torch.equal(one.projection.weight, two.projection.weight)


def test_errors_and_spread() -> None:
    assert spread_taps(1) == (0,)
    with pytest.raises(ValueError, match="needs a convolutional network and a grid"):
        VisualPerception(None, None, width=8)
    with pytest.raises(ValueError, match="different numbers from 0 to 3"):
        VisualPerception(vit(), None, width=8, taps=(4,))
    with pytest.raises(ValueError, match="at least one block"):
        VisualPerception(vit(), None, width=8, taps=())
    with pytest.raises(ValueError, match="multiples of the patch size"):
        VisualPerception(vit(), None, width=8).frozen_features(IMAGES[..., :63])
    with pytest.raises(ValueError, match="scales must be numbers from 0"):
        scales(scales=(4,))


def test_parts_of_a_token_are_normalised_before_the_projection() -> None:
    network = scales(scales=(0, 2))
    perception = VisualPerception(vit(), network, width=8, taps=(0, 3), grid=(2, 3))
    assert perception.widths == (16, 16, *network.widths)
    assert sum(perception.widths) == perception.channels
    features = perception.frozen_features(IMAGES)
    parts = features.split(perception.widths, dim=-1)
    plain = torch.cat(
        [
            (part - part.mean(-1, keepdim=True))
            / (part.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
            for part in parts
        ],
        dim=-1,
    )
    expected = F.linear(plain, perception.projection.weight, perception.projection.bias)
    torch.testing.assert_close(perception.project(features), expected, atol=1e-5, rtol=1e-4)
    # a part may be of another size and lie elsewhere: 100 times as long, and around 7
    moved = torch.cat([100 * parts[0] + 7, *parts[1:]], dim=-1)
    torch.testing.assert_close(perception.project(moved), expected, atol=1e-3, rtol=1e-3)
    # but no part borrows from another
    swapped = torch.cat([parts[1], parts[0], *parts[2:]], dim=-1)
    assert not torch.allclose(perception.project(swapped), expected, atol=1e-3)


def test_without_normalising_features_are_projected_as_they_are() -> None:
    raw = VisualPerception(vit(), None, width=8, grid=(2, 3), normalise=False)
    usual = VisualPerception(vit(), None, width=8, grid=(2, 3))
    features = raw.frozen_features(IMAGES)
    assert torch.equal(features, usual.frozen_features(IMAGES))
    assert torch.equal(raw.project(features), raw.projection(features))
    assert not torch.allclose(raw.project(features), usual.project(features), atol=1e-2)


def test_features_without_any_difference_project_to_the_bias() -> None:
    perception = VisualPerception(vit(), None, width=8, grid=(1, 1))
    flat = torch.full((1, 1, perception.channels), 3.0)
    torch.testing.assert_close(perception.project(flat)[0, 0], perception.projection.bias)
