"""Updates beside weights that take no gradients: every form, the number format, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning import (
    attach_adapters,
    attach_lora,
    base_hash,
    freeze,
    merge,
    merge_and_unload,
)
from mfnet_lite.tuning.frozen import check_linear, check_merges, matching, update_format
from mfnet_lite.tuning.lora import LoRALinear, LoRAQKV
from mfnet_lite.tuning.multimodal.lora import MMLoRALinear, SensorQKV

STEP = 0.01


class Integers(nn.Linear):
    """Weights of 8 bits that compute in the type of their input, as libraries for quantisation write them."""

    def __init__(self, inputs: int, outputs: int, dtype: torch.dtype = torch.int8) -> None:
        super().__init__(inputs, outputs)
        integers = (self.weight.detach() / STEP).round().to(dtype)
        self.weight = nn.Parameter(integers, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype) * STEP, self.bias.to(x.dtype))


class Packed(Tensor):
    """A tensor class that shows single precision and keeps integers."""

    integers: Tensor

    @staticmethod
    def __new__(cls, integers: Tensor) -> Packed:
        return Tensor._make_wrapper_subclass(cls, integers.shape, dtype=torch.float32)

    def __init__(self, integers: Tensor) -> None:
        self.integers = integers

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["integers"], None

    @classmethod
    def __tensor_unflatten__(cls, inner: dict[str, Tensor], *_: Any) -> Packed:
        return cls(inner["integers"])

    def dequantize(self) -> Tensor:
        return self.integers.float() * STEP

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in (torch.ops.aten.detach.default, torch.ops.aten.alias.default):
            return cls(args[0].integers)
        if function is torch.ops.aten.clone.default:
            return cls(args[0].integers.clone())
        plain = [a.dequantize() if isinstance(a, cls) else a for a in args]
        return function(*plain, **(kwargs or {}))


def packed(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    integers = (layer.weight.detach() / STEP).round().to(torch.int8)
    layer.weight = nn.Parameter(Packed(integers), requires_grad=False)
    return layer


def ints(inputs: int, outputs: int) -> nn.Linear:
    return Integers(inputs, outputs)


def floats8(inputs: int, outputs: int) -> nn.Linear:
    return Integers(inputs, outputs, torch.float8_e4m3fn)


FORMS = [
    lambda base: LoRALinear(base, rank=2),
    lambda base: LoRAQKV(base, rank=2),
    lambda base: MMLoRALinear(base, sensors=2, rank=2),
    lambda base: MMLoRALinear(base, sensors=2, rank=2, mixing=False),
    lambda base: SensorQKV(base, sensors=2, rank=2),
]


@pytest.mark.parametrize("make", [ints, floats8, packed])
@pytest.mark.parametrize("form", FORMS)
def test_learns_beside_a_quantised_base(make, form):
    torch.manual_seed(0)
    base = make(4, 12)
    layer = form(base)
    x = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(layer(x), base(x))
    assert layer.lora_a.dtype == layer.lora_b.dtype == torch.float32
    with torch.no_grad():
        layer.lora_b.normal_()
    (layer(x) ** 2).mean().backward()
    assert layer.lora_a.grad.abs().sum() > 0
    assert layer.lora_b.grad.abs().sum() > 0
    assert base.weight.grad is None


@pytest.mark.parametrize("form", FORMS)
def test_half_precision_goes_in_and_comes_out(form):
    layer = form(Integers(4, 12))
    x = torch.randn(2, 3, 5, 4, dtype=torch.bfloat16)
    assert layer(x).dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.float()).dtype in (torch.bfloat16, torch.float32)


def test_the_update_is_the_formula():
    layer = LoRALinear(Integers(4, 3), rank=2, alpha=3)
    with torch.no_grad():
        layer.lora_b.normal_()
    x = torch.randn(5, 4)
    expected = layer.base(x) + 1.5 * x @ layer.lora_a.T @ layer.lora_b.T
    torch.testing.assert_close(layer(x), expected)


def test_adapters_beside_a_quantised_base():
    for kind in ("serial", "parallel"):
        net = nn.Sequential(Integers(4, 4))
        tuned = attach_adapters(copy.deepcopy(net), ["0"], kind)
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(3, 4, dtype=dtype)
            assert torch.equal(tuned(x), net(x))
            assert tuned(x).dtype == dtype


def test_the_format_is_that_of_the_computation():
    class Stated(Integers):
        compute_dtype = torch.bfloat16

    half = Integers(2, 2)
    half.bias = nn.Parameter(half.bias.to(torch.float16))
    assert update_format(nn.Linear(2, 2, dtype=torch.float64))["dtype"] == torch.float64
    assert update_format(Integers(2, 2))["dtype"] == torch.float32
    assert update_format(half)["dtype"] == torch.float16
    assert update_format(Stated(2, 2))["dtype"] == torch.bfloat16
    assert update_format(nn.Identity())["dtype"] == torch.float32
    kept = Integers(2, 2)
    weight = kept.weight.detach()
    del kept.weight
    kept.register_buffer("weight", weight)  # as some libraries do
    kept.bias = None
    assert update_format(kept) == {"device": torch.device("cpu"), "dtype": torch.float32}


def test_inputs_are_cast_without_autocast_only():
    x, weight = torch.ones(2, dtype=torch.bfloat16), torch.ones(2)
    assert matching(x, weight).dtype == torch.float32
    assert matching(weight, weight) is weight
    assert matching(x.to("meta"), weight.to("meta")).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert matching(x, weight) is x


@pytest.mark.parametrize(
    ("make", "shown"), [(ints, "int8"), (floats8, "float8_e4m3fn"), (packed, r"float32 \(Packed\)")]
)
def test_merging_is_refused_and_nothing_is_half_merged(make, shown):
    net = nn.Sequential(nn.Linear(4, 4), make(4, 4))
    tuned = attach_lora(net, ["0", "1"], rank=2)
    message = rf"1: the {shown} weight of this \w+ is quantised, so that no update can be merged"
    for function in (merge, merge_and_unload):
        with pytest.raises(ValueError, match=message):
            function(tuned)
    assert not tuned[0].merged
    assert isinstance(tuned[0], LoRALinear)
    with pytest.raises(ValueError, match="is quantised"):
        tuned[1].merge()
    with pytest.raises(ValueError, match="is quantised"):
        _ = tuned[1].weight
    check_merges(nn.Linear(2, 2, dtype=torch.bfloat16))


def test_integers_in_a_plain_layer_are_refused_by_name():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = nn.Parameter(net[1].weight.detach().to(torch.int8), requires_grad=False)
    with pytest.raises(
        ValueError, match=r"1: this Linear holds int8 weights, .*; dequantise it first"
    ):
        attach_lora(net, ["0", "1"])
    assert isinstance(net[0], nn.Linear)  # as it was
    with pytest.raises(ValueError, match="holds int8 weights"):
        MMLoRALinear(net[1], sensors=2)
    with pytest.raises(ValueError, match=r"a\.b: LoRA wraps an nn\.Linear, got Conv2d"):
        check_linear(nn.Conv2d(1, 1, 1), "a.b")


@pytest.mark.parametrize("make", [ints, floats8, packed])
def test_the_base_is_hashed_by_what_it_consists_of(make):
    torch.manual_seed(0)
    net = nn.Sequential(make(4, 4))
    bare = base_hash(freeze(net))
    assert base_hash(attach_lora(net, ["0"], rank=2)) == bare
    torch.manual_seed(1)
    assert base_hash(freeze(nn.Sequential(make(4, 4)))) != bare


def test_what_a_layer_writes_beside_its_weight_belongs_to_the_base():
    class Scaled(Integers):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "weight.absmax"] = torch.ones(3)

    net = freeze(nn.Sequential(Scaled(4, 4)))
    bare = base_hash(net)
    assert base_hash(attach_lora(net, ["0"], rank=2)) == bare
