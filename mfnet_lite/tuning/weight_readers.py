"""Modules of PyTorch that compute with the weights of their parts and do not call the parts.

``nn.MultiheadAttention`` reads weight and bias of its ``out_proj`` in every mode. ``nn.TransformerEncoderLayer`` calls
its parts in training; in evaluation its fast path reads their weights and passes over whatever else they compute.
What stands around such a part acts only through the weights it answers for, as LoRA and scale and shift do.
"""

from __future__ import annotations

import torch
from torch import nn

__all__: list[str] = []  # what attaching and peft's files share; not part of the interface

LISTS = (nn.ModuleList, nn.ModuleDict)
"""Modules without a ``forward``: what they hold is used by the module around them."""


def reader_of(model: nn.Module, name: str) -> nn.Module | None:
    """Find the module that may read the weights of another one instead of calling it.

    Args:
        model: The network.
        name: Name of the module whose weights are meant.

    Returns:
        The ``nn.MultiheadAttention``, ``nn.TransformerEncoderLayer`` or, of such a layer, ``nn.TransformerEncoder``
        around it; None where it is called.

    Example:
        >>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> [type(reader_of(layer, name)).__name__ for name in ("linear1", "self_attn.out_proj")]
        ['TransformerEncoderLayer', 'MultiheadAttention']
        >>> reader_of(nn.Sequential(nn.Linear(2, 2)), "0") is None
        True
    """
    around = name.rpartition(".")[0]
    while around and isinstance(model.get_submodule(around), LISTS):
        around = around.rpartition(".")[0]
    owner = model.get_submodule(around)
    if isinstance(owner, nn.MultiheadAttention | nn.TransformerEncoderLayer):
        return owner
    is_layer = isinstance(model.get_submodule(name), nn.TransformerEncoderLayer)
    return owner if is_layer and isinstance(owner, nn.TransformerEncoder) else None


def check_answers(model: nn.Module, name: str, wrapper: nn.Module) -> None:
    """Refuse a wrapper that PyTorch would pass over, or look into in vain.

    Without its fast path (``torch.backends.mha.set_fastpath_enabled(False)``) an ``nn.TransformerEncoderLayer`` calls
    its parts, and anything may stand there.

    Args:
        model: The network.
        name: Name of the module in it that is to be wrapped.
        wrapper: What would stand around it.

    Raises:
        ValueError: If a module that reads the weights of the base does not find them in the wrapper.
    """
    reader, base = reader_of(model, name), model.get_submodule(name)
    own = base._parameters
    answers = bool(own) and all(hasattr(type(wrapper), key) for key in own)
    if reader is None or answers:
        return
    when, remedy = "", "leave it out of the targets"
    if isinstance(base, nn.Linear):
        remedy = f"use attach_lora there, or {remedy}"
    # attention is called with three inputs and gives two outputs, which no wrapper here passes on
    called = isinstance(reader, nn.TransformerEncoderLayer)
    if called and not isinstance(base, nn.MultiheadAttention):
        if not torch.backends.mha.get_fastpath_enabled():
            return
        when = "in evaluation "
        remedy += ", or call torch.backends.mha.set_fastpath_enabled(False) before attaching"
    raise ValueError(
        f"{name} is part of an nn.{_pytorchs(reader)}, which {when}reads the weights of its parts without calling "
        f"them: expected an update of the weight, found {type(wrapper).__name__}, which would be passed over; "
        f"{remedy}"
    )


def check_acts(model: nn.Module, name: str, dropout: float) -> None:
    """Refuse dropout on an update that is read as a weight in training, too, and so would never be dropped.

    Args:
        model: The network.
        name: Name of a linear layer in it.
        dropout: Share of the update's inputs to be dropped.

    Raises:
        ValueError: If there is dropout, and the layer's weight is read without a call.
    """
    if dropout and isinstance(reader_of(model, name), nn.MultiheadAttention):
        raise ValueError(
            f"{name} is the projection behind an nn.MultiheadAttention, which reads its weight and never calls it: "
            f"expected a dropout of 0 there, got {dropout:g}, which would never act; attach LoRA to it in a call of "
            "its own with dropout=0"
        )


def _pytorchs(module: nn.Module) -> str:
    """Name PyTorch's own class of a module, also of a subclass of it."""
    kinds = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
    return next(kind.__name__ for kind in kinds if isinstance(module, kind))
