"""LoRA goes onto any network by name: on SAM, on a timm ViT, on a transformers ViT, alike."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from timm.models import VisionTransformer
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

from mfnet_lite.sam import build_image_encoder, fuse_attention
from mfnet_lite.tuning import (
    LoRALinear,
    LoRAQKV,
    MMLoRALinear,
    attach_adapters,
    attach_lora,
    attach_scale_shift,
    base_hash,
    count,
    detach,
    load_delta,
    merge,
    merge_and_unload,
    save_delta,
    unmerge,
)
from tests.small_sam import SMALLEST


def sam() -> nn.Module:
    return build_image_encoder(replace(SMALLEST, prompt_dim=8))


def fused_sam() -> nn.Module:
    return fuse_attention(sam())


def timm_vit() -> nn.Module:
    return VisionTransformer(
        img_size=32, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=5
    )


class Logits(nn.Module):
    """A transformers model answers with an object; the tests want its tensor."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(pixel_values=x).logits


def transformers_vit() -> nn.Module:
    config = ViTConfig(
        image_size=32, patch_size=8, hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, num_labels=5,
    )  # fmt: skip
    return Logits(ViTForImageClassification(config))


# network, targets, number of layers found, whether they are fused
CASES: list[tuple[Callable[[], nn.Module], tuple[str, ...], int, bool]] = [
    (sam, ("qkv",), 2, True),
    (fused_sam, ("qkv",), 2, True),
    (sam, ("mlp.lin1", "mlp.lin2", "attn.proj"), 6, False),
    (timm_vit, ("qkv",), 2, True),
    (timm_vit, ("mlp.fc1", "mlp.fc2", "head"), 5, False),
    (transformers_vit, ("q_proj", "v_proj"), 4, False),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].__name__}-{case[1][0]}")
def case(request):
    make, targets, number, fused = request.param
    torch.manual_seed(0)
    return make().eval(), targets, number, fused


def randomise(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_b"):
                parameter.normal_(0, 0.5, generator=generator)
    return model


def test_the_whole_life_of_a_lora(case):
    model, targets, number, fused = case
    x = torch.rand(2, 3, 32, 32)
    original = copy.deepcopy(model)

    def evaluate(network: nn.Module) -> Tensor:
        with torch.no_grad():  # fused attention takes another way when gradients are wanted
            return network.eval()(x)

    expected = evaluate(model)
    attach_lora(model, targets, rank=2, seed=1)

    kind = LoRAQKV if fused else LoRALinear
    found = [m for m in model.modules() if isinstance(m, kind)]
    assert len(found) == number
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert trained == {n for n, _ in model.named_parameters() if "lora_" in n}
    assert len(trained) == 2 * number
    assert torch.equal(evaluate(model), expected)

    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):  # the first step moves the B's only
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters() if p.requires_grad)

    model = randomise(model)
    tuned = evaluate(model)
    assert (tuned - expected).abs().max() > 1e-2
    torch.testing.assert_close(evaluate(merge(model)), tuned, rtol=1e-4, atol=2e-5)
    assert torch.equal(evaluate(unmerge(model)), tuned)

    merge(model)
    folded = merge_and_unload(copy.deepcopy(model))
    assert list(folded.state_dict()) == list(original.state_dict())
    torch.testing.assert_close(evaluate(folded), tuned, rtol=1e-4, atol=2e-5)
    assert not any(p.requires_grad for p in folded.parameters())

    detach(model)
    assert torch.equal(evaluate(model), expected)
    for (name, value), (same, old) in zip(
        model.state_dict().items(), original.state_dict().items(), strict=True
    ):
        assert name == same
        assert torch.equal(value, old)


def test_two_updates_take_turns_on_one_base():
    """Two tasks share one network: swapping is copying two small matrices per layer."""
    model = attach_lora(timm_vit().eval(), rank=2, seed=0)
    x = torch.rand(1, 3, 32, 32)
    kept, answers = [], []
    for seed in (1, 2):
        with torch.no_grad():
            for name, p in model.named_parameters():
                if "lora_" in name:
                    p.normal_(0, 0.3, generator=torch.Generator().manual_seed(seed))
        kept.append({n: v.clone() for n, v in model.state_dict().items() if "lora_" in n})
        answers.append(model(x))
    for update, answer in zip(kept, answers, strict=True):
        merge(model)  # loading must not leave an older sum in force
        model.load_state_dict(update, strict=False)
        assert torch.equal(model(x), answer)
    assert not torch.equal(*answers)


def test_seeds_decide_the_start_and_layers_differ():
    def first_a(seed: int | None) -> list[Tensor]:
        model = attach_lora(sam(), rank=2, seed=seed)
        return [p for n, p in model.named_parameters() if n.endswith("lora_a")]

    once, again, other = first_a(3), first_a(3), first_a(4)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert not torch.equal(once[0], other[0])
    assert not torch.equal(once[0], once[1])
    torch.manual_seed(7)
    free = first_a(None)
    assert not torch.equal(free[0], first_a(None)[0])
    torch.manual_seed(7)
    assert torch.equal(free[0], first_a(None)[0])


def test_whether_a_layer_is_fused_may_be_said():
    wide = nn.ModuleDict({"in_proj": nn.Linear(4, 12), "qkv": nn.Linear(4, 6)})
    attach_lora(wide, ["in_proj", "qkv"], rank=1)
    assert {type(m) for m in wide.values()} == {LoRALinear}
    said = attach_lora(nn.ModuleDict({"in_proj": nn.Linear(4, 12)}), ["in_proj"], fused=True)
    assert isinstance(said["in_proj"], LoRAQKV)
    plain = attach_lora(nn.ModuleDict({"qkv": nn.Linear(4, 12)}), ["qkv"], fused=False)
    assert isinstance(plain["qkv"], LoRALinear)


def test_options_reach_the_layers():
    model = attach_lora(sam(), ("qkv",), rank=3, alpha=6, dropout=0.25, parts="k", init="gaussian")
    layer = model.get_submodule("blocks.0.attn.qkv")
    assert (layer.rank, layer.scaling, layer.parts, layer.dropout.p) == (3, 2.0, "k", 0.25)
    assert layer.lora_a.abs().max() > 0.26  # beyond the uniform bound 1/√16


def test_an_unknown_name_leaves_the_network_alone():
    model = sam()
    with pytest.raises(ValueError, match="no Linear of the model matches 'query'"):
        attach_lora(model, ["qkv", "query"])
    assert not any("lora_" in name for name in model.state_dict())


@pytest.mark.parametrize("change", [merge, merge_and_unload])
def test_modules_that_one_weight_cannot_hold_are_one_sentence(change):
    wrapped = nn.Sequential(MMLoRALinear(nn.Linear(4, 4), 2))
    for model, name in (
        (wrapped, r"0 \(MMLoRALinear\)"),
        (attach_adapters(nn.Sequential(nn.Linear(4, 4)), ["0"]), r"0 \(SerialAdapter\)"),
    ):
        with pytest.raises(
            ValueError, match=f"nothing of this Sequential can be merged: .* {name}"
        ):
            change(model)
    both = attach_lora(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), ["0"])
    assert change(attach_adapters(both, ["1"])) is both  # the LoRA can be, the adapter stays


def test_a_lora_cannot_fold_itself():
    with pytest.raises(ValueError, match="the model is itself a LoRA"):
        merge_and_unload(LoRALinear(nn.Linear(2, 2)))


def test_merging_a_network_without_lora_does_nothing():
    model = nn.Linear(2, 2)
    assert merge(model) is unmerge(model) is merge_and_unload(model) is model


# --- tied weights, and one layer in two places


class Tied(nn.Module):
    """An embedding and an output head of one weight, the identity, and two layers of another, twice it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(2, 2)
        self.a, self.b, self.head = (nn.Linear(2, 2, bias=False) for _ in range(3))
        with torch.no_grad():
            self.embed.weight.copy_(torch.eye(2))
            self.a.weight.copy_(2 * torch.eye(2))
        self.b.weight, self.head.weight = self.a.weight, self.embed.weight

    def forward(self, i: Tensor) -> Tensor:
        y: Tensor = self.head(self.b(self.a(self.embed(i))))
        return y


def tied(*targets: str) -> Tied:
    """LoRA of rank 2 with BA = s · 1, s = 1 for the first target, 2 for the second and so on."""
    model = attach_lora(Tied().eval(), targets, rank=2)
    with torch.no_grad():
        for s, name in enumerate(targets, start=1):
            layer = model.get_submodule(name)
            layer.lora_a.copy_(torch.eye(2))
            layer.lora_b.copy_(s * torch.eye(2))
    return model


I = torch.arange(2)  # both words: the outputs are the product of all weights


@pytest.mark.parametrize(
    ("targets", "product", "weights"),
    [
        (("head",), 4 * 2.0, {"embed": 1, "a": 2, "b": 2, "head": 2}),
        (("a",), 3 * 2.0, {"embed": 1, "a": 3, "b": 2, "head": 1}),
        (("a", "b"), 3 * 4.0, {"embed": 1, "a": 3, "b": 4, "head": 1}),
    ],
)
def test_a_shared_weight_takes_no_update_for_others(targets, product, weights):
    model = tied(*targets)
    expected = product * torch.eye(2)
    assert torch.equal(model(I), expected)
    assert torch.equal(merge(model)(I), expected)
    assert torch.equal(unmerge(model)(I), expected)
    # taken off, both ties hold, and every number is what it was
    plain = detach(copy.deepcopy(model))
    assert plain.head.weight is plain.embed.weight
    assert plain.a.weight is plain.b.weight
    assert torch.equal(plain(I), 4 * torch.eye(2))
    assert torch.equal(plain.a.weight, 2 * torch.eye(2))
    merge_and_unload(model)
    assert list(model.state_dict()) == list(Tied().state_dict())
    assert torch.equal(model(I), expected)
    for name, factor in weights.items():
        assert torch.equal(model.get_submodule(name).weight, factor * torch.eye(2)), name
    assert (model.head.weight is model.embed.weight) == ("head" not in targets)
    assert not any(p.requires_grad for p in model.parameters())


def test_a_weight_that_is_shared_with_the_network_around_stays_there():
    whole = Tied().eval()
    part = attach_lora(nn.ModuleDict({"head": whole.head}), "head", rank=2)
    with torch.no_grad():
        part["head"].lora_a.copy_(torch.eye(2))
        part["head"].lora_b.copy_(torch.eye(2))
    merge_and_unload(part)
    assert torch.equal(part["head"].weight, 2 * torch.eye(2))
    assert torch.equal(whole.embed.weight, torch.eye(2))


@pytest.mark.parametrize("attach", [attach_lora, attach_scale_shift])
def test_what_was_unloaded_in_inference_mode_can_be_trained(attach):
    model = attach(nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)), "*")
    with torch.inference_mode():
        merge_and_unload(model)
    model.requires_grad_(True)
    model(torch.ones(1, 2)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


class Repeated(nn.Module):
    """One layer, the identity, in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2, bias=False)
        self.again = self.first
        with torch.no_grad():
            self.first.weight.copy_(torch.eye(2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.again(self.first(x))
        return y


@pytest.mark.parametrize("target", ["first", "again"])
def test_one_layer_in_two_places_learns_one_update(tmp_path: Path, target):
    x = torch.eye(2)
    model = attach_lora(Repeated().eval(), target, rank=2)
    assert model.first is model.again
    assert count(model).added == 8
    with torch.no_grad():
        model.first.lora_a.copy_(torch.eye(2))
        model.first.lora_b.copy_(2 * torch.eye(2))
    assert torch.equal(model(x), 9 * x)  # (1 + 2)²
    assert torch.equal(merge(model)(x), 9 * x)
    path = save_delta(model, tmp_path / "delta.safetensors", base=Repeated())
    other = attach_lora(Repeated().eval(), "again", rank=2)
    load_delta(other, path, base=base_hash(Repeated().requires_grad_(False)))
    assert torch.equal(other(x), 9 * x)
    assert torch.equal(detach(other)(x), x)
    merge_and_unload(model)
    assert type(model.first) is nn.Linear
    assert model.again is model.first
    assert torch.equal(model(x), 9 * x)


def test_scale_and_shift_and_adapters_stand_in_both_places_too():
    x = torch.eye(2)
    scaled = attach_scale_shift(Repeated().eval(), "again")
    assert scaled.first is scaled.again
    scaled.first.scale.data.fill_(3.0)
    assert torch.equal(scaled(x), 9 * x)
    assert torch.equal(merge_and_unload(scaled)(x), 9 * x)
    assert type(scaled.first) is type(scaled.again) is nn.Linear
    adapted = attach_adapters(Repeated().eval(), "again", seed=0)
    assert adapted.first is adapted.again
    adapted.first.adapter.up.bias.data.fill_(1.0)
    assert torch.equal(
        adapted(x), x + 2
    )  # one in each pass, the other weights of the way up are zero
