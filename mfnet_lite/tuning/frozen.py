"""What the weight of a frozen linear layer permits: the number format of an update beside it, and merging.

A quantised layer keeps its weight as integers or as 8-bit floats and knows itself how to compute with them
(bitsandbytes' and others' subclasses of ``nn.Linear``, torchao's tensors). No gradient reaches such a weight and
none is needed: LoRA stands beside it, in the format the layer computes in, as in peft. Only what
would change the weight itself, merging, is impossible.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

__all__: list[str] = []  # what LoRA and adapters share; not part of the interface


class Format(TypedDict):
    """Where new weights lie and in which numbers."""

    device: torch.device
    dtype: torch.dtype


def computes(dtype: torch.dtype) -> bool:
    """Decide whether products and gradients exist in a number format: not for integers and 8-bit floats.

    Args:
        dtype: The number format.

    Returns:
        The answer.

    Example:
        >>> [computes(d) for d in (torch.float32, torch.bfloat16, torch.int8, torch.float8_e4m3fn)]
        [True, True, False, False]
    """
    return dtype.is_complex or (dtype.is_floating_point and dtype.itemsize > 1)


def update_format(base: nn.Module) -> Format:
    """Choose the format in which an update of a frozen module is kept.

    Args:
        base: A linear layer, or a module with several of them.

    Returns:
        Device of its first weight; that weight's number format or, if that is a quantised one, the layer's
        ``compute_dtype`` (bitsandbytes' name for it), that of another parameter such as the bias, or torch's own.
    """
    # some quantised layers keep their weight as a buffer
    first = [base.weight] if isinstance(base, nn.Linear) else []
    tensors = [*first, *base.parameters()]
    stated = getattr(base, "compute_dtype", None)
    kinds = [t.dtype for t in tensors[:1]]
    kinds += [stated] if isinstance(stated, torch.dtype) else []
    kinds += [t.dtype for t in tensors[1:]]
    device = tensors[0].device if tensors else torch.get_default_device()
    kind = next((kind for kind in kinds if computes(kind)), torch.get_default_dtype())
    return Format(device=device, dtype=kind)


def matching(x: Tensor, weight: Tensor) -> Tensor:
    """Give an input in the number format of a weight, as a product needs it; autocast does so itself.

    Beside a quantised layer both may differ: its input in half precision, the update in single.

    Args:
        x: The input.
        weight: What it is multiplied with.

    Returns:
        The input, cast if it must be.
    """
    if x.dtype == weight.dtype:
        return x
    # there is no autocast on the device "meta"
    casts = not x.is_meta and torch.is_autocast_enabled(x.device.type)
    return x if casts else x.to(weight.dtype)


def check_linear(base: nn.Module, name: str = "") -> None:
    """Reject a base that LoRA cannot stand beside.

    Args:
        base: The layer.
        name: Its name in the model, for the message.

    Raises:
        ValueError: If it is not a linear layer, or a plain one with weights in which nothing is computed.
    """
    where = f"{name}: " if name else ""
    if not isinstance(base, nn.Linear):
        raise ValueError(f"{where}LoRA wraps an nn.Linear, got {type(base).__name__}")
    weight = base.weight
    own = type(base).forward is not nn.Linear.forward or _brings_its_own_products(weight)
    if not computes(weight.dtype) and not own:
        raise ValueError(
            f"{where}this {type(base).__name__} holds {_short(weight)} weights, with which nn.Linear "
            "computes nothing: expected floating-point weights or a layer with a forward of its own for them; "
            "dequantise it first"
        )


def check_merges(base: nn.Linear, name: str = "") -> None:
    """Reject a base into whose weight nothing can be added.

    Args:
        base: The layer.
        name: Its name in the model, for the message.

    Raises:
        ValueError: If its weight is quantised.
    """
    weight = base.weight
    if computes(weight.dtype) and not _brings_its_own_products(weight):
        return
    where = f"{name}: " if name else ""
    raise ValueError(
        f"{where}the {_short(weight)} weight of this {type(base).__name__} is quantised, so that no update "
        "can be merged into it: run the network unmerged, or attach the update to the network before it "
        "was quantised"
    )


def _brings_its_own_products(weight: Tensor) -> bool:
    """Decide whether the weight is a tensor class that dequantises itself, whatever format it shows."""
    kind = type(weight)
    return is_traceable_wrapper_subclass(weight) and kind.dequantize is not Tensor.dequantize


def _short(weight: Tensor) -> str:
    kind = type(weight)
    plain = str(weight.dtype).removeprefix("torch.")
    return plain if kind in (Tensor, nn.Parameter) else f"{plain} ({kind.__name__})"
