"""Batched matrix products with a transposed factor whose gradients are written row by row.

The gradient which autograd gives to ``b`` in ``a @ b.mT`` is the transpose of what was computed: a strided view,
through which every later addition walks. Here the transposition is part of the gradient's own product. On tokens of
an image, which gather gradients from several products, this saves more time than the products take.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__: list[str] = []  # what attention and decoder share; not part of the interface


class _ProductABt(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a @ b.mT

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        of_a = grad @ b if ctx.needs_input_grad[0] else None
        of_b = grad.mT @ a if ctx.needs_input_grad[1] else None
        return of_a, of_b


class _ProductAtB(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a.mT @ b

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        of_a = b @ grad.mT if ctx.needs_input_grad[0] else None
        of_b = a @ grad if ctx.needs_input_grad[1] else None
        return of_a, of_b


def product_abt(
    a: Float[Tensor, "*batch rows inner"], b: Float[Tensor, "*batch columns inner"]
) -> Float[Tensor, "*batch rows columns"]:
    """``a @ b.mT`` for equal batch axes, differentiable once.

    Args:
        a: Left factors.
        b: Right factors, transposed in the product.
    """
    a, b = _same_type(a, b)
    if torch.is_grad_enabled() and (a.requires_grad or b.requires_grad):
        return _ProductABt.apply(a, b)
    return a @ b.mT


def product_atb(
    a: Float[Tensor, "*batch inner rows"], b: Float[Tensor, "*batch inner columns"]
) -> Float[Tensor, "*batch rows columns"]:
    """``a.mT @ b`` for equal batch axes, differentiable once.

    Args:
        a: Left factors, transposed in the product.
        b: Right factors.
    """
    a, b = _same_type(a, b)
    if torch.is_grad_enabled() and (a.requires_grad or b.requires_grad):
        return _ProductAtB.apply(a, b)
    return a.mT @ b


def _same_type(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Cast as autocast would for ``@``, so that the backward pass, which runs outside, meets one type."""
    if torch.is_autocast_enabled(a.device.type):
        wanted = torch.get_autocast_dtype(a.device.type)
        return a.to(wanted), b.to(wanted)
    return a, b
