"""Products with a transposed factor: values, gradients, and gradients that lie row by row."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.sam.products import product_abt, product_atb


@pytest.mark.parametrize(
    ("product", "a_shape", "b_shape", "plain"),
    [
        (product_abt, (2, 3, 4), (2, 5, 4), lambda a, b: a @ b.mT),
        (product_atb, (2, 4, 3), (2, 4, 5), lambda a, b: a.mT @ b),
    ],
)
def test_equal_to_the_plain_product_with_contiguous_gradients(product, a_shape, b_shape, plain):
    generator = torch.Generator().manual_seed(0)
    a, b = (
        torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True)
        for s in (a_shape, b_shape)
    )
    expected, found = plain(a, b), product(a, b)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    for ours, theirs in zip(
        torch.autograd.grad(found, (a, b), weights),
        torch.autograd.grad(expected, (a, b), weights),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
        assert ours.is_contiguous()
    with torch.no_grad():
        torch.testing.assert_close(product(a, b), expected)


def test_a_factor_without_gradient_gets_none():
    a, b = torch.randn(1, 2, 3, requires_grad=True), torch.randn(1, 4, 3)
    product_abt(a, b).sum().backward()
    torch.testing.assert_close(a.grad, b.sum(dim=1, keepdim=True).expand(-1, 2, -1))


def test_autocast_computes_as_for_the_plain_product():
    a, b = torch.randn(1, 2, 3, requires_grad=True), torch.randn(1, 4, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = product_abt(a, b)
        assert torch.equal(found, a @ b.mT)
    found.float().sum().backward()
    assert a.grad.dtype == b.grad.dtype == torch.float32
