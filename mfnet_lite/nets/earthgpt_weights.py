"""The packaged weights of the small EarthGPT: found, verified and filled in; their model card has scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from torch import nn

from mfnet_lite.nets.encoders.visual_perception import VisualPerception
from mfnet_lite.utils.checked_files import read_tensors
from mfnet_lite.utils.hashes import hash_tensors, verify

__all__ = ["encoders_hash", "fill_tiny_weights", "tiny_earthgpt_hash", "words_of_tiny_weights"]

NAME = "earthgpt_tiny"
FITTING = ("backbone", "cnn", "image_size", "grid", "language")
"""Options that the weights were trained with."""


def words_of_tiny_weights(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the vocabulary of the weights, if they fit.

    Args:
        options: Of the model, at least :data:`FITTING`.

    Raises:
        FileNotFoundError: If the weights are missing from this installation.
        ValueError: If they are damaged or were trained with other options.
    """
    wanted = _packaged()[1]["options"]
    others = [n for n in FITTING if n in wanted and options[n] != wanted[n]]
    if others:
        raise ValueError(
            f"the weights of the small EarthGPT were trained with {others[0]}={wanted[others[0]]!r}, got "
            f"{options[others[0]]!r}; leave the option out, or train without --weights"
        )
    return tuple(wanted["words"])


def fill_tiny_weights(model: nn.Module, perception: VisualPerception) -> None:
    """Fill language model and projection with the packaged weights.

    Args:
        model: The whole model, an :class:`~mfnet_lite.nets.earthgpt.EarthGPT`.
        perception: Its encoders, whose weights are compared.

    Raises:
        FileNotFoundError: If the weights are missing from this installation.
        ValueError: If they are damaged, or made for other encoders.
    """
    file, facts = _packaged()
    if (found := encoders_hash(perception)) != facts["perception"]:
        raise ValueError(
            f"the weights of the small EarthGPT belong to other encoders: expected SHA-256 "
            f"{facts['perception'][:12]}…, found {found[:12]}…; install mfnet-lite again"
        )
    state = {name: value.float() for name, value in read_tensors(file)[0].items()}
    lacking, foreign = model.load_state_dict(state, strict=False)
    lacking = [n for n in lacking if not n.startswith(("perception.vit.", "perception.scales."))]
    lacking = [n for n in lacking if n != "language.network.lm_head.weight"]  # tied to the table
    if lacking or foreign:
        raise ValueError(
            f"{file} does not hold a small EarthGPT: {(lacking + foreign)[0]}; install it again"
        )


def tiny_earthgpt_hash() -> str:
    """Return the SHA-256 of the packaged weights, which is verified.

    Raises:
        FileNotFoundError: If they are missing from this installation.
        ValueError: If they are others.
    """
    return str(_packaged()[1]["sha256"])


def _folder() -> Path:
    return Path(str(resources.files("mfnet_lite"))) / "weights"


def _packaged() -> tuple[Path, dict[str, Any]]:
    """Find and verify the weights among the package's files."""
    folder = _folder()
    file, card = folder / f"{NAME}.safetensors", folder / f"{NAME}.json"
    for path in (file, card):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing from this installation; install mfnet-lite again."
            )
    facts: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
    verify(file, facts["sha256"], facts["size"], "install mfnet-lite again")
    return file, facts


def encoders_hash(perception: VisualPerception) -> str:
    """Hash both frozen encoders, which the packaged weights were trained behind.

    Args:
        perception: With any projection.
    """
    state = perception.state_dict()
    return hash_tensors({n: v for n, v in state.items() if not n.startswith("projection.")})
