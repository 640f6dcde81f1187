"""MFuser: what is trained, what the loss is, other words after training, one sensor, official form."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mfnet_lite.losses import QueryWeights, class_query_loss, pixel_text_alignment
from mfnet_lite.nets import MFuser, MFuserConfig, build_model
from mfnet_lite.nets.mfuser import MFuserOutput
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.tuning import base_hash, count, delta_info, freeze, load_delta, save_delta
from tests.nets.small_pair import SmallPair, small_sam

WORDS = (("road", "street"), ("roof",), ("tree", "oak", "crown"))


def network(**options) -> MFuser:
    torch.manual_seed(0)
    given = {"width": 16, "decoder_layers": 2, "heads": 2, "states": 4, **options}
    return MFuser(small_sam(), SmallPair(), given.pop("classes", WORDS), **given)


def sample(batch: int = 2, height: int = 64, width: int = 64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    label = torch.randint(0, 3, (batch, height, width), generator=generator)
    return {"optical": torch.rand(batch, 3, height, width, generator=generator), "label": label}


class Data(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: x[index % 2] for name, x in sample().items()}


@pytest.mark.parametrize("size", [(64, 64), (40, 72), (65, 77)])
@pytest.mark.parametrize("streams", ["both", "vision", "language"])
def test_any_size(size, streams):
    net = network(streams=streams).eval()
    logits = net(sample(1, *size))
    assert logits.shape == (1, 3, *size)
    assert logits.isfinite().all()
    assert (logits <= 0).all()


def test_frozen_weights_stay_and_the_rest_trains():
    net = network()
    freeze(net)
    before, digest = copy.deepcopy(net.state_dict()), base_hash(net)
    fit(
        net,
        Data(),
        config=TrainConfig(steps=3, batch=2, lr=1e-2, warmup=0, device="cpu", progress=False),
    )
    trained = {name for name, p in net.named_parameters() if p.requires_grad}
    same = {name for name, x in net.state_dict().items() if torch.equal(x, before[name])}
    assert base_hash(net) == digest
    assert not trained & same
    assert all(n.startswith(("encoder.vision.", "encoder.pair.")) for n in same - trained)
    assert trained | same == set(before)
    assert any(name.startswith("encoder.fusers.4.") for name in trained)
    assert {"prompts.vectors", "refine.gamma", "encoder.to_language.weight"} <= trained


def test_loss_is_the_sum_of_its_terms():
    net = network(prompts=0, alignment=0.5).train()
    batch = sample()
    out = net(batch)
    assert isinstance(out, MFuserOutput)
    assert len(out.masks) == 3
    terms = [
        class_query_loss(*found, batch["label"], QueryWeights(absent=1.0))["total"]
        for found in out.masks
    ]
    aligned = pixel_text_alignment(out.dense, out.text, batch["label"])
    assert torch.allclose(net.loss(out, batch), sum(terms) + 0.5 * aligned)


def test_loss_does_not_count_padding():
    net = network().train()
    batch = sample(1, 61, 50)
    torch.manual_seed(3)
    out = net(batch)
    padded = {"label": torch.full((1, 64, 56), 255)}
    padded["label"][:, :61, :50] = batch["label"]
    assert torch.equal(net.loss(out, batch), net.loss(out, padded))


@pytest.mark.slow
def test_learns_to_tell_three_grey_values():
    net = network()
    freeze(net)
    shades = torch.tensor([0.1, 0.5, 0.9])

    class Grey(Data):
        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            label = (torch.arange(8)[:, None] + torch.arange(8) + index) % 3
            label = label.repeat_interleave(8, 0).repeat_interleave(8, 1)
            return {"optical": shades[label].expand(3, -1, -1), "label": label}

    config = TrainConfig(steps=60, batch=2, lr=3e-3, warmup=5, device="cpu", progress=False)
    fit(net, Grey(), config=config)
    test = Grey()[2]
    with torch.no_grad():
        found = net.eval()({"optical": test["optical"][None]}).argmax(1)[0]
    assert (found == test["label"]).float().mean() > 0.55  # a third by chance, on random encoders


def test_other_words_in_another_order_give_the_same_maps():
    net = network().eval()
    x = sample(1)
    with torch.no_grad():
        usual = net(x)
        turned = net.ask([WORDS[2], WORDS[0], WORDS[1]])(x)
        four = net.ask([*WORDS, ["pool"]])(x)
        again = net.ask(None)(x)
    assert torch.allclose(turned, usual[:, [2, 0, 1]], atol=1e-4)
    assert four.shape[1] == 4
    assert torch.equal(again, usual)


def test_a_class_may_be_asked_for_by_one_phrase():
    net = network()
    assert net.ask(["roof", ("tree", "oak")]).words == (("roof",), ("tree", "oak"))
    with pytest.raises(ValueError, match="expected phrases"):
        net.ask(["roof", " "])
    assert net.words == (("roof",), ("tree", "oak")), "a refused question changes nothing"


def test_words_vary_in_training_alone():
    net = network(vary_words=True)
    heard = set()
    for _ in range(40):
        heard |= set(net.train()._spoken())
    assert heard == {(phrase,) for phrases in WORDS for phrase in phrases}
    assert net.eval()._spoken() == WORDS
    assert network(vary_words=False).train()._spoken() == WORDS


def test_official_knows_its_classes_alone():
    net = network(official=True)
    assert net.queries.positions is not None
    assert net.encoder.fusers["1"].fuse.bias_twice
    assert net.refine.enhancer.blocks[0].fuser.gate_twice
    out = net.train()(sample())
    assert out.masks[0].class_logits.shape == (2, 3, 4)
    aligned = pixel_text_alignment(out.dense, out.text, sample()["label"], over_all_pixels=True)
    masks = [class_query_loss(*found, sample()["label"])["total"] for found in out.masks]
    assert torch.allclose(net.loss(out, sample()), sum(masks) + aligned)
    assert net.eval()(sample(1)).shape == (1, 3, 64, 64)
    with pytest.raises(ValueError, match="official=True, whose decoder knows"):
        net.ask(["pool"])


def test_sigmoid_pairs_are_aligned_with_yes_or_no():
    net = network().train()
    net.encoder.pair.form = "sigmoid"
    out = net(sample())
    own = net.loss(out, sample())
    net.encoder.pair.form = "softmax"
    assert not torch.equal(own, net.loss(out, sample()))


def test_delta_goes_to_another_copy_and_says_its_words(tmp_path):
    net, other = network(), network()
    for one in (net, other):
        freeze(one)
    with torch.no_grad():
        for p in net.parameters():
            if p.requires_grad:
                p.add_(0.01)
    save_delta(net, tmp_path / "delta.safetensors")
    load_delta(other, tmp_path / "delta.safetensors")
    assert torch.equal(net.eval()(sample(1)), other.eval()(sample(1)))
    assert "oak" in str(delta_info(tmp_path / "delta.safetensors"))
    wrong = network(classes=(("road",), ("roof",), ("car",)))
    freeze(wrong)
    with pytest.raises(ValueError, match="words"):
        load_delta(wrong, tmp_path / "delta.safetensors")


def test_counts_add_up():
    net = network()
    freeze(net)
    found = count(net)
    assert found.trained == sum(p.numel() for p in net.parameters() if p.requires_grad)
    frozen = [*net.encoder.vision.parameters(), *net.encoder.pair.parameters()]
    assert found.total - found.trained == sum(p.numel() for p in frozen)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sensors": ("optical", "dsm")}, "reads one sensor, got optical, dsm"),
        ({"classes": ()}, "at least one class"),
        ({"prompts": -1}, "must not be negative"),
        ({"fusion": "sum"}, "unknown fusion"),
    ],
)
def test_refuses(options, words):
    with pytest.raises(ValueError, match=words):
        network(**options)


def test_config_needs_words_and_takes_them_from_names():
    with pytest.raises(ValueError, match="needs the words of its 2 classes"):
        MFuserConfig().build({"optical": 3}, 2)
    config = MFuserConfig().with_classes(["impervious surfaces", "solar_panel"])
    assert config.words[0][:2] == ("road", "street")
    assert config.words[1] == ("solar panel",)
    assert config.with_classes(["other", "names"]) == config, "recorded words stay"
    assert MFuserConfig(words=[["a", "b"], ["c"]]).words == (("a", "b"), ("c",))


def test_more_bands_pass_a_projection():
    net = network(sensors={"optical": 4}).eval()
    assert net({"optical": torch.rand(1, 4, 64, 64)}).shape == (1, 3, 64, 64)


def test_bfloat16_runs():
    net = network().to(torch.bfloat16).eval()
    out = net({"optical": torch.rand(1, 3, 64, 64, dtype=torch.bfloat16)})
    assert out.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_format_on_the_shipped_pair(dtype):
    torch.manual_seed(0)
    net = build_model("mfuser", {"optical": 3}, 2, classes=["building", "tree"], width=16).eval()
    image = torch.rand(1, 3, 64, 64)
    expected = net({"optical": image})
    found = net.to(dtype)({"optical": image.to(dtype)})
    assert (found.double() - expected).norm() < 0.05 * expected.norm()


def test_built_by_name_on_the_shipped_pair():
    net = build_model("mfuser", {"optical": 3}, 2, classes=["building", "tree"], width=16).eval()
    assert isinstance(net, nn.Module)
    assert net({"optical": torch.rand(1, 3, 72, 64)}).shape == (1, 2, 72, 64)


@pytest.mark.parametrize("asked", ["roof", "roof, car"])
def test_a_string_is_no_list_of_classes(asked):
    net = network()
    with pytest.raises(
        ValueError, match=f"classes must be a list of names, got the string '{asked}'"
    ):
        net.ask(asked)
    assert net.words == WORDS
    with pytest.raises(ValueError, match=r"got the string 'roof'; write \['roof'\]"):
        network(classes="roof")


def test_a_name_among_the_phrases_of_a_config_is_one_phrase():
    assert MFuserConfig(words=("roof", ("lawn", "grass"))).words == (("roof",), ("lawn", "grass"))
