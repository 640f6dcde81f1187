"""Two encoders in step: schedule, taps, what stays frozen, what starts as nothing."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite.nets.encoders.joint_encoder import Fuser, JointEncoder, as_map
from mfnet_lite.nets.encoders.plain_vit import SamViT
from mfnet_lite.sam import SamConfig
from tests.nets.small_pair import SmallPair, small_sam

OTHER = SamConfig(
    image_size=64, patch_size=16, width=20, depth=8, heads=2, window=2, global_blocks=(3, 7),
    prompt_dim=32,
)  # fmt: skip


def joint(sizes: SamConfig | None = None, **options) -> JointEncoder:
    torch.manual_seed(0)
    sam = small_sam() if sizes is None else small_sam(sizes)
    return JointEncoder(SamViT(sam), SmallPair(), **options).eval()


def silenced(net: JointEncoder) -> JointEncoder:
    for fuser in net.fusers.values():
        torch.nn.init.zeros_(fuser.fuse.scale)
    return net


def test_without_fusers_maps_are_those_of_the_encoders():
    net = joint(fusion="none")
    image = torch.rand(2, 3, 64, 48)
    found = net(image)
    taps = []
    for encoder in (net.vision, net.pair.image):
        tokens = encoder.embed((image - encoder.mean) / encoder.std)
        kept = []
        for number in range(4):
            tokens = encoder.block(number, tokens, (8, 6))
            kept.append(as_map(tokens, 0, (8, 6)))
        taps.append(kept)
    assert net.taps == [1, 2, 3, 4]
    for tap, map_ in zip(net.taps, found.maps, strict=True):
        expected = torch.cat([taps[0][tap - 1], taps[1][tap - 1]], dim=1)
        assert torch.allclose(map_, expected, atol=1e-5)
    assert net.channels == (48, 48, 48, 48)
    assert [name for name, _ in net.added_parameters()] == [
        "to_language.weight",
        "to_language.bias",
    ]
    assert not any(m.requires_grad for m in found.maps)


def test_silent_fusers_change_nothing():
    image = torch.rand(1, 3, 64, 64)
    plain, fused = joint(fusion="none"), silenced(joint())
    for a, b in zip(plain(image).maps, fused(image).maps, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_released_depth_gives_the_released_taps():
    net = joint()
    net.steps = 24
    assert [round(share * 24) for share in (1 / 3, 1 / 2, 2 / 3, 1.0)] == [8, 12, 16, 24]


@pytest.mark.parametrize(
    ("number", "steps"), [(0, [1, 2, 3, 4]), (1, [4]), (2, [2, 4]), (4, [1, 2, 3, 4])]
)
def test_fusers_are_spread_and_the_last_is_at_the_end(number, steps):
    assert sorted(map(int, joint(fusers=number).fusers)) == steps


def test_encoders_of_other_depth_width_and_grid():
    net = joint(OTHER)
    found = net(torch.rand(1, 3, 64, 96))
    assert net.patch == 16
    assert net.steps == 4
    assert [m.shape for m in found.maps] == [(1, 44, 8, 12)] * 4
    assert found.grids == [(4, 6), (8, 12)]
    # the deeper encoder ran all of its blocks
    encoder = silenced(net).vision
    image = torch.rand(1, 3, 64, 96)
    tokens = encoder.embed((image - encoder.mean) / encoder.std)
    for block in range(8):
        tokens = encoder.block(block, tokens, (4, 6))
    assert torch.allclose(net(image).tokens[0], tokens, atol=1e-5)


def test_fuser_adds_each_part_to_its_stream():
    torch.manual_seed(0)
    fuser = Fuser(24, 24, "mvfuser").eval()
    torch.nn.init.ones_(fuser.fuse.scale)
    v, l = torch.randn(1, 3, 24), torch.randn(1, 2, 24)
    out = fuser.fuse(torch.cat([v, l], dim=1))
    got_v, got_l = fuser(v, l)
    assert torch.allclose(got_v, v + out[:, :3])
    assert torch.allclose(got_l, l + out[:, 3:])


def test_gradients_reach_fusers_through_frozen_blocks():
    net = joint()
    net(torch.rand(1, 3, 64, 64)).maps[-1].square().sum().backward()
    for name, parameter in net.fusers.named_parameters():
        assert parameter.grad is not None, name
    frozen = [p for n, p in net.named_parameters() if not n.startswith(("fusers", "to_language"))]
    assert all(p.grad is None for p in frozen)


def test_visual_embedding_starts_as_the_pairs_own():
    net = joint(fusion="none")
    image = torch.rand(1, 3, 64, 64)
    found = net(image)
    assert torch.equal(net.visual(found).tokens, net.pair.visual(found.tokens[1], (8, 8)))
    torch.nn.init.normal_(net.to_language.weight)
    assert not torch.equal(net.visual(found).tokens, net.pair.visual(found.tokens[1], (8, 8)))


def test_visual_embedding_reads_the_vision_encoder_where_it_looks():
    net = joint(OTHER, fusion="none")
    torch.nn.init.normal_(net.to_language.weight)
    found = net(torch.rand(1, 3, 64, 64))
    seen = as_map(net.to_language(found.tokens[0]), 0, (4, 4))
    wide = F.interpolate(seen, (8, 8), mode="bilinear", align_corners=False)
    expected = net.pair.visual(found.tokens[1] + wide.flatten(2).mT, (8, 8))
    assert torch.allclose(net.visual(found).tokens, expected, atol=1e-5)


def test_single_streams():
    image = torch.rand(1, 3, 64, 64)
    vision, language = joint(streams="vision"), joint(streams="language")
    assert vision.visual(vision(image)) is None
    assert vision.channels == (24,) * 4
    assert language.vision is None
    assert language.visual(language(image)).dense.shape == (1, 16, 8, 8)
    assert not list(vision.added_parameters())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fusion": "sum"}, "unknown fusion 'sum'"),
        ({"streams": "none"}, "unknown streams 'none'"),
        ({"fusers": 5}, "0 to 4 fusers"),
    ],
)
def test_refuses(options, words):
    with pytest.raises(ValueError, match=words):
        joint(**options)
