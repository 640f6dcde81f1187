"""Base or added: told for every tensor, under every nesting."""

from __future__ import annotations

import torch
from torch import nn

from mfnet_lite.tuning import Adapter, SerialAdapter, attach_adapters, attach_lora, detach
from mfnet_lite.tuning.parts import added_names, bare_names


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(4, 12)
        self.proj = nn.Linear(12, 4)


def test_nested_wrappers_lose_every_base_and_nothing_else() -> None:
    model = nn.ModuleDict({"base": Block(), "other": Block()})  # a part that is really called base
    plain = list(model.state_dict())
    attach_adapters(attach_lora(model, ["base.qkv"], rank=1), ["base", "other"], d=4)
    added = added_names(model)
    bare = bare_names(model)
    assert [bare[name] for name in model.state_dict() if name not in added] == plain
    assert bare["base.base.qkv.base.weight"] == "base.qkv.weight"
    assert added_names(detach(model)) == set()


def test_an_adapter_beside_a_block_counts_as_added() -> None:
    model = nn.ModuleDict({"block": nn.Linear(4, 4), "beside": Adapter(4)})
    assert added_names(model) == {
        f"beside.{layer}.{kind}" for layer in ("down", "up") for kind in ("weight", "bias")
    }


def test_second_names_of_a_module_are_kept() -> None:
    shared = SerialAdapter(nn.Linear(4, 4))
    model = nn.ModuleDict({"one": shared, "two": shared})
    assert added_names(model) >= {"one.adapter.up.bias", "two.adapter.up.bias"}
    assert bare_names(model)["two.base.weight"] == "two.weight"


def test_the_model_itself_may_be_an_addition() -> None:
    model = SerialAdapter(nn.BatchNorm1d(4), d=4)
    assert bare_names(model)["base.running_mean"] == "running_mean"
    assert "base.running_mean" not in added_names(model)
    assert torch.Size([1, 4]) == model.adapter.down.weight.shape
