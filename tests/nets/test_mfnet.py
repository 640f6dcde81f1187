"""The whole network: the authors' sizes, SAM's images, missing sensors, any size."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mfnet_lite import load_sam
from mfnet_lite.nets import MFNet
from mfnet_lite.nets.inputs import ToRGB
from mfnet_lite.sam import VIT_B, VIT_H, VIT_L, build_sam
from mfnet_lite.tuning import attach_lora, detach, freeze, merge, merge_and_unload
from tests.small_sam import SMALL


def network(**options) -> MFNet:
    torch.manual_seed(0)
    sam = build_sam(SMALL)
    nn.init.normal_(sam.image_encoder.pos_embed, std=0.2)
    return MFNet(sam, 6, **options)


def sample(batch: int = 2, height: int = 64, width: int = 64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "optical": torch.rand(batch, 3, height, width, generator=generator),
        "dsm": torch.rand(batch, 1, height, width, generator=generator),
    }


@pytest.mark.parametrize(
    ("config", "frozen", "adapter", "lora"),
    [
        (VIT_B, 89_670_912, 14_201_880, 1_032_240),
        (VIT_L, 308_278_272, 50_454_576, 2_752_608),
        (VIT_H, 637_026_048, 105_062_464, 4_587_648),
    ],
)
def test_parameter_counts_of_the_fact_sheet(config, frozen, adapter, lora) -> None:
    for tuning, added in (("mmadapter", adapter), ("mmlora", lora)):
        with torch.device("meta"):
            net = MFNet(build_sam(config), 6, tuning=tuning)
        assert sum(p.numel() for p in net.encoder.image_encoder.parameters()) == frozen
        assert sum(p.numel() for p in net.encoder.additions.parameters()) == added
        assert sum(p.numel() for p in net.fusion.parameters()) == 1_643_136
        assert sum(p.numel() for p in net.decoder.parameters()) == 515_102
        trained = sum(p.numel() for p in net.parameters() if p.requires_grad)
        assert trained == added + 1_643_136 + 515_102
        assert {p.requires_grad for p in net.encoder.image_encoder.parameters()} == {False}


@pytest.mark.parametrize(
    ("config", "adapter", "lora"),
    [
        (VIT_B, (153.122, 150.279), (141.627, 138.785)),
        (VIT_L, (568.097, 565.255), (522.283, 519.440)),
    ],
)
def test_the_encoder_spares_the_padding_that_the_authors_compute(config, adapter, lora) -> None:
    """Their operations for one pair of 256 px, total and encoder, in 10^9, counted on the authors' code."""
    for tuning, (total, encoder) in (("mmadapter", adapter), ("mmlora", lora)):
        with torch.device("meta"):
            net = MFNet(build_sam(config), 6, tuning=tuning, official=True)
            pair = {"optical": torch.empty(1, 3, 256, 256), "dsm": torch.empty(1, 1, 256, 256)}
        with FlopCounterMode(display=False) as counter:
            net(pair)
        ours = counter.get_total_flops() / 1e9
        # 784 tokens of 14 x 14 windows for 256 real ones: a third of the encoder's work is padding.
        assert encoder / (ours - (total - encoder)) > 1.46
        assert total / ours > 1.4


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter", "lora", "adapter", "none", "full"])
@pytest.mark.parametrize("fusion", ["dfm", "sum"])
def test_every_trained_tensor_learns(tuning, fusion) -> None:
    net = network(tuning=tuning, fusion=fusion, official=True).train()
    for name, parameter in net.named_parameters():
        if name.endswith("lora_b"):
            nn.init.normal_(parameter, std=0.1)
    loss = nn.functional.cross_entropy(net(sample()), torch.randint(6, (2, 64, 64)))
    loss.backward()
    for name, parameter in net.named_parameters():
        assert (parameter.grad is not None) is parameter.requires_grad, name


@pytest.mark.parametrize("size", [(64, 64), (61, 70), (32, 40), (96, 24)])
@pytest.mark.parametrize("fusion", ["dfm", "sum"])
def test_any_size(size, fusion) -> None:
    net = network(fusion=fusion).eval()
    assert net(sample(1, *size)).shape == (1, 6, *size)


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter"])
def test_channels_last(tuning) -> None:
    """PyTorch says it to tensors of five axes, too, and the weights of a SensorUpsample have as many."""
    net = network(tuning=tuning).eval()
    with torch.no_grad():
        expected, before = net(sample()), {k: v.clone() for k, v in net.state_dict().items()}
        net.to(memory_format=torch.channels_last)
        torch.testing.assert_close(net(sample()), expected, atol=1e-5, rtol=1e-5)
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert net.double().fusion.up2.weight.dtype == torch.float64
    net.train()
    net({name: x.double() for name, x in sample().items()}).sum().backward()
    assert net.fusion.up2.weight.grad.any()


def test_missing_key_missing_mask_and_nan_are_the_same() -> None:
    net = network().eval()
    for parameter in net.encoder.additions.parameters():
        nn.init.normal_(parameter, std=0.3)
    full = sample()
    without = {"optical": full["optical"]}
    spoiled = full | {"dsm": torch.full_like(full["dsm"], torch.nan)}
    mask = torch.tensor([[True, False], [True, False]])
    with torch.no_grad():
        expected = net(without)
        torch.testing.assert_close(net(full, mask), expected)
        torch.testing.assert_close(net(spoiled, mask), expected)
        assert torch.isfinite(expected).all()
        mixed = net(full, torch.tensor([[True, False], [True, True]]))
        torch.testing.assert_close(mixed[:1], expected[:1])
        torch.testing.assert_close(mixed[1:], net(full)[1:])
        assert not torch.allclose(expected, net(full))


@pytest.mark.parametrize("fusion", ["dfm", "sum"])
def test_nan_of_a_missing_sensor_reaches_no_gradient(fusion) -> None:
    net = network(sensors={"optical": 3, "radar": 2}, fusion=fusion, official=True).train()
    x = {"optical": torch.rand(2, 3, 64, 64), "radar": torch.rand(2, 2, 64, 64)}
    x["radar"][0] = torch.nan
    net(x, torch.tensor([[True, False], [True, True]])).square().mean().backward()
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert torch.isfinite(parameter.grad).all(), name


def test_sensor_dropout_withholds_in_training_alone() -> None:
    net = network(sensor_dropout=1.0).train()
    x = sample(64, 8, 8)
    stacked, modality_mask = net.stack(x)
    assert modality_mask is not None
    assert modality_mask.sum(dim=1).eq(1).all()
    assert 0.3 < modality_mask[:, 0].float().mean() < 0.7
    told = net.eval().stack(x, modality_mask)[0]
    torch.testing.assert_close(stacked, told)
    assert net.stack(x)[1] is None
    net.train()
    given = torch.tensor([[True, False]]).expand(64, -1)
    assert torch.equal(net.stack(x, given)[1], given)  # a sample keeps its only sensor
    torch.manual_seed(3)
    first = net.stack(x)[1]
    torch.manual_seed(3)
    assert torch.equal(net.stack(x)[1], first)
    assert network().train().stack(x)[1] is None


def test_full_presence_changes_nothing() -> None:
    net = network().eval()
    with torch.no_grad():
        masked = net(sample(), torch.ones(2, 2, dtype=torch.bool))
        torch.testing.assert_close(masked, net(sample()))


def test_one_and_four_sensors() -> None:
    for sensors in (("optical",), {"optical": 4, "dsm": 1, "sar": 1, "thermal": 2}):
        net = network(sensors=sensors).eval()
        bands = net.sensors
        x = {name: torch.rand(1, count, 64, 64) for name, count in bands.items()}
        assert net(x).shape == (1, 6, 64, 64)
        assert list(net(x | {"label": torch.zeros(1, 64, 64)}).shape) == [1, 6, 64, 64]


def test_images_are_normalised_as_sam_wants_them() -> None:
    net = network()
    x = sample()
    stacked, modality_mask = net.stack(x)
    assert modality_mask is None
    sam = load_sam("tiny")
    torch.testing.assert_close(
        stacked[0], sam.preprocess(255 * x["optical"][..., :64, :64])[..., :64, :64]
    )
    torch.testing.assert_close(stacked[1][:, 0], (x["dsm"][:, 0] - net.mean[0]) / net.std[0])
    raw, _ = network(official=True).stack(x)
    assert torch.equal(raw[0], x["optical"])
    assert torch.equal(raw[1], x["dsm"].expand(-1, 3, -1, -1))


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_more_bands_start_as_the_first_three(bands) -> None:
    x = torch.rand(1, bands, 4, 4)
    expected = x[:, [min(colour, bands - 1) for colour in range(3)]]
    torch.testing.assert_close(ToRGB(bands)(x), expected)


def test_repeatable_by_seed() -> None:
    a, b = network(), network()
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(p, q)


def test_errors() -> None:
    net = network()
    x = sample()
    with pytest.raises(
        ValueError, match="built for the sensors optical, dsm, but the sample holds only sar"
    ):
        net({"sar": x["dsm"]})
    with pytest.raises(
        ValueError, match=r"expected dsm of shape \(2, 1, 64, 64\), got \(2, 3, 64, 64\)"
    ):
        net({"optical": x["optical"], "dsm": x["optical"]})
    with pytest.raises(ValueError, match="no sensor at all"):
        net(x, torch.tensor([[False, False], [True, True]]))
    with pytest.raises(ValueError, match="got the string 'optical'"):
        network(sensors="optical")
    with pytest.raises(ValueError, match="unknown fusion 'mean'; available: dfm, sum"):
        network(fusion="mean")
    with pytest.raises(ValueError, match="sensor_dropout is a probability, 0 to 1, got 40"):
        network(sensor_dropout=40)


@pytest.mark.parametrize(
    ("modality_mask", "found"),
    [
        (torch.ones(2, 3, dtype=torch.bool), r"torch.bool of shape \(2, 3\)"),
        (torch.ones(2, dtype=torch.bool), r"torch.bool of shape \(2,\)"),
        (torch.ones(2, 2), "torch.float32"),
        (torch.ones(2, 2, dtype=torch.int64), "torch.int64"),
        ([[True, False], [True, True]], "an object of type list"),
    ],
)
def test_a_presence_of_another_kind_is_one_sentence(modality_mask, found) -> None:
    message = rf"expected a boolean modality_mask of shape \(2, 2\) \(batch, sensors\), got {found}"
    for net, x in ((network(), sample()), (network().encoder, torch.rand(2, 2, 3, 64, 64))):
        with pytest.raises(ValueError, match=message):
            net(x, modality_mask)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: x["optical"], "a map per sensor .* got an object of type Tensor"),
        (
            lambda x: {k: v[0] for k, v in x.items()},
            r"optical of shape \(batch, 3, .* \(3, 64, 64\)",
        ),
        (
            lambda x: x | {"dsm": x["dsm"][0]},
            r"dsm of shape \(batch, 1, .* \(1, 64, 64\); a single",
        ),
        (lambda x: x | {"dsm": x["dsm"].numpy()}, "as a tensor, got an object of type ndarray"),
        (
            lambda x: x | {"optical": (255 * x["optical"]).to(torch.uint8)},
            r"expected optical as floats in \[0, 1\], got torch.uint8; divide 8-bit values by 255",
        ),
    ],
)
def test_samples_that_are_none_are_one_sentence(spoil, message) -> None:
    with pytest.raises(ValueError, match=message):
        network()(spoil(sample()))


@pytest.mark.parametrize(
    ("sensors", "message"),
    [
        (("optical", "optical"), r"a name of its own, got \('optical', 'optical'\)"),
        (("s1.vv",), "'s1.vv' cannot name a sensor"),
        ({"type": 1}, "'type' cannot name a sensor"),
        (("",), "'' cannot name a sensor"),
        ((3, 1), "3 cannot name a sensor"),
    ],
)
def test_names_that_cannot_be_sensors_are_one_sentence(sensors, message) -> None:
    with pytest.raises(ValueError, match=message):
        network(sensors=sensors)


def test_a_name_is_no_sam() -> None:
    with pytest.raises(ValueError, match=r"expected a Sam, got an object of type str; .*load_sam"):
        MFNet("tiny", 6)


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter", "lora", "adapter", "none", "full"])
def test_freezing_keeps_what_is_trained(tuning) -> None:
    net = network(tuning=tuning, sensors={"optical": 3, "radar": 2})
    before = {n for n, p in net.named_parameters() if p.requires_grad}
    assert {n for n, p in freeze(net).named_parameters() if p.requires_grad} == before
    assert {n for n, _ in net.added_parameters()} == before


def test_more_may_be_attached_and_is_trained_too() -> None:
    net = network(tuning="none")
    before = {n for n, p in net.named_parameters() if p.requires_grad}
    attach_lora(net, "attn.qkv")
    more = {n for n, p in net.named_parameters() if p.requires_grad} - before
    assert len(more) == 4
    assert all(".attn.qkv.lora_" in name for name in more)


@pytest.mark.parametrize("tuning", ["mmlora", "mmadapter", "lora", "adapter"])
def test_detached_it_runs_the_bit_identical_sam(tuning) -> None:
    net = network(tuning=tuning, official=True).eval()
    official, bare = network(tuning="none", official=True).encoder, network(tuning="none").eval()
    for parameter in net.encoder.additions.parameters():
        nn.init.normal_(parameter, std=0.3)
    images = torch.rand(2, 1, 3, 64, 64)
    assert not torch.allclose(net.encoder(images), official(images))
    assert detach(net) is net
    assert list(net.encoder.state_dict()) == list(official.state_dict())
    for name, value in official.state_dict().items():
        assert torch.equal(net.encoder.state_dict()[name], value)
    assert torch.equal(net.encoder(images), official(images))
    sam = bare.encoder.image_encoder(images[0])
    assert torch.equal(net.encoder.image_encoder(images[0]), sam)
    assert net(sample()).shape == (2, 6, 64, 64)
    trained = {n.partition(".")[0] for n, p in net.named_parameters() if p.requires_grad}
    assert trained == {"fusion", "decoder"}


def test_what_cannot_come_off_or_be_merged_is_one_sentence() -> None:
    with pytest.raises(ValueError, match="tuning='full' trained SAM's own weights"):
        detach(network(tuning="full"))
    for change in (merge, merge_and_unload):
        with pytest.raises(
            ValueError, match=r"nothing of this MFNet .* encoder.additions.0.qkv \(QKVUpdate\)"
        ):
            change(network())
