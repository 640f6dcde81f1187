"""How many bytes a forward pass keeps for the backward pass: measured, on any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["saved_activations"]


def saved_activations(model: nn.Module, forward: Callable[[], Any]) -> int:
    """Run a forward pass and add up what autograd keeps of it; each storage counts once, weights do not count.

    Args:
        model: Whose parameters and buffers do not count.
        forward: Runs the model; inputs that it keeps count.

    Returns:
        Bytes.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
        >>> saved_activations(net, lambda: net(torch.zeros(2, 4)))  # 2 × 4 inputs and 2 × 8 outputs
        96
    """
    weights = {
        value.untyped_storage().data_ptr() for value in (*model.parameters(), *model.buffers())
    }
    kept: dict[int, tuple[int, Tensor]] = {}

    def note(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (
                storage.nbytes(),
                value,
            )  # held, so that no other takes its place
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        output = forward()
    del output
    return sum(size for size, _ in kept.values())
