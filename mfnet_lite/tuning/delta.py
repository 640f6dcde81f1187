"""Delta checkpoints: a file of what was trained, and of nothing else.

A tuned foundation model is its base, which everybody has, and a small difference. Only the difference
is written: every added tensor, every other tensor that trains, and the buffers beside them
(safetensors, no pickle). The header keeps a SHA-256 of all the *other* tensors, the base. On loading,
the same tensors of the model at hand are hashed: so a delta cannot land on a base it was not
trained on, which would run without any error and give nonsense. For the same reason the header says
what the shapes of the tensors do not tell about the computing: the scaling of a LoRA, the order of the
sensors (:mod:`mfnet_lite.tuning.describe`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mfnet_lite.tuning.base import base_tensors, delta_state, formats, hash_of, known_hash
from mfnet_lite.tuning.describe import describe, differences
from mfnet_lite.utils.files import replacing

FORMAT = "mfnet_lite delta 1"


@dataclass(frozen=True)
class DeltaInfo:
    """What the header of a delta checkpoint says.

    Attributes:
        base: SHA-256 of the base it belongs to, as :func:`base_hash` gives it.
        config: What the writer wanted to keep, for example how the additions are built.
        shapes: Shape of each tensor by its name.
        computing: What additions and network compute beyond that, by module, as
            :func:`~mfnet_lite.tuning.describe.describe` gives it; empty in older files.
        formats: Number formats of the base, such as ``["float32"]``; empty in older files.
    """

    base: str
    config: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    computing: dict[str, dict[str, Any]] = field(default_factory=dict)
    formats: list[str] = field(default_factory=list)


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
        ValueError: If nothing was added and nothing trains, or ``base`` has other names.
    """
    path = Path(path)
    state = delta_state(model)
    if not state:
        raise ValueError(
            f"{path} was not written: the model has no additions and no trainable weights; attach "
            "something, or set requires_grad on what shall be saved."
        )
    own = base_tensors(model, state.keys())
    metadata = {
        "format": FORMAT,
        "base_sha256": hash_of(own) if base is None else known_hash(base, own),
        "base_formats": json.dumps(formats(own)),
        "computing": json.dumps(describe(model)),
        "config": json.dumps(dict(config or {})),
    }
    # clones, since safetensors refuses tensors that share memory
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    return path


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
        config, computing, formats_ = (
            json.loads(metadata.get(key, empty))
            for key, empty in (("config", "{}"), ("computing", "{}"), ("base_formats", "[]"))
        )
        return DeltaInfo(metadata["base_sha256"], config, shapes, computing, formats_), state
    except SafetensorError as error:
        raise ValueError(
            f"{path} cannot be read: expected a whole safetensors file, found {path.stat().st_size} "
            f"bytes that do not fit together ({error}); copy or save it again."
        ) from None


def load_delta(
    model: nn.Module, path: str | Path, base: nn.Module | str | None = None
) -> dict[str, Any]:
    """Load a delta into a network with the same base and the same additions.

    Everything is checked before the first weight changes. Files written before the header told what is
    computed (:attr:`DeltaInfo.computing` is empty) load if names, shapes and base fit: whether the
    additions are scaled as they were is then up to the caller.

    Args:
        model: The base with untrained additions attached; changed in place.
        path: What :func:`save_delta` wrote.
        base: As in :func:`save_delta`; by default the base part of ``model`` is hashed.

    Returns:
        The config that was saved with it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or no delta, has tensors that the model lacks, lacks
            tensors that were added to the model or train in it, has other shapes, was trained with
            additions or sensors that compute otherwise, or belongs to another base.
    """
    path = Path(path)
    info, state = _read(path, tensors=True)
    own = model.state_dict()
    misfits = _misfits(info, own)
    missing = sorted(delta_state(model).keys() - state.keys())
    if not misfits:
        if others := differences(info.computing, describe(model)):
            raise ValueError(
                f"{path} was trained on something that computes otherwise: {_few(others)}; build the "
                "model and attach the additions with the options it was saved with."
            )
        base_own = base_tensors(model, state.keys())
        found = hash_of(base_own) if base is None else known_hash(base, base_own)
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
    if info.formats and info.formats != formats(base_own):
        raise ValueError(
            f"{path} belongs to a base in another number format: expected frozen weights in "
            f"{', '.join(info.formats)}, found {', '.join(formats(base_own))}; load it into the model in "
            "that format and convert the whole afterwards."
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
