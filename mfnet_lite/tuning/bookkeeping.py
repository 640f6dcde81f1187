"""Which tensors of a tuned network are its base, which were injected, and which belong to what was trained.

Counting, delta checkpoints, run folders and the training loop ask the same questions and get one answer:

* A tensor was *injected* if it belongs to an :class:`~mfnet_lite.tuning.inject.Injected` module, or to a module
  inside one, but not to the frozen module that an :class:`~mfnet_lite.tuning.inject.InjectedWrapper` keeps.
* A base tensor has an *original name*, the one it had before wrappers took its module in:
  ``attn.base.qkv.weight`` was ``attn.qkv.weight``.
* A buffer (say, a running mean) belongs to its module, or to the nearest module above it that has parameters,
  and counts as trained if any of those trains.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from mfnet_lite.tuning.inject import InjectedWrapper, injected_modules
from mfnet_lite.utils.hashes import hash_tensors

__all__ = [
    "base_hash",
    "freeze_statistics",
    "injected_names",
    "original_names",
    "trained_state",
]


def injected_names(model: nn.Module) -> set[str]:
    """Collect the names, as in ``state_dict``, of all parameters and buffers that were injected.

    Args:
        model: Any network.

    Returns:
        The names; a tensor with two names is there twice.

    Example:
        >>> from mfnet_lite.tuning.adapter import SerialAdapter
        >>> sorted(injected_names(nn.Sequential(SerialAdapter(nn.Linear(2, 2)))))[:2]
        ['0.adapter.down.bias', '0.adapter.down.weight']
    """
    names = set()
    for prefix, module, injected in injected_modules(model):
        if injected:
            # straight from the module: named_parameters would leave out a second name of one tensor
            own = [*module._parameters, *module._buffers]
            names |= {f"{prefix}.{key}" if prefix else key for key in own}
    return names


def original_names(model: nn.Module) -> dict[str, str]:
    """Map each name of ``state_dict`` to the one it had before anything was wrapped.

    Args:
        model: Any network.

    Returns:
        Name today → original name, in the order of ``state_dict``.

    Example:
        >>> from mfnet_lite.tuning.adapter import SerialAdapter
        >>> original_names(nn.Sequential(SerialAdapter(nn.Linear(2, 2))))["0.base.bias"]
        '0.bias'
    """
    wrapped = wrapper_names(model)
    return {name: original_name(name, wrapped) for name in model.state_dict()}


def wrapper_names(model: nn.Module) -> set[str]:
    """Collect the names of all injected modules that stand around a module.

    Args:
        model: Any network.

    Returns:
        The names, as in ``named_modules``.
    """
    everything = model.named_modules(remove_duplicate=False)
    return {name for name, module in everything if isinstance(module, InjectedWrapper)}


def original_name(name: str, wrapped: set[str]) -> str:
    """Leave the ``base`` of each wrapper out of a dotted name.

    Args:
        name: Of a module or tensor.
        wrapped: What :func:`wrapper_names` gave.

    Returns:
        The name before anything was wrapped.

    Example:
        >>> original_name("attn.base.qkv.base.weight", {"attn", "attn.base.qkv"})
        'attn.qkv.weight'
    """
    kept, path = [], ""
    for part in name.split("."):
        if not (part == "base" and path in wrapped):
            kept.append(part)
        path = f"{path}.{part}" if path else part
    return ".".join(kept)


def owner_trains(model: nn.Module, buffer: str) -> bool:
    """Say whether the nearest module around a buffer that has parameters has a trainable one.

    So the statistics of a frozen encoder are base, and those of a trained decoder are saved with it.

    Args:
        model: Any network, with ``requires_grad`` set as during training.
        buffer: Name of the buffer, as in ``state_dict``.

    Returns:
        The answer.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2).requires_grad_(False))
        >>> owner_trains(net, "0.running_mean"), owner_trains(net, "1.running_mean")
        (True, False)
    """
    prefix = buffer.rpartition(".")[0]
    while True:
        try:
            flags = [p.requires_grad for p in model.get_submodule(prefix).parameters()]
        except AttributeError:  # quantised layers write what belongs to a weight as "weight.absmax"
            flags = []
        if flags or not prefix:
            return any(flags)
        prefix = prefix.rpartition(".")[0]


def freeze_statistics(model: nn.Module) -> None:
    """Put normalisation layers that are not trained into evaluation mode; call it after ``model.train()``.

    Otherwise a batch norm layer whose weights are frozen goes on averaging its inputs: the frozen network is no
    longer the one that was loaded, and what was trained beside it is saved without what moved.

    Args:
        model: Any network, with ``requires_grad`` set as during training; changed in place.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2).requires_grad_(False)).train()
        >>> freeze_statistics(net)
        >>> net[0].training, net[1].training
        (True, False)
    """
    for name, module in model.named_modules():
        if getattr(module, "running_mean", None) is not None:
            buffer = f"{name}.running_mean" if name else "running_mean"
            if not owner_trains(model, buffer):
                module.eval()


def trained_state(model: nn.Module, injected: bool = False) -> dict[str, Tensor]:
    """Select what training changes: trainable parameters, and the buffers that belong to them.

    A parameter that two modules share goes by its own ``requires_grad`` under each of its names: trained, it is
    there under all of them, as ``load_state_dict`` expects; frozen, it is there under none, even if its second
    module trains something else.

    Args:
        model: Any network, with ``requires_grad`` set as during training.
        injected: Whether injected tensors that do not train are wanted too. A run folder rebuilds its network
            with them and needs them not; a delta checkpoint does, since no base has them.

    Returns:
        Name → tensor (the model's own, detached and not copied), in the order of ``state_dict``.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm1d(2).requires_grad_(False), nn.Linear(2, 1))
        >>> list(trained_state(net))
        ['1.weight', '1.bias']
    """
    always = injected_names(model) if injected else set()
    # with second names: without them a shared parameter would be taken for a buffer of its second module
    parameters = dict(model.named_parameters(remove_duplicate=False))
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        own = parameters.get(name)
        trains = owner_trains(model, name) if own is None else own.requires_grad
        if trains or name in always:
            state[name] = value
    return state


def base_hash(model: nn.Module) -> str:
    """Hash the weights that a delta leaves out: the same for a network with and without injected modules.

    Each tensor counts with its original name, number format, shape and bytes
    (:func:`~mfnet_lite.utils.hashes.hash_tensors`).

    Args:
        model: A frozen network, with or without injected modules.

    Returns:
        SHA-256 as 64 hexadecimal digits.

    Raises:
        ValueError: If the model is on the device ``meta`` and has no values.

    Example:
        >>> from mfnet_lite.tuning import attach_adapters, freeze
        >>> net = freeze(nn.Sequential(nn.Linear(4, 4)))
        >>> untouched = base_hash(net)
        >>> base_hash(attach_adapters(net, ["0"])) == untouched
        True
    """
    return hash_tensors(base_tensors(model, trained_state(model, injected=True).keys()))


def base_tensors(model: nn.Module, delta: Collection[str]) -> dict[str, Tensor]:
    """Give the tensors that a delta leaves out, under their original names.

    Args:
        model: A network, with or without injected modules.
        delta: Names, as in ``state_dict``, of what the delta holds.

    Returns:
        Original name → tensor.
    """
    original = original_names(model)
    return {
        original[name]: value for name, value in model.state_dict().items() if name not in delta
    }


def known_hash(base: nn.Module | str, own: Mapping[str, Tensor]) -> str:
    """Give the hash of a base that the caller knows, in place of that of the model at hand.

    Args:
        base: The untouched network, of which the tensors that are base of the model are hashed, or what
            :func:`base_hash` gave.
        own: The model's base, as :func:`base_tensors` gives it.

    Returns:
        SHA-256 as 64 hexadecimal digits.

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
    return hash_tensors({name: there[name] for name in own})


def number_formats(tensors: Mapping[str, Tensor]) -> list[str]:
    """List the number formats of floating tensors.

    Args:
        tensors: Tensors by name.

    Returns:
        Each format once, such as ``["float32"]``.
    """
    return sorted({str(t.dtype)[6:] for t in tensors.values() if t.is_floating_point()})
