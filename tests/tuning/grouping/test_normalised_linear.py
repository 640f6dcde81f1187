"""Projecting before normalising gives what the other order gives, gradients included."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mfnet_lite.tuning.grouping import NormalisedLinear


def plain(layer: NormalisedLinear, x: torch.Tensor) -> torch.Tensor:
    return F.linear(F.layer_norm(x, x.shape[-1:]), layer.weight, layer.bias)


@pytest.mark.parametrize("shape", [(2, 9, 48), (5, 48)])
@pytest.mark.parametrize("shift", [0.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_equals_layer_norm_and_linear(shape, shift, dtype) -> None:
    torch.manual_seed(0)
    layer = NormalisedLinear(48, 3).to(dtype)
    x = (2 * torch.randn(*shape, dtype=dtype) + shift).requires_grad_()
    towards = torch.randn(*shape[:-1], 3, dtype=dtype)
    wanted = [x, layer.weight, layer.bias]
    found, expected = layer(x), plain(layer, x)
    tight = {} if dtype == torch.float64 else {"atol": 1e-5, "rtol": 1e-4}
    torch.testing.assert_close(found, expected, **tight)
    for a, b in zip(
        torch.autograd.grad(found, wanted, towards),
        torch.autograd.grad(expected, wanted, towards),
        strict=True,
    ):
        torch.testing.assert_close(a, b, **tight)


def test_gradcheck() -> None:
    torch.manual_seed(0)
    layer = NormalisedLinear(6, 2).double()
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


def test_equal_channels_are_finite() -> None:
    x = torch.full((1, 2, 16), 7.0, requires_grad=True)
    layer = NormalisedLinear(16, 2)
    layer(x).sum().backward()
    assert layer(x).isfinite().all()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_mixed_precision_normalises_in_single() -> None:
    torch.manual_seed(0)
    layer, x = NormalisedLinear(48, 3), torch.randn(2, 9, 48)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = layer(x), plain(layer, x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    assert layer(x.bfloat16().double().to(layer.weight.dtype)).dtype == torch.float32
