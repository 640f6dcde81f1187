"""Half-precision copies of the trained modules, and the single-precision weights they come from.

Autocast casts weights, activations and gradients at every call. A copy in bfloat16 computes without a single
cast; after each step it is filled from the single-precision weights, which the optimiser moves.
Small updates are not lost, since they are added in single precision (Micikevicius et al. 2018).
"""

from __future__ import annotations

import copy
import ctypes
import sys
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class HalfPrecision:
    """Modules to compute with, beside modules that keep the weights.

    Args:
        modules: Modules in single precision, by name.
        enabled: False computes with these modules themselves.
    """

    def __init__(self, enabled: bool = True, **modules: nn.Module) -> None:
        self.enabled = enabled
        self.modules = {
            name: _half(module) if enabled else module for name, module in modules.items()
        }
        self.pairs = [
            (own, half)
            for name, module in modules.items()
            for own, half in zip(module.parameters(), self.modules[name].parameters(), strict=True)
        ]
        self.refresh()

    def __getitem__(self, name: str) -> nn.Module:
        """The module to compute with."""
        return self.modules[name]

    @torch.no_grad()
    def refresh(self) -> None:
        """Fill the copies from the weights."""
        if self.enabled:
            torch._foreach_copy_([half for _, half in self.pairs], [own for own, _ in self.pairs])

    @torch.no_grad()
    def collect(self) -> None:
        """Move the gradients of the copies to the weights, in single precision."""
        if not self.enabled:
            return
        found = [(own, half) for own, half in self.pairs if half.grad is not None]
        for own, _ in found:
            own.grad = torch.empty_like(own) if own.grad is None else own.grad
        torch._foreach_copy_([own.grad for own, _ in found], [half.grad for _, half in found])
        for _, half in self.pairs:
            half.grad = None


def _half(module: nn.Module) -> nn.Module:
    """A copy whose parameters are bfloat16; buffers (pixel mean, frequencies) stay exact."""
    module = copy.deepcopy(module)
    for parameter in module.parameters():
        parameter.data = parameter.data.bfloat16()
    return module


def clip_gradients(gradients: Iterable[Tensor], longest: float = 1.0) -> Tensor:
    """Scale gradients so that together they are no longer than ``longest``; returns their length before."""
    found = list(gradients)
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(found)))
    torch._foreach_mul_(found, (longest / (norm + 1e-6)).clamp(max=1.0))
    return norm


def keep_freed_memory() -> None:
    """Let the C library keep what is freed, instead of having every large tensor paged in anew (Linux, CPU)."""
    if not sys.platform.startswith("linux"):
        return
    allocator = getattr(ctypes.CDLL(None), "mallopt", None)
    if allocator is not None:
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # malloc.h
        allocator(mmap_threshold, 1 << 30)
        allocator(trim_threshold, (1 << 31) - 1)
        allocator(top_pad, 1 << 26)
