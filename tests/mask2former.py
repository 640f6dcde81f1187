"""Our decoders beside those of transformers' Mask2Former: what their tests share."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def randomise(module: nn.Module) -> nn.Module:
    """Leave no parameter at a start that hides what it does."""
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator).to(parameter))
    return module


def library() -> ModuleType:
    return pytest.importorskip("transformers.models.mask2former.modeling_mask2former")


def copy(ours: nn.Module, theirs: nn.Module) -> None:
    ours.load_state_dict(theirs.state_dict())
