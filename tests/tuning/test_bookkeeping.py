"""Base, injected, trained: decided for every tensor, under every nesting."""

from __future__ import annotations

import torch
from torch import nn

from mfnet_lite.tuning import (
    Adapter,
    Injected,
    InjectedWrapper,
    SerialAdapter,
    attach_adapters,
    attach_lora,
    base_hash,
    count,
    detach,
    freeze,
    injected_names,
    original_names,
    trained_state,
)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)
        self.proj = nn.Linear(12, 4)


def test_nested_wrappers_lose_every_base_and_nothing_else() -> None:
    model = nn.ModuleDict({"base": Block(), "other": Block()})  # a part that is really called base
    plain = list(model.state_dict())
    attach_adapters(attach_lora(model, ["base.qkv"], rank=1), ["base", "other"], d=4)
    added = injected_names(model)
    bare = original_names(model)
    assert [bare[name] for name in model.state_dict() if name not in added] == plain
    assert bare["base.base.qkv.base.weight"] == "base.qkv.weight"
    assert injected_names(detach(model)) == set()


def test_an_adapter_beside_a_block_counts_as_added() -> None:
    model = nn.ModuleDict({"block": nn.Linear(4, 4), "beside": Adapter(4)})
    assert injected_names(model) == {
        f"beside.{layer}.{kind}" for layer in ("down", "up") for kind in ("weight", "bias")
    }


def test_second_names_of_a_module_are_kept() -> None:
    shared = SerialAdapter(nn.Linear(4, 4))
    model = nn.ModuleDict({"one": shared, "two": shared})
    assert injected_names(model) >= {"one.adapter.up.bias", "two.adapter.up.bias"}
    assert original_names(model)["two.base.weight"] == "two.weight"


def test_the_model_itself_may_be_a_wrapper() -> None:
    model = SerialAdapter(nn.BatchNorm1d(4), d=4)
    assert original_names(model)["base.running_mean"] == "running_mean"
    assert "base.running_mean" not in injected_names(model)
    assert torch.Size([1, 4]) == model.adapter.down.weight.shape


class Beside(Injected):
    """An injected module that this file, and not the package, defines."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.inner = nn.Linear(4, 4)  # a plain module inside an injected one is injected


class Around(InjectedWrapper):
    """A wrapper that this file defines."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.shift = nn.Parameter(torch.zeros(4))


def test_a_subclass_defined_outside_the_package_counts_as_injected() -> None:
    model = nn.ModuleDict({"block": Around(nn.Linear(4, 4)), "beside": Beside()})
    expected = {"block.shift", "beside.scale", "beside.inner.weight", "beside.inner.bias"}
    assert injected_names(model) == expected
    assert {n for n, p in freeze(model).named_parameters() if p.requires_grad} == expected
    assert (count(model).base, count(model).added) == (20, 28)
    assert trained_state(model).keys() == expected


def test_moving_a_class_changes_nothing(monkeypatch) -> None:
    model = attach_adapters(nn.Sequential(nn.Linear(4, 4)), ["0"])
    before, hashed = injected_names(model), base_hash(model)
    for kind in (Adapter, SerialAdapter):
        monkeypatch.setattr(kind, "__module__", "somewhere.else")
    assert injected_names(model) == before
    assert base_hash(model) == hashed
    # and a plain class that claims to come from here is not injected
    plain = type("Plain", (nn.Linear,), {"__module__": "mfnet_lite.tuning.plain"})
    assert injected_names(nn.Sequential(plain(2, 2))) == set()


def tied(first_trains: bool) -> nn.ModuleDict:
    """Two modules that share a weight, as the embedding and the head of a language model do."""
    model = nn.ModuleDict({"one": nn.Linear(3, 3), "two": nn.Linear(3, 3)})
    model["two"].weight = model["one"].weight
    model["one"].requires_grad_(first_trains)
    return model


def test_a_shared_weight_goes_by_its_own_gradient_under_both_names() -> None:
    assert list(trained_state(tied(True))) == [
        "one.weight", "one.bias", "two.weight", "two.bias"
    ]  # fmt: skip
    assert list(trained_state(tied(False))) == ["two.bias"]  # not taken for a buffer of "two"


def test_frozen_injected_tensors_belong_to_a_delta_but_not_to_a_run_folder() -> None:
    model = freeze(nn.ModuleDict({"block": nn.Linear(4, 4), "beside": Beside()}))
    model["beside"].inner.requires_grad_(False)
    assert list(trained_state(model)) == ["beside.scale"]
    assert list(trained_state(model, injected=True)) == [
        "beside.scale", "beside.inner.weight", "beside.inner.bias"
    ]  # fmt: skip
