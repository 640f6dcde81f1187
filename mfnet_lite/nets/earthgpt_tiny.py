"""The small EarthGPT that ships with the package, pre-trained on photographs; its model card has scores."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig
from mfnet_lite.nets.encoders.visual_perception import VisualPerception
from mfnet_lite.utils.hashes import hash_tensors, verify

__all__ = ["encoders_hash", "load_tiny_earthgpt", "tiny_earthgpt_hash", "with_tiny_weights"]

NAME = "earthgpt_tiny"
FITTING = ("backbone", "cnn", "image_size", "grid", "language")
"""Options that the weights were trained with."""


def load_tiny_earthgpt(device: str | torch.device = "cpu") -> EarthGPT:
    """Load the small EarthGPT, which has seen photographs and neither radar nor thermal images.

    Args:
        device: Where it goes.

    Returns:
        The model, frozen and in evaluation mode; :meth:`~mfnet_lite.nets.earthgpt.EarthGPT.start_stage` 2 tunes it.

    Raises:
        ImportError: If transformers or timm is not installed.
        FileNotFoundError: If weights are not here.
        ValueError: If they are damaged.
    """
    return EarthGPTConfig(weights="tiny").open(0, device).eval()


def with_tiny_weights(config: EarthGPTConfig, seed: int = 0) -> EarthGPT:
    """Build a model and fill in the packaged weights.

    Args:
        config: Its options; the words are those of the weights.
        seed: Of what is not filled in: nothing.

    Raises:
        FileNotFoundError: If the weights are missing from this installation.
        ValueError: If they are damaged, or made for other options or other encoders.
    """
    file, facts = _packaged()
    wanted = facts["options"]
    others = [n for n in FITTING if n in wanted and getattr(config, n) != wanted[n]]
    if others:
        raise ValueError(
            f"the weights of the small EarthGPT were trained with {others[0]}={wanted[others[0]]!r}, got "
            f"{getattr(config, others[0])!r}; leave the option out, or train without --weights"
        )
    config = replace(config, words=tuple(wanted["words"]))
    model = config.assemble(seed)
    if (found := encoders_hash(model.perception)) != facts["perception"]:
        raise ValueError(
            f"the weights of the small EarthGPT belong to other encoders: expected SHA-256 "
            f"{facts['perception'][:12]}…, found {found[:12]}…; install mfnet-lite again"
        )
    state: dict[str, Tensor] = {name: value.float() for name, value in load_file(file).items()}
    lacking, foreign = model.load_state_dict(state, strict=False)
    lacking = [n for n in lacking if not n.startswith(("perception.vit.", "perception.scales."))]
    lacking = [n for n in lacking if n != "language.network.lm_head.weight"]  # tied to the table
    if lacking or foreign:
        raise ValueError(
            f"{file} does not hold a small EarthGPT: {(lacking + foreign)[0]}; install it again"
        )
    model.stage = 0  # the first stage may go on, the second may begin
    return model


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
