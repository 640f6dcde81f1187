"""Scale and shift: nothing at first, exactly the formula, merged and saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mfnet_lite.tuning import (
    ScaleShiftLinear,
    attach_lora,
    attach_scale_shift,
    count,
    detach,
    linear_layers,
    load_delta,
    merge,
    merge_and_unload,
    save_delta,
    unmerge,
)
from mfnet_lite.tuning.scale_shift import Form, scale_and_shift
from mfnet_lite.utils.hashes import hash_tensors

transformers = pytest.importorskip("transformers")


def llama(kind: str = "tiny", dtype: torch.dtype = torch.float32, **more: Any) -> nn.Module:
    sizes = {
        "tiny": (512, 128, 344, 4, 4, 4),
        "smollm2": (49152, 576, 1536, 30, 9, 3),
        "13b": (32000, 5120, 13824, 40, 40, 40),
        "small": (64, 16, 24, 2, 2, 1),
    }[kind]
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers")
    names += ("num_attention_heads", "num_key_value_heads")
    options = {"tie_word_embeddings": kind != "13b", **dict(zip(names, sizes, strict=True)), **more}
    torch.manual_seed(0)
    net: nn.Module = transformers.LlamaForCausalLM(transformers.LlamaConfig(**options))
    return net.to(dtype).eval()


def disturb(model: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, ScaleShiftLinear):
            for parameter in (module.scale, module.shift):
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.data += 0.1 * noise.to(parameter)


IDS = torch.arange(12).reshape(2, 6)


@pytest.mark.parametrize("form", ["output", "input"])
@pytest.mark.parametrize("bias", [True, False])
def test_formula_by_hand(form: Form, bias: bool) -> None:
    base = nn.Linear(2, 2, bias=bias)
    base.weight.data = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    if bias:
        base.bias.data = torch.tensor([10.0, 20.0])
    layer = ScaleShiftLinear(base, form)
    layer.scale.data, layer.shift.data = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 0.25])
    own = torch.tensor([10.0, 20.0]) if bias else torch.zeros(2)
    x = torch.tensor([1.0, 1.0])
    if form == "output":  # s (Wx + b0 + b) with Wx = (3, 7)
        expected = torch.tensor([2.0, -1.0]) * (torch.tensor([3.5, 7.25]) + own)
    else:  # W (2, -1) = (0, 2)
        expected = torch.tensor([0.5, 2.25]) + own
    assert torch.equal(layer(x), expected)
    layer.merge()
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("form", ["output", "input"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_starts_as_the_frozen_network_bit_for_bit_and_comes_off(
    form: Form, dtype: torch.dtype
) -> None:
    net: Any = llama("small", dtype)
    before, weights = net(IDS).logits, hash_tensors(net.state_dict())
    attach_scale_shift(net, form=form)
    assert torch.equal(net(IDS).logits, before)
    disturb(net)
    assert not torch.equal(net(IDS).logits, before)
    detach(net)
    assert hash_tensors(net.state_dict()) == weights
    assert torch.equal(net(IDS).logits, before)


@pytest.mark.parametrize("form", ["output", "input"])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_merged_equals_unmerged(form: Form, dtype: torch.dtype, close: float) -> None:
    net: Any = attach_scale_shift(llama("small", dtype), form=form)
    disturb(net)
    apart = net(IDS).logits
    merge(merge(net))
    torch.testing.assert_close(net(IDS).logits, apart, atol=close, rtol=close)
    unmerge(net)
    assert torch.equal(net(IDS).logits, apart)
    merge(net).train()
    assert torch.equal(net.eval()(IDS).logits, apart)  # training took the merge back
    merge_and_unload(net)
    assert not any(isinstance(module, ScaleShiftLinear) for module in net.modules())
    torch.testing.assert_close(net(IDS).logits, apart, atol=close, rtol=close)
    assert net.model.layers[0].mlp.up_proj.bias is not None


@pytest.mark.parametrize("form", ["output", "input"])
def test_merged_in_inference_mode_it_lets_gradients_through(form: Form) -> None:
    layer = ScaleShiftLinear(nn.Linear(4, 3), form=form)
    with torch.no_grad():
        layer.scale.uniform_(0.5, 2.0)
        layer.shift.normal_()
    x = torch.randn(2, 4, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    with torch.inference_mode():
        layer.merge()
    assert not layer.weight.requires_grad
    assert not layer.bias.requires_grad
    (found,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("kind", "form", "numbers"),
    [
        ("tiny", "output", 10_624),
        ("tiny", "input", 9_760),
        ("smollm2", "output", 311_040),
        ("13b", "output", 2 * 53_248 * 40),
    ],
)
def test_counts(kind: str, form: Form, numbers: int) -> None:
    with torch.device("meta"):
        net = llama(kind)
    found = count(attach_scale_shift(net, form=form))
    assert (found.added, found.trained) == (numbers, numbers)
    if kind == "tiny":
        assert found.base == 857_216


def test_every_linear_layer_but_the_output_embedding() -> None:
    with torch.device("meta"):
        tied, untied = llama("smollm2"), llama("13b")
    assert len(linear_layers(tied)) == 210
    assert len(linear_layers(untied)) == 280
    assert "lm_head" not in linear_layers(untied)
    with pytest.raises(ValueError, match="no Linear of the model"):
        linear_layers(nn.Sequential(nn.Embedding(2, 2)))


def test_tied_and_unknown_targets_are_refused_in_a_sentence() -> None:
    net = llama("small")
    with pytest.raises(ValueError, match="lm_head shares its weight with another module"):
        attach_scale_shift(net, "lm_head")
    with pytest.raises(ValueError, match="no Linear of the model matches 'qkv'"):
        attach_scale_shift(net, "qkv")
    assert not any(isinstance(module, ScaleShiftLinear) for module in net.modules())
    attach_scale_shift(net, "*.q_proj")
    assert sum(isinstance(module, ScaleShiftLinear) for module in net.modules()) == 2
    with pytest.raises(ValueError, match="expected form 'output' or 'input'"):
        ScaleShiftLinear(nn.Linear(2, 2), "both")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"stand beside an nn\.Linear, got Conv2d"):
        ScaleShiftLinear(nn.Conv2d(1, 1, 1))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="itself a scale and shift"):
        merge_and_unload(ScaleShiftLinear(nn.Linear(2, 2)))


class Quantised(nn.Linear):
    """A layer with integers for weights and a forward of its own."""

    def __init__(self) -> None:
        super().__init__(4, 4, bias=False)
        whole = torch.arange(16, dtype=torch.int8).reshape(4, 4)
        self.weight = nn.Parameter(whole, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.to(x.dtype).T


def test_stands_beside_a_quantised_layer_and_does_not_merge() -> None:
    net = attach_scale_shift(nn.Sequential(Quantised()))
    layer: Any = net[0]
    x = torch.ones(1, 4)
    assert torch.equal(net(x), layer.base(x))
    net(x).sum().backward()
    assert layer.scale.grad is not None
    with pytest.raises(ValueError, match="is quantised, so that no update can be merged"):
        merge(net)
    whole = nn.Linear(4, 4)
    whole.weight = nn.Parameter(torch.ones(4, 4, dtype=torch.int8), requires_grad=False)
    with pytest.raises(ValueError, match="dequantise it first"):
        attach_scale_shift(nn.Sequential(whole))


@pytest.mark.parametrize("shifted", [True, False])
def test_gradients_in_half_precision_are_those_of_the_formula(shifted: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(64, 8, generator=generator).bfloat16()
    towards = torch.randn(64, 8, generator=generator).bfloat16()
    scale = 1 + 0.2 * torch.randn(8, generator=generator)
    shift = 0.2 * torch.randn(8, generator=generator) if shifted else None
    found, expected = [], []
    for dtype, gradients in ((torch.bfloat16, found), (torch.float64, expected)):
        parts = [z.to(dtype)]
        wide = torch.float32 if dtype == torch.bfloat16 else dtype
        parts += [p.to(wide) for p in (scale, shift) if p is not None]
        parts = [part.clone().requires_grad_() for part in parts]
        y = scale_and_shift(parts[0], parts[1], parts[2] if shifted else None)
        assert y.dtype == dtype
        gradients += [y.detach(), *torch.autograd.grad(y, parts, towards.to(dtype))]
    for ours, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), reference, atol=0.1, rtol=0.02)


def test_gradients_of_the_formula() -> None:
    wide = torch.float64
    parts = (torch.rand(3, 4, dtype=wide), torch.rand(4, dtype=wide), torch.rand(4, dtype=wide))
    assert torch.autograd.gradcheck(scale_and_shift, [part.requires_grad_() for part in parts])


def test_a_scale_near_one_is_not_lost_in_half_precision() -> None:
    layer = ScaleShiftLinear(nn.Linear(256, 4, bias=False).to(torch.bfloat16))
    assert layer.scale.dtype == layer.shift.dtype == torch.float32
    x = torch.randn(512, 256, generator=torch.Generator().manual_seed(0)).bfloat16()
    before = layer(x).float()

    def change() -> float:
        return (((layer(x).float() - before) * before).sum() / before.square().sum()).item()

    for _ in range(6):  # each of these steps alone would leave a factor in bfloat16 at 1
        layer.scale.data += 0.001
    assert 0.004 < change() < 0.008
    layer.scale.data[:] = 1.001
    assert (
        change() < 0.001
    )  # the outputs are in bfloat16, and half a step of theirs is more than this


def test_only_scale_and_shift_move() -> None:
    net: Any = attach_scale_shift(llama("small")).train()
    frozen = {n: p.clone() for n, p in net.named_parameters() if not p.requires_grad}
    optimiser = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=0.1)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = net(IDS, labels=IDS).loss
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    now = dict(net.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    assert all(n.endswith(("scale", "shift")) for n, p in now.items() if p.requires_grad)


def test_delta_of_kilobytes(tmp_path: Path) -> None:
    net: Any = attach_scale_shift(llama("tiny"))
    disturb(net)
    path = save_delta(net, tmp_path / "delta.safetensors", config={"stage": 2})
    assert path.stat().st_size < 60_000
    fresh: Any = attach_scale_shift(llama("tiny"))
    assert load_delta(fresh, path) == {"stage": 2}
    assert torch.equal(fresh(IDS).logits, net(IDS).logits)
    square = nn.Sequential(nn.Linear(4, 4))
    delta = save_delta(attach_scale_shift(square), tmp_path / "square.safetensors")
    other = attach_scale_shift(detach(square), form="input")
    with pytest.raises(ValueError, match="form=output"):  # the shapes are the same
        load_delta(other, delta)


def test_beside_lora() -> None:
    net: Any = llama("small")
    attach_lora(net, "q_proj", rank=2, seed=0)
    attach_scale_shift(net)
    apart = net(IDS).logits
    torch.testing.assert_close(merge(net)(IDS).logits, apart)
