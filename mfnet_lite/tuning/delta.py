"""Delta checkpoints: a file of what was trained, and of nothing else.

A tuned foundation model is its base, which everybody has, and a small difference. Only the difference
is written: every added tensor, every other tensor that trains, and the buffers beside them
(safetensors, no pickle). The header keeps a SHA-256 of all the *other* tensors, the base. On loading,
the same tensors of the model at hand are hashed: so a delta cannot land on a base it was not
trained on, which would run without any error and give nonsense. For the same reason the header names
what the shapes of the tensors leave open about the computing: the scaling of a LoRA, the order of the
sensors. A LoRA of rank 4 has the same tensors with any alpha, an adapter behind a module those of one beside it;
so each module with such an option names it (:class:`Describes`), and the header keeps the answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from safetensors import safe_open
from torch import Tensor, nn

from mfnet_lite.tuning.bookkeeping import (
    base_tensors,
    known_hash,
    number_formats,
    trained_state,
)
from mfnet_lite.tuning.inject import Injected, injected_modules
from mfnet_lite.utils.checked_files import read_tensors, readable, write_tensors
from mfnet_lite.utils.hashes import hash_tensors

__all__ = ["DeltaInfo", "Describes", "delta_info", "load_delta", "save_delta"]

FORMAT = "mfnet_lite delta 1"
Description = dict[str, Any]


@dataclass(frozen=True)
class DeltaInfo:
    """What the header of a delta checkpoint says.

    Attributes:
        base: SHA-256 of the base it belongs to, as :func:`~mfnet_lite.tuning.base_hash` gives it.
        config: What the writer wanted to keep, for example how the injected modules are built.
        shapes: Shape of each tensor by its name.
        computing: What network and injected modules compute beyond that, by module, as :func:`describe`
            gives it; empty in older files.
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
    """Write what was injected or trained, and only that, atomically.

    Args:
        model: The tuned network.
        path: File to write, usually ``….safetensors``; an existing one is replaced.
        base: The untouched network or its :func:`~mfnet_lite.tuning.base_hash`, where known; otherwise the frozen part
            of ``model`` is hashed. Give it to save many deltas of one large base.
        config: Anything JSON can hold, for the reader: rank, targets, data.

    Returns:
        The path.

    Raises:
        ValueError: If nothing was added and nothing trains, or ``base`` has other names.
    """
    path = Path(path)
    state = trained_state(model, injected=True)
    if not state:
        raise ValueError(
            f"{path} was not written: the model has no injected modules and no trainable weights; attach "
            "something, or set requires_grad on what shall be saved."
        )
    own = base_tensors(model, state.keys())
    metadata = {
        "format": FORMAT,
        "base_sha256": hash_tensors(own) if base is None else known_hash(base, own),
        "base_formats": json.dumps(number_formats(own)),
        "computing": json.dumps(describe(model)),
        "config": json.dumps(dict(config or {})),
    }
    write_tensors(path, state, metadata)
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
    with readable(path), safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    if metadata.get("format") != FORMAT:
        found = metadata.get("format") or "no such note"
        raise ValueError(
            f"{path} is no delta checkpoint: expected the note {FORMAT!r} in its header, found "
            f"{found!r}; give a file that save_delta wrote."
        )
    try:
        config, computing, formats_ = (
            json.loads(metadata.get(key, empty))
            for key, empty in (("config", "{}"), ("computing", "{}"), ("base_formats", "[]"))
        )
        info = DeltaInfo(metadata["base_sha256"], config, shapes, computing, formats_)
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged: expected a header as save_delta writes it, found one that cannot be understood "
            f"({error}); copy or save it again."
        ) from None
    return info, read_tensors(path)[0] if tensors else {}


def load_delta(
    model: nn.Module, path: str | Path, base: nn.Module | str | None = None
) -> dict[str, Any]:
    """Load a delta into a network with the same base and the same injected modules.

    Everything is checked before the first weight changes. Files of earlier versions, whose header does not describe
    what is computed (:attr:`DeltaInfo.computing` is empty), load if names, shapes and base fit: whether the
    injected modules are scaled as they were is then up to the caller.

    Args:
        model: The base with untrained modules injected; changed in place.
        path: What :func:`save_delta` wrote.
        base: As in :func:`save_delta`; by default the base part of ``model`` is hashed.

    Returns:
        The config that was saved with it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged or no delta, has tensors that the model lacks, lacks
            tensors that were injected into the model or train in it, has other shapes, was trained with
            modules or sensors that compute otherwise, or belongs to another base.
    """
    path = Path(path)
    info, state = _read(path, tensors=True)
    own = model.state_dict()
    misfits = _misfits(info, own)
    missing = sorted(trained_state(model, injected=True).keys() - state.keys())
    if not misfits:
        if others := differences(info.computing, describe(model)):
            raise ValueError(
                f"{path} was trained on something that computes otherwise: {_few(others)}; build the "
                "model and inject the modules with the options it was saved with."
            )
        base_own = base_tensors(model, state.keys())
        found = hash_tensors(base_own) if base is None else known_hash(base, base_own)
        if found == info.base and (base is None or not missing):
            model.load_state_dict(state, strict=False)  # lets merged updates know of new weights
            return info.config
    if missing:  # trainable tensors that are equal on both sides were let pass above
        misfits.insert(0, f"lacks {_few(missing)}")
    if misfits:
        raise ValueError(
            f"{path} does not fit this model: it {'; it '.join(misfits)}; inject the modules "
            "it was saved with."
        )
    if info.formats and info.formats != number_formats(base_own):
        raise ValueError(
            f"{path} belongs to a base in another number format: expected frozen weights in "
            f"{', '.join(info.formats)}, found {', '.join(number_formats(base_own))}; load it into the model in "
            "that format and convert the whole afterwards."
        )
    raise ValueError(
        f"{path} belongs to another base: expected frozen weights with SHA-256 {info.base[:12]}…, "
        f"found {found[:12]}… in this model; load the checkpoint the delta was trained on."
    )


def _misfits(info: DeltaInfo, own: Mapping[str, Tensor]) -> list[str]:
    """List what of a file does not fit a model, as parts of a sentence."""
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


@runtime_checkable
class Describes(Protocol):
    """A module with options that change what it computes, but not the shapes of its tensors."""

    def computation(self) -> Mapping[str, Any]:
        """Return these options by name, as values that JSON can hold."""
        ...


def describe(model: nn.Module) -> dict[str, Description]:
    """Ask every injected module for its class and options, and every other module that has such options.

    Args:
        model: Any network.

    Returns:
        Name of the module, as in ``named_modules`` → its ``class`` and options.

    Example:
        >>> from mfnet_lite.tuning import LoRALinear
        >>> describe(nn.Sequential(LoRALinear(nn.Linear(2, 2), rank=2, alpha=8)))
        {'0': {'class': 'LoRALinear', 'scaling': 4.0}}
    """
    found: dict[str, Description] = {}
    for name, module, _ in injected_modules(model):
        if isinstance(module, Describes):
            found[name] = {"class": type(module).__name__, **module.computation()}
        elif isinstance(module, Injected):
            found[name] = {"class": type(module).__name__}
    # tuples become lists, as in a file
    plain: dict[str, Description] = json.loads(json.dumps(found))
    return plain


def differences(expected: Mapping[str, Description], found: Mapping[str, Description]) -> list[str]:
    """List where a model computes otherwise than a description.

    Args:
        expected: The description; what it does not mention is not compared, so that options invented
            later do not shut old files out.
        found: That of the model.

    Returns:
        One part of a sentence for each module.

    Example:
        >>> differences({"0": {"class": "LoRALinear", "scaling": 2.0}}, {"0": {"class": "LoRALinear"}})
        ['expected 0 to be LoRALinear(scaling=2.0), found LoRALinear']
    """
    return [
        f"expected {name or 'the model'} to be {_short(then)}, found {_short(found.get(name, {}))}"
        for name, then in expected.items()
        if any(found.get(name, {}).get(key) != value for key, value in then.items())
    ]


def _short(description: Description) -> str:
    """Write a description as it would be called."""
    options = ", ".join(f"{key}={value}" for key, value in description.items() if key != "class")
    name = description.get("class", "no such module")
    return f"{name}({options})" if options else str(name)
