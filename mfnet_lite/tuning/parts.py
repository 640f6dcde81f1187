"""Which tensors of a tuned network are its base, and which were added.

Two questions that counting and delta checkpoints share. A tensor was *added* if it belongs to an
:class:`~mfnet_lite.tuning.Addition` and not to the module inside it, or to any other class of this
sub-package, such as an adapter that stands beside a block instead of around it, or to a subclass of one. And
a base tensor has a *bare* name, the one it had before wrappers took its module in: ``attn.base.qkv.weight`` was
``attn.qkv.weight``.
"""

from __future__ import annotations

from torch import nn

from mfnet_lite.tuning.inject import Addition, added_modules


def added_names(model: nn.Module) -> set[str]:
    """Names, as in ``state_dict``, of all parameters and buffers that were added.

    Example:
        >>> from mfnet_lite.tuning.adapter import SerialAdapter
        >>> sorted(added_names(nn.Sequential(SerialAdapter(nn.Linear(2, 2)))))[:2]
        ['0.adapter.down.bias', '0.adapter.down.weight']
    """
    names = set()
    for prefix, module, added in added_modules(model):
        if added:
            # straight from the module: named_parameters would leave out a second name of one tensor
            own = [*module._parameters, *module._buffers]
            names |= {f"{prefix}.{key}" if prefix else key for key in own}
    return names


def bare_names(model: nn.Module) -> dict[str, str]:
    """Map each name of ``state_dict`` to the one it had before anything was wrapped.

    Example:
        >>> from mfnet_lite.tuning.adapter import SerialAdapter
        >>> bare_names(nn.Sequential(SerialAdapter(nn.Linear(2, 2))))["0.base.bias"]
        '0.bias'
    """
    wrapped = wrapper_names(model)
    return {name: bare_name(name, wrapped) for name in model.state_dict()}


def wrapper_names(model: nn.Module) -> set[str]:
    """Names of all additions that stand around a module."""
    everything = model.named_modules(remove_duplicate=False)
    return {name for name, module in everything if isinstance(module, Addition)}


def bare_name(name: str, wrapped: set[str]) -> str:
    """Leave the ``base`` of each wrapper out of a dotted name.

    Args:
        name: Of a module or tensor.
        wrapped: What :func:`wrapper_names` gave.

    Example:
        >>> bare_name("attn.base.qkv.base.weight", {"attn", "attn.base.qkv"})
        'attn.qkv.weight'
    """
    kept, path = [], ""
    for part in name.split("."):
        if not (part == "base" and path in wrapped):
            kept.append(part)
        path = f"{path}.{part}" if path else part
    return ".".join(kept)
