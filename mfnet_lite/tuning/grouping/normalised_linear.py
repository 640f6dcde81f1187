r"""A linear layer on normalised tokens, without storing the normalised tokens.

The prompters read wide tokens of a frozen network, normalise them and project them to a few channels. Since the
projection is linear, it may come first:

.. math:: W\,\frac{x-\mu}{\sigma} + b = \frac{W x - \mu\,W\mathbf 1}{\sigma} + b .

Only the r projected channels and two numbers per token are written, in place of d normalised ones, and the
gradient of x takes one product and one more pass. In single precision the difference of squares that gives
:math:`\sigma^2` is accurate while a token's mean is not many times its deviation; between the blocks of a
vision transformer it is a small part of it.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

__all__: list[str] = []

EPS = 1e-5
"""Added to the variance, as ``layer_norm`` does."""


class _NormalisedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        flat = x.flatten(0, -2)
        # one row more in the product is the mean; var_mean takes several times as long as all of this
        average = weight.new_full((1, x.shape[-1]), 1 / x.shape[-1])
        out, mean = (flat @ torch.cat([weight, average]).mT).split([len(weight), 1], dim=-1)
        square = torch.linalg.vector_norm(flat, dim=-1, keepdim=True).square() / x.shape[-1]
        scale = (square - mean.square()).clamp_(min=0).add_(EPS).rsqrt_()
        out = (out - mean * weight.sum(dim=1)).mul_(scale)
        ctx.save_for_backward(x, weight, mean, scale, out)
        return (out + bias).unflatten(0, x.shape[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight, mean, scale, out = ctx.saved_tensors
        flat, gradient = x.flatten(0, -2), gradient.flatten(0, -2)
        scaled = gradient * scale
        of_weight = scaled.mT @ flat - (scaled * mean).sum(dim=0)[:, None]
        of_x = None
        if ctx.needs_input_grad[0]:
            # layer_norm's gradient; both of its means over the wide channels are sums over the few
            along = (gradient * out).sum(dim=-1, keepdim=True) * scale.square() / x.shape[-1]
            level = scaled @ weight.mean(dim=1, keepdim=True)
            # what all channels of a token get alike is one column more in the product
            left = torch.cat([scaled, mean * along - level], dim=-1)
            of_x = left @ torch.cat([weight, weight.new_ones(1, x.shape[-1])])
            of_x = of_x.addcmul_(flat, along, value=-1).unflatten(0, x.shape[:-1])
        return of_x, of_weight, gradient.sum(dim=0)


class NormalisedLinear(nn.Linear):
    """Normalise tokens over their channels, without scale and shift of its own, and project them.

    Args:
        in_features: Channels of the tokens.
        out_features: Channels after the projection, few.

    Example:
        >>> layer, x = NormalisedLinear(16, 2), torch.randn(5, 16)
        >>> expected = F.linear(F.layer_norm(x, (16,)), layer.weight, layer.bias)
        >>> torch.allclose(layer(x), expected, atol=1e-5)
        True
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)

    def forward(self, x: Float[Tensor, "*place channels"]) -> Float[Tensor, "*place few"]:
        """Return the projected tokens."""
        # mixed precision is left to PyTorch, which normalises in single precision
        mixed = not x.is_meta and torch.is_autocast_enabled(x.device.type)
        if mixed or x.dtype != self.weight.dtype:
            return super().forward(F.layer_norm(x, x.shape[-1:], eps=EPS))
        out: Tensor = _NormalisedLinear.apply(x, self.weight, self.bias)
        return out
