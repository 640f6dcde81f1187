"""Which tensors of a tuned network a delta holds, and one number for all the others, the base."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from mfnet_lite.tuning.parts import added_names, bare_names
from mfnet_lite.utils.buffers import owner_trains

_COPIES = 4  # tensors of another device that are on their way to the hash at the same time


def delta_state(model: nn.Module) -> dict[str, Tensor]:
    """Select what a delta holds: added tensors, trainable ones, and the buffers beside them.

    A frozen half of an addition comes along too, since no base has it. A buffer (say, a running
    mean) belongs to its module, or to the nearest module above it that has parameters; it is kept if
    any of those trains.

    Args:
        model: A tuned network.

    Returns:
        Name → tensor (the model's own, not copies), in the order of ``state_dict``.
    """
    added = added_names(model)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        own = parameters.get(name)
        trains = owner_trains(model, name) if own is None else own.requires_grad
        if trains or name in added:
            state[name] = value
    return state


def base_hash(model: nn.Module) -> str:
    """Hash the weights that a delta leaves out; an attached and a bare network give the same.

    Each tensor's name (the one it had before anything was wrapped), number format, shape and bytes
    are hashed, then the sorted list of these hashes. No tensor is copied if it lies in the
    computer's memory in one piece.

    Args:
        model: A frozen network, with or without additions.

    Returns:
        64 hexadecimal digits.

    Raises:
        ValueError: If the model is on the device ``meta`` and has no values.

    Example:
        >>> from mfnet_lite.tuning import attach_adapters, freeze
        >>> net = freeze(nn.Sequential(nn.Linear(4, 4)))
        >>> bare = base_hash(net)
        >>> base_hash(attach_adapters(net, ["0"])) == bare
        True
    """
    return hash_of(base_tensors(model, delta_state(model).keys()))


def base_tensors(model: nn.Module, delta: Collection[str]) -> dict[str, Tensor]:
    """Give the tensors that a delta leaves out, under the names they had before anything was wrapped.

    Args:
        model: A network, with or without additions.
        delta: Names, as in ``state_dict``, of what the delta holds.
    """
    bare = bare_names(model)
    return {bare[name]: value for name, value in model.state_dict().items() if name not in delta}


def known_hash(base: nn.Module | str, own: Mapping[str, Tensor]) -> str:
    """Give the hash of a base that the caller knows, in place of that of the model at hand.

    Args:
        base: The untouched network, of which the tensors that are base of the model are hashed, or what
            :func:`base_hash` gave.
        own: The model's base, as :func:`base_tensors` gives it.

    Raises:
        ValueError: If the network lacks tensors of that name, or the text is no such hash.
    """
    if isinstance(base, str):
        if not re.fullmatch("[0-9a-f]{64}", base):
            raise ValueError(
                f"base must be a network or what base_hash gave, 64 hexadecimal digits, got {base!r}"
            )
        return base
    there = base_tensors(base, ())
    if missing := sorted(own.keys() - there.keys()):
        raise ValueError(
            f"the base given, a {type(base).__name__}, is not the untouched model: it lacks {missing[0]} "
            f"and {len(missing) - 1} more names; give the same network before anything was attached"
        )
    return hash_of({name: there[name] for name in own})


def hash_of(tensors: Mapping[str, Tensor]) -> str:
    """Hash tensors with their names, whatever their order."""
    with ThreadPoolExecutor(min(_COPIES, os.cpu_count() or 1)) as pool:
        digests = dict(pool.map(_digest, sorted(tensors.items())))
    return hashlib.sha256("\n".join(digests[name] for name in sorted(digests)).encode()).hexdigest()


def formats(tensors: Mapping[str, Tensor]) -> list[str]:
    """List the number formats of floating tensors, such as ``["float32"]``."""
    return sorted({str(t.dtype)[6:] for t in tensors.values() if t.is_floating_point()})


def _digest(item: tuple[str, Tensor]) -> tuple[str, str]:
    name, value = item
    if value.is_meta:
        raise ValueError(f"{name} has no values (device meta); load the base before hashing it.")
    digest = hashlib.sha256(f"{name} {value.dtype} {tuple(value.shape)}".encode())
    if is_traceable_wrapper_subclass(value):  # a quantised weight: the tensors it consists of
        parts = value.__tensor_flatten__()[0]
        inner = sorted(_digest((f"{name}.{part}", getattr(value, part).detach())) for part in parts)
        digest.update("\n".join(hexadecimal for _, hexadecimal in inner).encode())
        return name, digest.hexdigest()
    # bytes in place: no second copy of the model, and formats that NumPy lacks (bfloat16) work too
    flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    digest.update(flat.numpy().data)
    return name, digest.hexdigest()
