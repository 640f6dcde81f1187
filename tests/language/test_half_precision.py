"""Gradients written by hand are those of PyTorch's own operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.language.half_precision import attention, gated_silu, rms_norm, rotate

GENERATOR = torch.Generator().manual_seed(0)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR)


def compare(
    ours: Callable[..., Tensor], reference: Callable[..., Tensor], *inputs: Tensor, close: float
) -> None:
    results = []
    for call in (ours, reference):
        leaves = [each.clone().requires_grad_() for each in inputs]
        y = call(*leaves)
        towards = torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y.dtype)
        results.append([y.detach(), *torch.autograd.grad(y, leaves, towards)])
    for a, b in zip(*results, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a.float(), b.float(), atol=close, rtol=close)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 2e-5), (torch.bfloat16, 3e-2)])
def test_norm_and_gate(dtype: torch.dtype, close: float) -> None:
    x, weight = random(3, 5, 8).to(dtype), 1 + 0.1 * random(8)
    compare(
        lambda x, w: rms_norm(x, w, 1e-5, dtype),
        lambda x, w: F.rms_norm(x.float(), (8,), w, 1e-5).to(dtype),
        x,
        weight,
        close=close,
    )
    compare(gated_silu, lambda g, u: F.silu(g) * u, x, random(3, 5, 8).to(dtype), close=close)


@pytest.mark.parametrize("kv_heads", [1, 2, 6])
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 2e-5), (torch.bfloat16, 4e-2)])
def test_attention_with_grouped_heads(kv_heads: int, dtype: torch.dtype, close: float) -> None:
    q = random(2, 6, 7, 4).to(dtype)
    k, v = random(2, kv_heads, 7, 4).to(dtype), random(2, kv_heads, 7, 4).to(dtype)
    mask = torch.ones(2, 1, 7, 7).tril().bool()
    mask[1, 0, 4:, :4] = False
    bias = torch.zeros(2, 1, 7, 7, dtype=dtype).masked_fill(~mask, -torch.inf)

    def reference(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        grouped = 6 // kv_heads
        k, v = k.repeat_interleave(grouped, 1), v.repeat_interleave(grouped, 1)
        weights = (q.float() @ k.float().transpose(-1, -2) * 0.5 + bias).softmax(-1)
        return (weights @ v.float()).to(dtype)

    compare(lambda q, k, v: attention(q, k, v, bias, 0.5), reference, q, k, v, close=close)
    with torch.no_grad():  # the fused kernel
        plain = attention(q, k, v, bias, 0.5)
    torch.testing.assert_close(plain, reference(q, k, v), atol=close, rtol=close)


def test_rotation_by_hand() -> None:
    quarter = torch.tensor([torch.pi / 2, 0.0]).repeat(2)
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 1, 4)
    turned = rotate(x, quarter.cos().reshape(1, 1, 1, 4), quarter.sin().reshape(1, 1, 1, 4))
    torch.testing.assert_close(turned.flatten(), torch.tensor([-3.0, 2.0, 1.0, 4.0]))
