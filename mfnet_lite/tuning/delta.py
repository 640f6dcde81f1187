"""Delta checkpoints: a file of what was trained, and of nothing else.

A tuned foundation model is its base, which everybody has, and a small difference. Only the difference
is written: every added tensor, every other tensor that trains, and the buffers beside them
(safetensors, no pickle). The header keeps a SHA-256 of all the *other* tensors, the base. On loading,
the same tensors of the model at hand are hashed: so a delta cannot land on a base it was not
trained on, which would run without any error and give nonsense.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mfnet_lite.tuning.parts import added_names, bare_names

FORMAT = "mfnet_lite delta 1"
_COPIES = 4  # tensors of another device that are on their way to the hash at the same time


@dataclass(frozen=True)
class DeltaInfo:
    """What the header of a delta checkpoint says.

    Attributes:
        base: SHA-256 of the base it belongs to, as :func:`base_hash` gives it.
        config: What the writer wanted to keep, for example how the additions are built.
        shapes: Shape of each tensor by its name.
    """

    base: str
    config: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


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
        trains = _owner_trains(model, name) if own is None else own.requires_grad
        if trains or name in added:
            state[name] = value
    return state


def _owner_trains(model: nn.Module, buffer: str) -> bool:
    """Whether the nearest module around a buffer that has parameters has a trainable one."""
    prefix = buffer.rpartition(".")[0]
    while True:
        flags = [p.requires_grad for p in model.get_submodule(prefix).parameters()]
        if flags or not prefix:
            return any(flags)
        prefix = prefix.rpartition(".")[0]


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
    return _hash_without(model, delta_state(model).keys())


def _hash_without(model: nn.Module, delta: Collection[str]) -> str:
    """:func:`base_hash`, where the names of the tensors of the delta are known."""
    bare = bare_names(model)
    base = {bare[name]: value for name, value in model.state_dict().items() if name not in delta}
    with ThreadPoolExecutor(min(_COPIES, os.cpu_count() or 1)) as pool:
        digests = dict(pool.map(_digest, sorted(base.items())))
    return hashlib.sha256("\n".join(digests[name] for name in sorted(digests)).encode()).hexdigest()


def _digest(item: tuple[str, Tensor]) -> tuple[str, str]:
    name, value = item
    if value.is_meta:
        raise ValueError(f"{name} has no values (device meta); load the base before hashing it.")
    digest = hashlib.sha256(f"{name} {value.dtype} {tuple(value.shape)}".encode())
    # bytes in place: no second copy of the model, and formats that NumPy lacks (bfloat16) work too
    flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    digest.update(flat.numpy().data)
    return name, digest.hexdigest()


def save_delta(
    model: nn.Module,
    path: str | Path,
    base: nn.Module | str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Write what was trained, and only that, atomically.

    Args:
        model: The tuned network.
        path: File to write, usually ``….safetensors``; an existing one is replaced.
        base: The untouched network or its :func:`base_hash`, where known; otherwise the frozen part
            of ``model`` is hashed. Give it to save many deltas of one large base.
        config: Anything JSON can hold, for the reader: rank, targets, data.

    Returns:
        The path.

    Raises:
        ValueError: If nothing was added and nothing trains.
    """
    path = Path(path)
    state = delta_state(model)
    if not state:
        raise ValueError(
            f"{path} was not written: the model has no additions and no trainable weights; attach "
            "something, or set requires_grad on what shall be saved."
        )
    found = _hash_without(model, state.keys()) if base is None else _known(base)
    metadata = {"format": FORMAT, "base_sha256": found, "config": json.dumps(dict(config or {}))}
    # clones, since safetensors refuses tensors that share memory
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata=metadata)
        Path(temporary).chmod(0o644)  # mkstemp makes files only their owner can read
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path


def _known(base: nn.Module | str) -> str:
    return base_hash(base) if isinstance(base, nn.Module) else base


def delta_info(path: str | Path) -> DeltaInfo:
    """Read the header of a delta: what is needed to build the model it fits.

    Args:
        path: What :func:`save_delta` wrote.

    Returns:
        Hash of the base, config, names and shapes; no tensor is read.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or no delta.
    """
    return _read(Path(path), tensors=False)[0]


def _read(path: Path, tensors: bool) -> tuple[DeltaInfo, dict[str, Tensor]]:
    """Header of a delta and, if wanted, its tensors."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; expected a file that save_delta wrote.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            state = {name: file.get_tensor(name) for name in names} if tensors else {}
        if metadata.get("format") != FORMAT:
            found = metadata.get("format") or "no such note"
            raise ValueError(
                f"{path} is no delta checkpoint: expected the note {FORMAT!r} in its header, found "
                f"{found!r}; give a file that save_delta wrote."
            )
        return DeltaInfo(metadata["base_sha256"], json.loads(metadata["config"]), shapes), state
    except SafetensorError as error:
        raise ValueError(
            f"{path} cannot be read: expected a whole safetensors file, found {path.stat().st_size} "
            f"bytes that do not fit together ({error}); copy or save it again."
        ) from None


def load_delta(
    model: nn.Module, path: str | Path, base: nn.Module | str | None = None
) -> dict[str, Any]:
    """Load a delta into a network with the same base and the same additions.

    Everything is checked before the first weight changes.

    Args:
        model: The base with untrained additions attached; changed in place.
        path: What :func:`save_delta` wrote.
        base: As in :func:`save_delta`; by default the base part of ``model`` is hashed.

    Returns:
        The config that was saved with it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or no delta, has tensors that the model lacks, lacks
            tensors that were added to the model or train in it, has other shapes, or belongs to
            another base.
    """
    path = Path(path)
    info, state = _read(path, tensors=True)
    own = model.state_dict()
    misfits = _misfits(info, own)
    missing = sorted(delta_state(model).keys() - state.keys())
    if not misfits:
        found = _hash_without(model, state.keys()) if base is None else _known(base)
        if found == info.base and (base is None or not missing):
            model.load_state_dict(state, strict=False)  # lets merged updates know of new weights
            return info.config
    if missing:  # trainable tensors that are equal on both sides were let pass above
        misfits.insert(0, f"lacks {_few(missing)}")
    if misfits:
        raise ValueError(
            f"{path} does not fit this model: it {'; it '.join(misfits)}; attach the additions "
            "it was saved with."
        )
    raise ValueError(
        f"{path} belongs to another base: expected frozen weights with SHA-256 {info.base[:12]}…, "
        f"found {found[:12]}… in this model; load the checkpoint the delta was trained on."
    )


def _misfits(info: DeltaInfo, own: Mapping[str, Tensor]) -> list[str]:
    """What of a file finds no place in a model, as parts of a sentence."""
    complaints = []
    if unknown := sorted(info.shapes.keys() - own.keys()):
        complaints.append(f"has {_few(unknown)}, which the model lacks")
    for name, shape in info.shapes.items():
        if name in own and tuple(own[name].shape) != shape:
            complaints.append(
                f"has {name} of shape {shape} where the model has {tuple(own[name].shape)}"
            )
    return complaints[:4]


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
