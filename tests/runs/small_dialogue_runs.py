"""Runs of EarthGPT that take a second: a smaller tiny language model, images of 32 pixels, a few steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mfnet_lite.language.instructions import Dialogue
from mfnet_lite.nets.earthgpt import EarthGPTConfig
from mfnet_lite.runs.dialogue_run import DialogueRun
from mfnet_lite.runs.earthgpt import new_run
from mfnet_lite.training import TrainConfig
from tests.nets.small_earthgpt import SIZES

STEPS = {0: 3, 1: 4, 2: 3}


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``"tiny"`` smaller still."""
    monkeypatch.setattr("mfnet_lite.language.tiny_llama.SIZES", SIZES)


def settings(steps: Mapping[int, int] = STEPS, **changes: Any) -> dict[int, TrainConfig]:
    """How each stage is trained."""
    options: dict[str, Any] = {"batch": 3, "warmup": 0, "lr": 0.01, "save_every": 1}
    options |= {"device": "cpu", "progress": False, **changes}
    return {number: TrainConfig(steps=count, **options) for number, count in steps.items()}


def small_run(
    dialogues: Sequence[Dialogue],
    stages: Mapping[int, TrainConfig] | None = None,
    turns: int = 2,
    seed: int = 0,
    facts: Mapping[str, Any] | None = None,
    **options: Any,
) -> DialogueRun:
    """A run of all stages."""
    network: dict[str, Any] = {"cnn": "none", "image_size": 32, "grid": 2, **options}
    return new_run(
        dialogues, EarthGPTConfig(**network), stages or settings(), turns, seed, **(facts or {})
    )
