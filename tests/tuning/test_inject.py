"""Injected modules go on by name pattern and come off without a trace."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mfnet_lite.tuning import (
    InjectedWrapper,
    LoRAQKV,
    MMAdapter,
    SerialAdapter,
    attach,
    attach_adapters,
    attach_lora,
    detach,
    find_modules,
    freeze,
    matches,
)


class Doubling(InjectedWrapper):
    """Adds a trainable multiple of the base's output."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__(base)
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        return y + self.factor * y


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4), nn.GELU(), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    )


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("blocks.0.attn.qkv", "qkv", True),
        ("blocks.0.attn.qkv", "attn.qkv", True),
        ("blocks.0.attn.qkv", "tn.qkv", False),
        ("blocks.0.attn.qkv", "blocks.*", True),
        ("qkv", "qkv", True),
        ("blocks.10.mlp", "blocks.?.mlp", False),
    ],
)
def test_patterns(name: str, pattern: str, fits: bool) -> None:
    assert matches(name, pattern) is fits


def test_attach_changes_and_detach_restores() -> None:
    model = network()
    x = torch.randn(5, 3)
    before, names = model(x), list(model.state_dict())
    attach(model, ["2.*"], Doubling, nn.Linear)
    assert torch.allclose(model(x), 2 * _twice_inner(model, x))
    assert isinstance(model[2][0], Doubling)
    assert isinstance(model[0], nn.Linear)
    detach(model)
    assert torch.equal(model(x), before)
    assert list(model.state_dict()) == names


def _twice_inner(model: nn.Sequential, x: Tensor) -> Tensor:
    inner = model[2]
    return inner[1].base(2 * inner[0].base(model[1](model[0](x))))


def test_only_injected_weights_train() -> None:
    model = attach(network(), ["?"], Doubling, nn.Linear)
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["0.factor"]
    freeze(detach(model))
    assert not any(p.requires_grad for p in model.parameters())


def test_an_injected_module_beside_another_goes_on_learning_and_cannot_be_taken_off() -> None:
    model = nn.ModuleDict({"mlp": nn.Linear(4, 4), "beside": MMAdapter(4, 2)})
    trained = {n for n, p in freeze(model).named_parameters() if p.requires_grad}
    assert trained == {f"beside.{name}" for name, _ in model["beside"].named_parameters()}
    with pytest.raises(ValueError, match=r"^beside \(MMAdapter\) stands beside the network"):
        detach(model)
    with pytest.raises(ValueError, match=r"^the model \(MMAdapter\) stands beside"):
        detach(MMAdapter(4, 2))


def test_wrappers_may_be_stacked() -> None:
    model = network()
    inner = model[0]
    attach(model, ["?"], lambda m: Doubling(Doubling(m)), nn.Linear)
    assert detach(model)[0] is inner


def test_a_module_and_its_inside_at_once() -> None:
    model = attach(network(), ["?", "2.0"], Doubling)
    assert isinstance(model[2], Doubling)
    assert isinstance(model[2].base[0], Doubling)
    with torch.no_grad():
        model[2].base[0].factor.zero_()  # the inner one adds nothing now
    expected = 2 * network()[2](2 * network()[1](2 * network()[0](torch.ones(1, 3))))
    torch.testing.assert_close(model(torch.ones(1, 3)), expected)


def test_insides_of_wrappers_are_not_found() -> None:
    model = attach(network(), ["?"], Doubling, nn.Linear)
    assert list(find_modules(model, ["*"], nn.Linear)) == ["2.0", "2.1"]


class Twice(nn.Module):
    """One linear layer under two names, and a third that a block with two names holds."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.again = self.first
        self.block = nn.Sequential(nn.Linear(3, 3, bias=False))
        self.alias = self.block

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.alias(self.block(self.again(self.first(x))))
        return y


def twice(first: float = 2.0, block: float = 1.0) -> Twice:
    model = Twice()
    with torch.no_grad():
        model.first.weight.copy_(first * torch.eye(3))
        model.block[0].weight.copy_(block * torch.eye(3))
    return model


@pytest.mark.parametrize("targets", ["first", "again", ("again", "first"), "[fa]*"])
def test_one_layer_under_two_names_gets_one_wrapper_in_both_places(targets) -> None:
    x, model = torch.ones(1, 3), twice()
    layer = model.first
    assert torch.equal(model(x), 4 * x)  # 2 · 2 · 1 · 1
    attach(model, targets, Doubling, nn.Linear)
    assert isinstance(model.first, Doubling)
    assert model.again is model.first
    with torch.no_grad():
        model.first.factor.fill_(0.5)  # each pass: 2 (1 + 1/2) = 3
    block = 2.25 if isinstance(model.block[0], Doubling) else 1  # "[fa]*" fits alias.0, too
    if block != 1:
        model.block[0].factor.data.fill_(0.5)
    assert torch.equal(model(x), 9 * block * x)
    assert sum(p.requires_grad for p in model.parameters()) == (1 if block == 1 else 2)
    detach(model)
    assert model.first is model.again is layer
    assert torch.equal(model(x), 4 * x)


def test_a_layer_inside_a_block_with_two_names_is_found_by_either_and_once() -> None:
    assert list(find_modules(twice(), "alias.0")) == ["alias.0"]
    assert list(find_modules(twice(), "again")) == ["again"]
    assert list(find_modules(twice(), "*", nn.Linear)) == ["first", "block.0"]
    model = attach(twice(), ["block", "alias.0"], Doubling)
    assert isinstance(model.block, Doubling)
    assert model.alias is model.block
    assert isinstance(model.block.base[0], Doubling)
    assert list(find_modules(model, "*", nn.Linear)) == ["first"]
    # again² · (2 · 2)²: two wrappers that double, in two passes
    assert torch.equal(model(torch.ones(1, 3)), torch.full((1, 3), 4.0 * 16))


def test_a_block_is_wrapped_before_the_layer_in_it_that_its_other_name_leads_to() -> None:
    block = nn.Sequential(nn.Linear(3, 3))
    model = nn.ModuleDict({"deep": nn.Sequential(block), "alias": block})
    # both names have two parts, and that of the block comes first
    attach(model, ["deep.0", "alias.0"], Doubling)
    assert model["alias"] is model["deep"][0]
    assert isinstance(model["alias"], Doubling)
    assert isinstance(block[0], Doubling)
    assert detach(model)["alias"] is model["deep"][0] is block
    assert type(block[0]) is nn.Linear


def test_a_layer_that_a_wrapper_holds_is_not_found_by_its_other_name() -> None:
    model = twice()
    model.first = Doubling(model.first)  # by hand, in one place
    with pytest.raises(ValueError, match=r"no Linear of the model matches 'again'"):
        attach(model, "again", Doubling, nn.Linear)


def test_a_pattern_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"no Linear of the model matches 'qkv'; it has .*: 0, 2\.0"
    ):
        attach(network(), ["0", "qkv"], Doubling, nn.Linear)


def test_one_pattern_may_be_given_as_it_is() -> None:
    assert list(find_modules(network(), "2.0")) == ["2.0"]
    model = attach_lora(nn.ModuleDict({"qkv": nn.Linear(2, 6), "q": nn.Linear(2, 2)}), "qkv")
    assert isinstance(model["qkv"], LoRAQKV)
    assert type(model["q"]) is nn.Linear  # not every name that is one of the letters
    assert isinstance(attach_adapters(network(), "0")[0], SerialAdapter)


def test_no_pattern_is_an_error_and_freezes_nothing() -> None:
    model = network()
    for attach_ in (attach_lora, attach_adapters):
        with pytest.raises(ValueError, match=r"no pattern says which .* for example: 0"):
            attach_(model, ())
    assert all(p.requires_grad for p in model.parameters())


def test_a_wrapper_cannot_detach_itself() -> None:
    with pytest.raises(ValueError, match="itself an injected wrapper"):
        detach(Doubling(nn.Linear(2, 2)))
