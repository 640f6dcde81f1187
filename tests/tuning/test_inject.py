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
