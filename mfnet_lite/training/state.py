"""What a training run keeps on disk, and how it is written.

Two files, for two purposes. ``model.safetensors`` holds what was *trained*: parameters with
``requires_grad`` and the running statistics beside them, without optimiser and without pickle. A
frozen foundation model is not written again and again; it is rebuilt from its own checkpoint.
``state.pt`` holds all that is needed to go on as if nothing had happened. It is one file, so that a
kill between two writes cannot leave weights of one step beside an optimiser of another.

Every write goes to a temporary name in the same folder and is then renamed, which is atomic: at any
instant the file is the old one or the new one, whole. Both carry checksums, which are compared on reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mfnet_lite.tuning.bookkeeping import trained_state
from mfnet_lite.utils.checked_files import read_archive, read_tensors, write_archive, write_tensors

MODEL_FILE = "model.safetensors"
STATE_FILE = "state.pt"


def save_model(model: nn.Module, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write :func:`~mfnet_lite.tuning.trained_state` as safetensors, atomically.

    Args:
        model: The model.
        path: File to write.
        metadata: Strings for the file's header, e.g. the step.
    """
    write_tensors(path, trained_state(model), metadata)


def load_model(model: nn.Module, path: Path) -> None:
    """Load what :func:`save_model` wrote into a model built the same way.

    Args:
        model: The freshly built model, with the same parameters trainable.
        path: The safetensors file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or a tensor is missing, not expected or of another shape; nothing is loaded
            then. (The authors' loader drops such tensors silently.)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; did the training save a model there?")
    load_trained(model, read_tensors(path)[0], str(path))


def load_trained(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into the trained part of a model, after checking names and shapes.

    Args:
        model: The model to fill.
        state: Name → tensor.
        source: Where the tensors come from, for the message.

    Raises:
        ValueError: As in :func:`load_model`.
    """
    expected = trained_state(model)
    complaints = []
    for word, names in (
        ("lacks", sorted(expected.keys() - state.keys())),
        ("has no place for", sorted(state.keys() - expected.keys())),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            complaints.append(f"{word} {', '.join(names[:3])}{more}")
    for name in expected.keys() & state.keys():
        if expected[name].shape != state[name].shape:
            complaints.append(
                f"has {name} of shape {tuple(state[name].shape)} where the model has "
                f"{tuple(expected[name].shape)}"
            )
    if complaints:
        raise ValueError(
            f"{source} does not fit this model: it {'; it '.join(complaints)}. "
            "Build the model with the settings it was trained with."
        )
    with torch.no_grad():
        for name, value in state.items():
            expected[name].copy_(value)


def rng_state(device: torch.device | None = None) -> dict[str, Any]:
    """Return the state of PyTorch's random generators (dropout draws from them).

    Args:
        device: The one device of this process among several; defaults to all GPUs, for the only process.
    """
    cpu = torch.get_rng_state()
    if device is None:
        return {"cpu": cpu, "cuda": torch.cuda.get_rng_state_all()}
    return {"cpu": cpu, "cuda": [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []}


def set_rng_state(state: Mapping[str, Any], device: torch.device | None = None) -> None:
    """Restore what :func:`rng_state` returned; states of devices that are not here are dropped.

    Args:
        state: What it returned.
        device: What it was given.
    """
    torch.set_rng_state(state["cpu"])
    if device is not None:
        if device.type == "cuda" and state["cuda"]:
            torch.cuda.set_rng_state(state["cuda"][0], device)
        return
    for number, value in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(value, number)


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write a resume state, atomically; it holds tensors, numbers, strings and containers only."""
    write_archive(path, state)


def load_state(path: Path) -> dict[str, Any]:
    """Read a resume state without executing anything in it (``weights_only``).

    Raises:
        FileNotFoundError: If the run never saved a state.
        ValueError: If the file is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist, so there is nothing to resume; start the run without resume"
        )
    return read_archive(path)
