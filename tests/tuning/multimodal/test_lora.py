"""The multimodal forms: the authors' numbers at two sensors, the ordinary ones at one."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mfnet_lite.tuning import Adapter, MMAdapter, MMLoRALinear, SensorAdapter, SensorQKV, detach
from tests.golden.tuning import check, fill, given


def golden_mmlora() -> MMLoRALinear:
    layer = MMLoRALinear(nn.Linear(8, 6), sensors=2, rank=2)
    base = layer.base
    fill([base.weight, base.bias])
    fill([layer.lora_a[0], layer.lora_b[0], layer.lora_a[1], layer.lora_b[1]], first=2)
    return layer


def test_golden_mmlora_linear() -> None:
    layer = golden_mmlora()
    x = torch.stack([given((2, 3, 8), 0), given((2, 3, 8), 1)])
    out = layer(x)
    check(out[0], 15.262863, 48.704220, [1.439213, -0.427813, 1.817707])
    check(out[1], 13.906386, 50.563794, [2.938787, -1.742873])
    assert layer.mix is not None
    layer.mix.data = torch.tensor([0.8, 0.3])
    out = layer(x)
    check(out[0], 15.513704, 48.458794, [1.381767, -0.537916])
    check(out[1], 14.073615, 50.420877, [2.900490, -1.816275])


def test_golden_qkv() -> None:
    layer = SensorQKV(nn.Linear(4, 12), sensors=2, rank=2, alpha=1)
    fill([layer.base.weight, layer.base.bias])
    fill([layer.lora_a[0], layer.lora_b[0], layer.lora_a[1], layer.lora_b[1]], first=2)
    out = layer(torch.stack([given((2, 3, 4), 0), given((2, 3, 4), 1)]))
    check(out[0], 7.766161, 64.925008, [0.655972, 0.738402, 0.359560])
    check(out[1], 7.307409, 66.610155, [1.796700, 2.190066])


@pytest.mark.parametrize(
    ("skip", "total", "absolute", "first"),
    [
        (False, -17.756916, 37.361782, [0.627546, 0.148116, -0.452684, -0.925907]),
        (True, -8.141429, 41.329284, [0.627546, 0.247949, -0.254014, -0.630387]),
    ],
)
def test_golden_adapter(skip: bool, total: float, absolute: float, first: list[float]) -> None:
    module = SensorAdapter(8, sensors=1, skip=skip)
    fill(
        tensor[0]
        for tensor in (module.down_weight, module.down_bias, module.up_weight, module.up_bias)
    )
    check(module(given((2, 3, 8), 0)[None]), total, absolute, first)


def test_mmlora_written_out_for_three_sensors_and_a_missing_one() -> None:
    layer = MMLoRALinear(nn.Linear(5, 7), sensors=3, rank=2, alpha=6)
    nn.init.normal_(layer.lora_b)
    assert layer.mix is not None
    nn.init.uniform_(layer.mix, -1, 2)
    x = torch.randn(3, 2, 4, 5)
    modality_mask = torch.tensor([[True, True, True], [True, True, False]])
    out = layer(x, modality_mask)
    x[2, 1] = 0  # a missing sensor is read as zeros
    each = torch.stack([x[m] @ layer.lora_a[m].T @ layer.lora_b[m].T for m in range(3)])
    w = layer.mix
    for m in range(3):
        for b in range(2):
            others = [n for n in range(3) if n != m and modality_mask[b, n]]
            update = w[m] * each[m, b] + (1 - w[m]) * sum(each[n, b] for n in others) / len(others)
            torch.testing.assert_close(out[m, b], layer.base(x[m, b]) + 3 * update)


@pytest.mark.parametrize("form", ["mmlora", "mmadapter", "adapter"])
def test_nan_of_a_missing_sensor_reaches_neither_results_nor_gradients(form: str) -> None:
    torch.manual_seed(0)
    layer: MMLoRALinear | MMAdapter
    if form == "mmlora":
        layer = MMLoRALinear(nn.Linear(5, 5), sensors=3, rank=2)
        nn.init.normal_(layer.lora_b)
    else:
        layer = MMAdapter(5, sensors=3, zero_init=False, mixing=form == "mmadapter")
    modality_mask = torch.tensor([[True, True, True], [True, False, True]])
    there = modality_mask.T[..., None, None].expand(3, 2, 4, 5)
    clean = torch.randn(3, 2, 4, 5)
    spoiled = torch.where(there, clean, torch.nan).requires_grad_()
    gradients = []
    for x in (clean, spoiled):
        layer.zero_grad()
        out = layer(x, modality_mask)
        assert torch.equal(out[there], layer(clean, modality_mask)[there])
        # two ways of leaving the missing one out of a loss
        out[there].sin().sum().backward(retain_graph=True)
        torch.where(there, out, 0.0).square().sum().backward()
        gradients.append([p.grad for p in layer.parameters()])
    for a, b in zip(*gradients, strict=True):
        assert torch.isfinite(b).all()
        assert torch.equal(a, b)
    assert spoiled.grad is not None
    assert torch.isfinite(spoiled.grad).all()


def test_one_sensor_is_ordinary_lora() -> None:
    layer = MMLoRALinear(nn.Linear(5, 7), sensors=1, rank=3)
    nn.init.normal_(layer.lora_b)
    x = torch.randn(1, 4, 6, 5)
    plain = layer.base(x[0]) + x[0] @ layer.lora_a[0].T @ layer.lora_b[0].T
    torch.testing.assert_close(layer(x)[0], plain)
    assert layer(x).requires_grad


@pytest.mark.parametrize("form", [MMLoRALinear, SensorQKV])
def test_nothing_changes_before_training_and_the_base_stays(form: type) -> None:
    base = nn.Linear(4, 12).requires_grad_(False)
    before = base.weight.clone()
    layer = form(base, sensors=2)
    x = torch.randn(2, 3, 5, 4)
    assert torch.equal(layer(x), base(x))
    optimiser = torch.optim.SGD([p for p in layer.parameters() if p.requires_grad], lr=1.0)
    layer(x).square().sum().backward()
    optimiser.step()
    assert not torch.equal(layer(x), base(x))
    assert torch.equal(base.weight, before)
    assert detach(nn.Sequential(layer))[0] is base


def test_at_the_start_only_b_learns() -> None:
    layer = MMLoRALinear(nn.Linear(4, 6), sensors=2)
    layer(torch.randn(2, 3, 5, 4)).square().sum().backward()
    assert layer.mix is not None
    for tensor, learns in ((layer.lora_b, True), (layer.lora_a, False), (layer.mix, False)):
        assert tensor.grad is not None
        assert bool(tensor.grad.abs().sum() > 0) is learns


def test_gradients_against_autograd_of_the_formula() -> None:
    layer = MMLoRALinear(nn.Linear(3, 4), sensors=2, rank=2).double()
    nn.init.normal_(layer.lora_b)
    x = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    parameters = [layer.lora_a, layer.lora_b, layer.mix]

    def formula(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        each = torch.einsum("m b i, m r i, m o r -> m b o", x, a, b)
        return layer.base(x) + w[:, None, None] * each + (1 - w)[:, None, None] * each.flip(0)

    ours = torch.autograd.grad(layer(x).sin().sum(), [x, *parameters])
    plain = torch.autograd.grad(formula(x, *parameters).sin().sum(), [x, *parameters])
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b)


def test_qkv_leaves_other_rows_alone() -> None:
    layer = SensorQKV(nn.Linear(4, 12), sensors=2, parts="v")
    nn.init.normal_(layer.lora_b)
    x = torch.randn(2, 3, 4)
    out, plain = layer(x), layer.base(x)
    assert torch.equal(out[..., :8], plain[..., :8])
    assert not torch.equal(out[..., 8:], plain[..., 8:])


@pytest.mark.parametrize("mixing", [True, False])
def test_adapters_written_out(mixing: bool) -> None:
    module = MMAdapter(8, sensors=2, zero_init=False, mixing=mixing)
    x = torch.randn(2, 3, 5, 8)
    a = module.adapter
    each = [
        F.gelu(x[m] @ a.down_weight[m].T + a.down_bias[m]) @ a.up_weight[m].T + a.up_bias[m]
        for m in range(2)
    ]
    out = module(x)
    if mixing:
        assert module.mix is not None
        module.mix.data = torch.tensor([0.8, 0.3])
        out = module(x)
        each = [0.8 * each[0] + 0.2 * each[1], 0.7 * each[0] + 0.3 * each[1]]
    torch.testing.assert_close(out, torch.stack(each))


def test_few_channels_have_a_bottleneck_of_one() -> None:
    assert MMAdapter(3, 2).adapter.down_weight.shape == (2, 1, 3)
    assert Adapter(3).down.weight.shape == (1, 3)
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        MMAdapter(0, 2)


def test_bfloat16_autocast() -> None:
    x = torch.randn(2, 3, 5, 8)
    for layer in (MMLoRALinear(nn.Linear(8, 24), 2), SensorQKV(nn.Linear(8, 24), 2)):
        nn.init.normal_(layer.lora_b)
        exact = layer(x)
        with torch.autocast("cpu", torch.bfloat16):
            rough = layer(x)
        assert rough.dtype is torch.bfloat16
        torch.testing.assert_close(rough.float(), exact, atol=0.1, rtol=0.1)


def test_seeded_start() -> None:
    def make(seed: int) -> MMLoRALinear:
        return MMLoRALinear(nn.Linear(4, 6), 2, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(make(1).lora_a, make(1).lora_a)
    assert not torch.equal(make(1).lora_a, make(2).lora_a)


def test_errors_name_what_was_expected() -> None:
    with pytest.raises(
        ValueError, match=r"expected \(2 sensors, batch, …, channels\), got \(3, 4, 8\)"
    ):
        MMLoRALinear(nn.Linear(8, 6), 2)(torch.zeros(3, 4, 8))
    with pytest.raises(ValueError, match="three times as many outputs"):
        SensorQKV(nn.Linear(8, 6), 2)
    for parts in ("qq", "vq", "", "qx"):  # as LoRAQKV: one spelling for one set of thirds
        with pytest.raises(ValueError, match=f"out of 'qkv' in that order, got '{parts}'"):
            SensorQKV(nn.Linear(4, 12), 2, parts=parts)
    for form in (MMLoRALinear, SensorQKV):
        with pytest.raises(ValueError, match=r"LoRA wraps an nn\.Linear, got Conv2d"):
            form(nn.Conv2d(3, 4, 1), 2)
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        MMLoRALinear(nn.Linear(8, 6), 2, rank=0)


@pytest.mark.parametrize("layer", [MMLoRALinear(nn.Linear(5, 5), 2), MMAdapter(5, 2)])
@pytest.mark.parametrize(
    "modality_mask",
    [torch.ones(3, 2), torch.ones(2, 3).bool(), [[True, False]] * 3, torch.tensor(True)],
)
def test_a_presence_of_another_kind_is_one_sentence(
    layer: nn.Module, modality_mask: object
) -> None:
    message = r"expected a boolean modality_mask of shape \(3, 2\) \(batch, sensors\), got "
    with pytest.raises(ValueError, match=message):
        layer(torch.zeros(2, 3, 4, 5), modality_mask)
