"""GoPT: starts as the frozen network, trains its prompters and head alone, does without sensors."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mfnet_lite import load_sam
from mfnet_lite.nets import GoPT, GoPTConfig, build_model
from mfnet_lite.sam import VIT_B, VIT_H, VIT_L, SamConfig, build_sam
from mfnet_lite.tuning import base_hash, count, delta_info, detach, freeze, load_delta, save_delta
from mfnet_lite.tuning.grouping import PromptHierarchy

SMALL = SamConfig(
    image_size=64, patch_size=8, width=24, depth=4, heads=3, window=4, global_blocks=(1, 3),
    prompt_dim=32,
)  # fmt: skip


def vit() -> nn.Module:
    timm = pytest.importorskip("timm")
    net = timm.models.vision_transformer.VisionTransformer(
        img_size=64, patch_size=16, embed_dim=24, depth=4, num_heads=2, num_classes=0, reg_tokens=1
    )
    nn.init.normal_(net.pos_embed, std=0.2)
    return net


def network(foundation: str = "sam", sensors=("optical", "dsm"), **options) -> GoPT:
    torch.manual_seed(0)
    sam = vit() if foundation == "timm" else build_sam(SMALL)
    if foundation == "sam":
        nn.init.normal_(sam.image_encoder.pos_embed, std=0.2)
    return GoPT(sam, 6, sensors, **{"bottleneck": 8, "head_width": 8, **options})


def sample(batch: int = 2, height: int = 64, width: int = 64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "optical": torch.rand(batch, 3, height, width, generator=generator),
        "dsm": torch.rand(batch, 1, height, width, generator=generator),
    }


def shaken(net: GoPT) -> GoPT:
    """Random numbers in place of the zeros that training starts from."""
    generator = torch.Generator().manual_seed(5)
    assert net.encoder.prompts is not None
    for name, parameter in net.encoder.prompts.named_parameters():
        if name.endswith("up.weight"):
            nn.init.normal_(parameter, std=0.3, generator=generator)
    return net


def train(net: GoPT, steps: int = 2) -> GoPT:
    """Some steps with a large rate, as training does them."""
    net.train()
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.05)
    label = torch.randint(6, (2, 64, 64), generator=torch.Generator().manual_seed(2))
    for step in range(steps):
        optimizer.zero_grad()
        logits = net(sample(), generator=torch.Generator().manual_seed(step))
        nn.functional.cross_entropy(logits, label).backward()
        optimizer.step()
    return net.eval()


# Numbers of the frozen encoders are the official ones; those of the prompters follow from
# d = width, r = 24, K = 6 by hand: per prompter 3dr + 2r + 11r² + 10r, class tokens K·r once.
@pytest.mark.parametrize(
    ("config", "frozen", "prompters", "head", "percent"),
    [
        (VIT_B, 89_670_912, 743_184, 91_078, 0.9),
        (VIT_L, 308_278_272, 1_928_592, 91_078, 0.7),
        (VIT_H, 637_026_048, 3_161_232, 91_078, 0.6),
    ],
)
def test_below_one_percent_is_trained_at_the_size_of_the_paper(
    config, frozen, prompters, head, percent
) -> None:
    with torch.device("meta"):
        net = GoPT(build_sam(config), 6)
    assert isinstance(net.encoder.prompts, PromptHierarchy)
    assert len(net.encoder.prompts.prompters) == config.depth
    width, r = config.width, 24
    one = 3 * width * r + 2 * r + 11 * r * r + 10 * r
    assert prompters == config.depth * one + 6 * r
    table = count(net)
    rows = {row.name: row for row in table.rows}
    assert (rows["encoder"].base, rows["encoder"].added) == (frozen, prompters)
    assert rows["encoder"].trained == prompters
    assert rows["head"].trained == head
    assert table.trained == prompters + head
    assert 100 * prompters / frozen < percent < 1
    assert table.percent < 1  # with the head
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in trained} == {"encoder", "head"}
    assert not any(name.startswith("encoder.vit.") for name in trained)


def test_below_one_percent_with_the_forty_classes_of_nyu() -> None:
    with torch.device("meta"):
        net = GoPT(build_sam(VIT_B), 40)
        embedded = GoPT(build_sam(VIT_B), 40, auxiliary="embed")
    assert net.encoder.prompts is not None
    assert embedded.encoder.prompts is not None
    numbers = [sum(p.numel() for p in n.encoder.prompts.parameters()) for n in (net, embedded)]
    assert numbers == [744_000, 540_984]  # less 11 down projections of 768 · 24 + 24 = 18,456


@pytest.mark.parametrize("foundation", ["sam", "timm"])
@pytest.mark.parametrize("auxiliary", ["frozen", "embed"])
@pytest.mark.parametrize("training", [True, False])
def test_before_training_it_is_the_frozen_network_bit_for_bit(
    foundation, auxiliary, training
) -> None:
    net = network(foundation, auxiliary=auxiliary).train(training)
    full = sample()
    rgb = (full["optical"] - net.encoder.vit.mean) / net.encoder.vit.std
    dsm = full["dsm"].expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = net.encoder.vit(rgb)
        prompts, features = net.encoder.depths(rgb, {0: dsm})
        logits = net(full)
    assert len(prompts) == 4
    assert torch.equal(features, expected)
    assert torch.equal(
        logits, nn.functional.interpolate(net.head(expected), (64, 64), mode="bilinear")
    )
    # with what a gradient needs kept, other kernels run, in both cases the same
    assert torch.equal(net(full), net({"optical": full["optical"]}))
    rgb.requires_grad_()
    assert torch.equal(net.encoder(rgb, {0: dsm}), net.encoder.vit(rgb))


def test_before_training_it_is_the_small_sam_bit_for_bit() -> None:
    sam = load_sam("tiny")
    net = GoPT(sam, 6).eval()
    full = sample(1, 128, 96)
    rgb = (full["optical"] - net.encoder.vit.mean) / net.encoder.vit.std
    with torch.no_grad():
        dsm = full["dsm"].expand(-1, 3, -1, -1)
        assert torch.equal(net.encoder(rgb, {0: dsm}), net.encoder.vit(rgb))
        square = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
        ours, official = net.encoder(square, {0: square}), sam.image_encoder(square)
    torch.testing.assert_close(ours, official, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("foundation", ["sam", "timm"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hard": False, "tau": 0.5},
        {"auxiliary": "embed"},
        {"query": "rgb", "share_cross": True},
        {"stages": (8, 4, 2), "prompters": 3},
        {"blocks": (2, 3), "head": "linear", "checkpointing": True},
        {"sensor_dropout": 0.5},
    ],
)
def test_training_moves_prompters_and_head_and_no_frozen_bit(foundation, options) -> None:
    net = network(foundation, **options)
    before = copy.deepcopy(net.state_dict())
    every = net.named_parameters(remove_duplicate=False)
    trained = {name for name, p in every if p.requires_grad}
    train(net, steps=4)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]) is (name not in trained), name
    assert torch.isfinite(net(sample())).all()


def test_every_trained_tensor_learns() -> None:
    for options in ({}, {"auxiliary": "embed", "query": "rgb", "stages": (8, 3)}):
        net = shaken(network(sensors=("optical", "dsm", "sar"), **options)).train()
        x = sample() | {"sar": torch.rand(2, 1, 64, 64)}
        nn.functional.cross_entropy(net(x), torch.randint(6, (2, 64, 64))).backward()
        for name, parameter in net.named_parameters():
            if parameter.requires_grad:
                assert parameter.grad is not None, name
                assert parameter.grad.abs().sum() > 0, name
            else:
                assert parameter.grad is None, name


def test_nothing_is_recorded_where_no_gradient_is_needed(monkeypatch) -> None:
    net = shaken(network(blocks=(2, 3))).train()
    needs = []
    original = net.encoder.vit.block

    def block(number, tokens, grid):
        needs.append((number, tokens.requires_grad))
        return original(number, tokens, grid)

    monkeypatch.setattr(net.encoder.vit, "block", block)
    net(sample()).sum().backward()
    # RGB and auxiliary blocks in turn; the auxiliary stream ends before the last prompter
    expected = [(0, False), (0, False), (1, False), (1, False), (2, True), (2, False), (3, True)]
    assert needs == expected


@pytest.mark.parametrize("options", [{}, {"auxiliary": "embed", "query": "rgb"}])
def test_missing_key_missing_mask_and_nan_are_the_same(options) -> None:
    net = shaken(network(**options)).eval()
    full = sample()
    without = {"optical": full["optical"]}
    spoiled = full | {"dsm": torch.full_like(full["dsm"], torch.nan)}
    mask = torch.tensor([[True, False], [True, False]])
    with torch.no_grad():
        expected = net(without)
        assert torch.equal(net(full, mask), expected)
        assert torch.equal(net(spoiled, mask), expected)
        mixed_mask = torch.tensor([[True, False], [True, True]])
        spoiled["dsm"][1] = full["dsm"][1]
        mixed = net(spoiled, mixed_mask)
        torch.testing.assert_close(mixed[:1], expected[:1])
        torch.testing.assert_close(mixed[1:], net(full)[1:])
        assert not torch.allclose(expected, net(full))


def test_without_optical_the_other_sensor_still_speaks() -> None:
    net = shaken(network()).eval()
    full = sample()
    mask = torch.tensor([[False, True], [True, True]])
    with torch.no_grad():
        alone = net({"dsm": full["dsm"]})
        assert torch.isfinite(alone).all()
        spoiled = full | {"optical": full["optical"].clone()}
        spoiled["optical"][0] = torch.nan
        mixed = net(spoiled, mask)
        torch.testing.assert_close(mixed[:1], alone[:1])
        torch.testing.assert_close(mixed[1:], net(full)[1:])
        other = net({"dsm": full["dsm"].flip(-1)})
    assert not torch.allclose(alone, other)


def test_nan_of_a_missing_sensor_reaches_no_gradient() -> None:
    net = shaken(network(sensors={"optical": 3, "radar": 2})).train()
    x = {"optical": torch.rand(2, 3, 64, 64), "radar": torch.rand(2, 2, 64, 64)}
    x["radar"][0] = torch.nan
    net(x, torch.tensor([[True, False], [True, True]])).square().mean().backward()
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name  # of the two bands' projection, too
            assert torch.isfinite(parameter.grad).all(), name


def test_noise_repeats_by_seed_and_evaluation_has_none() -> None:
    net = shaken(network()).train()

    def logits(seed: int) -> torch.Tensor:
        with torch.no_grad():
            return net(sample(), generator=torch.Generator().manual_seed(seed))

    assert torch.equal(logits(0), logits(0))
    assert not torch.equal(logits(0), logits(1))
    net.eval()
    assert torch.equal(logits(0), logits(1))
    torch.manual_seed(0)
    first = train(network())(sample())
    assert torch.equal(first, train(network())(sample()))


def test_permuting_the_class_tokens_permutes_the_groups_at_every_depth() -> None:
    net = shaken(network()).eval()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    logits, maps = net(sample()), net.groups(sample())["dsm"]
    assert net.encoder.prompts is not None
    with torch.no_grad():
        net.encoder.prompts.classes.copy_(net.encoder.prompts.classes[:, order])
    torch.testing.assert_close(net(sample()), logits)
    for moved, original in zip(net.groups(sample())["dsm"], maps, strict=True):
        assert torch.equal(moved, original[:, order])


def test_groups_are_maps_of_patches() -> None:
    net = shaken(network(stages=(5, 3), prompters=2, sensors=("optical", "dsm", "sar"))).eval()
    x = {"sar": torch.rand(2, 1, 50, 64), **sample(2, 50, 64)}
    maps = net.groups(x)
    assert list(maps) == ["dsm", "sar"]
    assert [tuple(m.shape) for m in maps["sar"]] == [(2, 5, 7, 8), (2, 3, 7, 8)]
    assert all(torch.equal(m.sum(dim=1), torch.ones(2, 7, 8)) for m in maps["dsm"])
    del x["dsm"]
    only = net.groups(x)
    assert list(only) == ["sar"]
    assert torch.equal(only["sar"][0], maps["sar"][0])


@pytest.mark.parametrize("foundation", ["sam", "timm"])
@pytest.mark.parametrize("size", [(64, 64), (61, 70), (32, 40), (96, 24)])
def test_any_size(foundation, size) -> None:
    net = network(foundation).eval()
    assert net(sample(1, *size)).shape == (1, 6, *size)


def test_any_bands_and_any_number_of_sensors() -> None:
    bands = {"optical": 4, "dsm": 1, "s2": 10, "sar": 2}
    x = {name: torch.rand(1, n, 40, 64) for name, n in bands.items()}
    assert network(sensors=bands)(x).shape == (1, 6, 40, 64)
    alone = network(sensors=("optical",))
    assert alone.encoder.prompts is None
    assert torch.equal(
        alone(x | {"optical": x["optical"][:, :3]}), alone({"optical": x["optical"][:, :3]})
    )


def test_a_delta_holds_what_was_trained_and_reproduces_the_logits(tmp_path) -> None:
    net = train(network())
    path = save_delta(net, tmp_path / "delta.safetensors")
    names = set(delta_info(path).shapes)
    assert names == {name for name, p in net.named_parameters() if p.requires_grad}
    other = network().eval()
    assert base_hash(other) == base_hash(net)
    load_delta(other, path)
    assert torch.equal(other(sample()), net(sample()))
    with pytest.raises(ValueError, match="sensors"):
        load_delta(network(sensors=("optical", "sar")), path)
    with pytest.raises(ValueError, match="hard"):
        load_delta(network(hard=False), path)


def test_a_delta_of_shared_prompters_comes_back(tmp_path) -> None:
    net = train(network(share_cross=True))
    path = save_delta(net, tmp_path / "delta.safetensors")
    other = network(share_cross=True).eval()
    load_delta(other, path)
    assert torch.equal(other(sample()), net(sample()))


def test_freeze_keeps_prompters_and_head_trained_and_detach_takes_the_prompters_off() -> None:
    net = shaken(network()).eval()
    before = {name: p.requires_grad for name, p in net.named_parameters()}
    net.requires_grad_(True)
    freeze(net)
    assert {name: p.requires_grad for name, p in net.named_parameters()} == before
    expected = net({"optical": sample()["optical"]})
    assert not torch.allclose(net(sample()), expected)
    detach(net)
    torch.testing.assert_close(net(sample()), expected)
    assert count(net).added == 0


def test_the_builder_and_the_config() -> None:
    net = build_model("gopt", {"optical": 3, "dsm": 1}, 6, prompters=3, bottleneck=4)
    assert net.encoder.blocks == (0, 2, 4)
    assert net.config == GoPTConfig(prompters=3, bottleneck=4)
    listed = GoPTConfig(blocks=[1, 5], stages=[4, 2])  # as in a run's config.json
    assert listed == GoPTConfig(blocks=(1, 5), stages=(4, 2))
    assert listed.build({"optical": 3, "dsm": 1}, 6).config == listed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auxiliary": "none"}, "unknown auxiliary 'none'; available: frozen, embed"),
        ({"query": "dsm"}, "unknown query 'dsm'"),
        ({"head": "fcn"}, "unknown head 'fcn'"),
        ({"prompters": 5}, "expected 0 to 4 prompters for 4 blocks, got 5"),
        ({"blocks": (4,)}, "different numbers from 0 to 3"),
        ({"blocks": (1,), "prompters": 2}, "do not agree"),
        ({"stages": (8, 4), "prompters": 1}, "need at least as many prompters"),
        ({"bottleneck": 0}, "bottleneck must be at least 1"),
        ({"bottleneck": -1}, "bottleneck must be at least 1"),
        ({"head_width": 0}, "the width of the head must be at least 1, got 0"),
        ({"sensor_dropout": 2.0}, "is a probability"),
    ],
)
def test_impossible_options_are_refused(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        network(**options)


def test_wrong_samples_are_refused() -> None:
    net, full = network(), sample()
    for wrong, message in (
        (torch.rand(1, 3, 64, 64), "expected a sample"),
        ({"sar": full["dsm"]}, "holds only sar"),
        (full | {"dsm": full["dsm"][:, :, :32]}, r"dsm of shape \(2, 1, 64, 64\)"),
        (full | {"dsm": full["dsm"][0]}, "single image"),
    ):
        with pytest.raises(ValueError, match=message):
            net(wrong)
    with pytest.raises(ValueError, match=r"samples \[1\] of the batch have no sensor"):
        net(full, torch.tensor([[True, True], [False, False]]))
