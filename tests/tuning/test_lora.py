"""LoRA: nothing at the start, only what was asked for afterwards, and off again without a trace."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from mfnet_lite.tuning import LoRALinear, LoRAQKV, attach_lora, detach
from mfnet_lite.tuning.lora import LoRALayer


def sines(shape: tuple[int, ...], rank: int) -> Tensor:
    """Parameter number ``rank`` of the golden vectors."""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (0.5 * torch.sin(0.37 * i + rank)).float().reshape(shape)


def waves(shape: tuple[int, ...], shift: float) -> Tensor:
    """Input of the golden vectors."""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(0.1 * i + shift).float().reshape(shape)


def layers(dtype: torch.dtype = torch.float32) -> list[LoRALayer]:
    torch.manual_seed(0)
    return [
        LoRALinear(nn.Linear(6, 5, dtype=dtype), rank=2, alpha=3),
        LoRALinear(nn.Linear(6, 5, bias=False, dtype=dtype), rank=3),
        LoRAQKV(nn.Linear(4, 12, dtype=dtype), "qv", rank=2, alpha=1),
        LoRAQKV(nn.Linear(5, 12, dtype=dtype), "k", rank=1),
        LoRAQKV(nn.Linear(4, 12, bias=False, dtype=dtype), "qkv", rank=3, alpha=5),
    ]


def train_a_little(layer: LoRALayer) -> LoRALayer:
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        layer.lora_b.normal_(0, 0.3, generator=generator)
    return layer


KINDS = range(5)


# --- numbers of the authors' code


@pytest.mark.parametrize(
    ("rank_of_a", "shift", "total", "absolute", "first"),
    [
        (2, 0, 7.766161, 64.925008, [0.655972, 0.738402, 0.359560]),
        (4, 1, 7.307409, 66.610155, [1.796700, 2.190066]),
    ],
)
def test_golden_qkv(rank_of_a, shift, total, absolute, first):
    """loralib's MergedLinear as in the authors' repository, once per sensor: 4 -> 12, rank 2, alpha 1."""
    base = nn.Linear(4, 12)
    layer = LoRAQKV(base, "qv", rank=2, alpha=1)
    with torch.no_grad():
        base.weight.copy_(sines((12, 4), 0))
        base.bias.copy_(sines((12,), 1))
        layer.lora_a.copy_(sines((2, 2, 4), rank_of_a))
        layer.lora_b.copy_(sines((2, 4, 2), rank_of_a + 1))
    y = layer(waves((2, 3, 4), shift))
    assert layer.scaling == 0.5
    assert y.sum().item() == pytest.approx(total, rel=1e-5)
    assert y.abs().sum().item() == pytest.approx(absolute, rel=1e-5)
    assert y.flatten()[: len(first)].tolist() == pytest.approx(first, abs=2e-6)


def test_by_hand():
    """W = identity, B A = [[1, 2], [2, 4]], scaling 1/2: (1, 1) -> (1, 1) + (1.5, 3)."""
    layer = LoRALinear(nn.Linear(2, 2, bias=False), rank=1, alpha=0.5)
    with torch.no_grad():
        layer.base.weight.copy_(torch.eye(2))
        layer.lora_a.copy_(torch.tensor([[1.0, 2.0]]))
        layer.lora_b.copy_(torch.tensor([[1.0], [2.0]]))
    assert layer(torch.ones(2)).tolist() == [2.5, 4.0]
    assert layer.delta_weight().tolist() == [[0.5, 1.0], [1.0, 2.0]]


# --- the start


@pytest.mark.parametrize("kind", KINDS)
def test_output_is_unchanged_at_the_start(kind):
    layer = layers()[kind]
    x = torch.randn(7, 3, layer.in_features)
    assert torch.equal(layer(x), layer.base(x))
    assert not layer.delta_weight().any()
    assert layer.lora_a.any()


def test_a_starts_as_in_loralib():
    torch.manual_seed(3)
    layer = LoRALinear(nn.Linear(16, 5), rank=2)
    torch.manual_seed(3)
    nn.Linear(16, 5)
    expected = nn.init.kaiming_uniform_(torch.empty(2, 16), a=5**0.5)
    assert torch.equal(layer.lora_a, expected)
    assert layer.lora_a.abs().max() <= 1 / 16**0.5  # the bound of nn.Linear's own initialisation


def test_gaussian_start_has_the_spread_of_one_by_rank():
    layer = LoRALinear(nn.Linear(4000, 2), rank=8, init="gaussian")
    assert layer.lora_a.std().item() == pytest.approx(1 / 8, rel=0.02)


def test_every_qkv_part_starts_with_the_spread_of_a_linear():
    """The fan-in is the input's width, whatever the shape of the stacked A."""
    layer = LoRAQKV(nn.Linear(3000, 9000), "qkv", rank=2)
    for a in layer.lora_a:
        assert a.std().item() == pytest.approx((1 / 3 / 3000) ** 0.5, rel=0.05)


def test_first_gradient_reaches_b_only():
    """B = 0 hides A from the loss; A learns from the second step on."""
    layer = layers()[0]
    layer(torch.randn(4, 6)).square().sum().backward()
    assert not layer.lora_a.grad.any()
    assert layer.lora_b.grad.any()


# --- what training changes


@pytest.mark.parametrize("kind", KINDS)
def test_base_is_bit_identical_after_a_step(kind):
    model = nn.Sequential(layers()[kind].base)
    attach_lora(model, ["0"], rank=2, seed=0, fused=model[0].out_features == 12)
    before = copy.deepcopy(model.state_dict())
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(8, model[0].in_features)).square().sum().backward()
        optimizer.step()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) is ("lora" not in name), name


@pytest.mark.parametrize(
    ("parts", "kept"), [("qv", [1]), ("q", [1, 2]), ("k", [0, 2]), ("qkv", [])]
)
def test_only_the_rows_asked_for_change(parts, kept):
    base = nn.Linear(4, 12)
    layer = train_a_little(LoRAQKV(base, parts, rank=2))
    x = torch.randn(5, 2, 4)
    y, plain = layer(x).unflatten(-1, (3, 4)), base(x).unflatten(-1, (3, 4))
    delta = layer.delta_weight().unflatten(0, (3, 4))
    for third in range(3):
        assert torch.equal(y[..., third, :], plain[..., third, :]) is (third in kept)
        assert delta[third].any().item() is (third not in kept)


def test_dropout_touches_the_update_only_and_only_in_training():
    layer = train_a_little(LoRALinear(nn.Linear(200, 3), rank=2, dropout=0.5))
    x = torch.randn(200)
    full = layer.eval()(x)
    assert torch.equal(layer(x), full)
    torch.manual_seed(0)
    dropped = layer.train()(x)
    torch.manual_seed(0)
    expected = layer.base(x) + layer.delta_weight() @ nn.functional.dropout(x, 0.5)
    assert not torch.allclose(dropped, full)
    torch.testing.assert_close(dropped, expected)


# --- merging


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_merged_equals_unmerged(kind, dtype):
    layer = train_a_little(layers(dtype)[kind]).eval()
    x = torch.randn(3, 2, layer.in_features, dtype=dtype)
    apart = layer(x)
    layer.merge()
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(layer(x), apart, rtol=0, atol=tolerance)
    assert layer(x).dtype == dtype
    if isinstance(layer, LoRALinear):
        expected = layer.base.weight + layer.alpha / layer.rank * layer.lora_b @ layer.lora_a
        torch.testing.assert_close(layer.merged_weight, expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(layer.merged_weight, layer.base.weight + layer.delta_weight())


@pytest.mark.parametrize("kind", KINDS)
def test_merging_twice_is_merging_once_and_unmerging_restores(kind):
    layer = train_a_little(layers()[kind]).eval()
    weight, x = layer.base.weight.clone(), torch.randn(3, layer.in_features)
    apart = layer(x)
    layer.merge()
    once = layer.merged_weight.clone()
    layer.merge()
    assert torch.equal(layer.merged_weight, once)
    assert layer.merged
    layer.unmerge()
    layer.unmerge()
    assert torch.equal(layer.base.weight, weight)
    assert torch.equal(layer(x), apart)
    layer.merge()
    assert torch.equal(layer.original().weight, weight)


def test_merged_computes_one_product():
    """Once merged, the factors are not read any more."""
    layer = train_a_little(layers()[0]).eval()
    layer.merge()
    x = torch.randn(6)
    merged = layer(x)
    with torch.no_grad():
        layer.lora_b.zero_()
    assert torch.equal(layer(x), merged)


def test_training_takes_a_merge_back():
    layer = train_a_little(layers()[2]).eval()
    layer.merge()
    layer.train()
    assert not layer.merged
    layer(torch.randn(2, 4)).sum().backward()
    assert layer.lora_b.grad.any()


@pytest.mark.parametrize("kind", KINDS)
def test_merged_in_inference_mode_it_lets_gradients_through(kind):
    layer = train_a_little(layers()[kind]).eval()
    x = torch.randn(3, layer.in_features, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    with torch.inference_mode():
        layer.merge()
    assert not layer.weight.requires_grad
    (found,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_state_dict_is_the_same_merged_or_not():
    layer = train_a_little(layers()[0]).eval()
    apart = copy.deepcopy(layer.state_dict())
    layer.merge()
    merged = layer.state_dict()
    assert list(merged) == ["lora_a", "lora_b", "base.weight", "base.bias"]
    assert all(torch.equal(value, merged[name]) for name, value in apart.items())


def test_loading_takes_a_merge_back():
    layer = train_a_little(layers()[0]).eval()
    zero = {n: torch.zeros_like(v) for n, v in layer.state_dict().items()}
    layer.merge()
    layer.load_state_dict(zero)
    assert not layer(torch.randn(6)).any()


def test_bfloat16_weights_are_merged_in_float32():
    """Rounding once, after the sum: the same as merging a float32 copy and rounding that."""
    layer = train_a_little(LoRALinear(nn.Linear(32, 32), rank=4)).bfloat16()
    wide = copy.deepcopy(layer).float()
    layer.merge()
    wide.merge()
    assert torch.equal(layer.merged_weight, wide.merged_weight.bfloat16())


@given(
    rank=st.integers(1, 9),
    alpha=st.floats(0.1, 32),
    width=st.integers(1, 7),
    third=st.integers(1, 5),
    parts=st.sampled_from(["q", "k", "v", "qk", "qv", "kv", "qkv"]),
)
def test_merged_equals_unmerged_for_any_shape(rank, alpha, width, third, parts):
    """Even a rank above the matrix's own is allowed; the sum of both is what counts."""
    base = nn.Linear(width, 3 * third, dtype=torch.float64)
    for layer in (LoRALinear(base, rank, alpha), LoRAQKV(base, parts, rank, alpha)):
        train_a_little(layer).eval()
        x = torch.randn(2, width, dtype=torch.float64)
        y = layer(x)
        torch.testing.assert_close(y, nn.functional.linear(x, layer.weight, layer.bias))
        layer.merge()
        torch.testing.assert_close(layer(x), y)


# --- precision, devices, other modules


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("merged", [False, True])
def test_autocast(kind, merged):
    layer = train_a_little(layers()[kind]).eval()
    x = torch.randn(4, layer.in_features)
    exact = layer(x)
    if merged:
        layer.merge()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), exact, rtol=0.03, atol=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_in_float64(kind):
    layer = train_a_little(layers(torch.float64)[kind])
    layer.base.requires_grad_(False)
    x = torch.randn(2, layer.in_features, dtype=torch.float64, requires_grad=True)

    def out(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"lora_a": a, "lora_b": b}, (x,))

    assert torch.autograd.gradcheck(out, (x, layer.lora_a, layer.lora_b))


def test_added_parameters_follow_the_base():
    layer = LoRAQKV(nn.Linear(4, 12, dtype=torch.float64, device="meta"))
    assert {str(p.device) for p in layer.parameters()} == {"meta"}
    assert {p.dtype for p in layer.parameters()} == {torch.float64}


def test_a_module_that_reads_the_weight_gets_the_update():
    """PyTorch's own attention never calls its out_proj; it reads weight and bias."""
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(1, 3, 8)
    expected = copy.deepcopy(attention)
    attach_lora(attention, ["out_proj"], rank=2, seed=0)
    layer = train_a_little(attention.out_proj)
    with torch.no_grad():
        expected.out_proj.weight += layer.delta_weight()
    y = attention(x, x, x)[0]
    torch.testing.assert_close(y, expected(x, x, x)[0])
    y.sum().backward()
    assert layer.lora_a.grad.any()
    attention.eval()
    layer.merge()
    with torch.no_grad():
        torch.testing.assert_close(attention(x, x, x)[0], y)
    detach(attention)
    assert type(attention.out_proj).__name__ == "NonDynamicallyQuantizableLinear"


def test_it_can_be_compared_by_eye():
    assert "rank=2, alpha=3, merged=False" in repr(layers()[0])


# --- faults


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LoRALinear(nn.Conv2d(1, 1, 1)), "wraps an nn.Linear, got Conv2d"),
        (lambda: LoRALinear(nn.Linear(2, 2), rank=0), "rank of at least 1, got 0"),
        (lambda: LoRALinear(nn.Linear(2, 2), dropout=1.5), "dropout probability"),
        (lambda: LoRALinear(nn.Linear(2, 2), init="zeros"), "'kaiming' or 'gaussian', got 'zeros'"),
        (lambda: LoRAQKV(nn.Linear(2, 4)), "3·d rows, this one has 4"),
        (lambda: LoRAQKV(nn.Linear(2, 6), "vq"), "in that order, got 'vq'"),
        (lambda: LoRAQKV(nn.Linear(2, 6), ""), "in that order, got ''"),
        (lambda: LoRAQKV(nn.Linear(2, 6), "qx"), "in that order, got 'qx'"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
