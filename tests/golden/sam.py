"""The rules by which the golden numbers of SAM's parts were made."""

from __future__ import annotations

import math
import zlib

import torch
from torch import Tensor, nn


def fill(module: nn.Module, scale: float = 0.1) -> nn.Module:
    """Give each tensor values that depend on its name alone: scale · sin(0.7 j + phase(name))."""
    state = module.state_dict()
    for name, tensor in state.items():
        phase = 2 * math.pi * (zlib.crc32(name.encode()) % 1000) / 1000
        j = torch.arange(1, tensor.numel() + 1, dtype=torch.float64)
        values = scale * torch.sin(0.7 * j + phase)
        if tensor.ndim == 1 and name.endswith("weight"):
            values += 1
        state[name] = values.reshape(tensor.shape).to(tensor.dtype)
    module.load_state_dict(state)
    return module.eval()


def ramp(*shape: int, f: float, p: float = 0.0) -> Tensor:
    """Element k of the tensor is sin(f·k + p)."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(f * k + p).reshape(shape).float()
