"""Which trainings the experiments with EarthGPT consist of, in the order of their importance.

How groups of runs are ordered is in planning.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2)
FEW, MANY = 64, 768
"""Images of a training, each as seen by every sensor of the training."""

Tuning = Literal["scale_shift", "input_scale", "lora", "full", "projection", "none"]


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training.

    Attributes:
        seed: Of the initial weights, of the images where they are few, and of order and drawn questions.
        language: ``"tiny"``, which learns its language from the same dialogues, or ``"smollm2"``.
        images: How many are trained on.
        tuning: What stage 2 trains: scale and shift of outputs, or of inputs; LoRA of as many weights; all weights of
            the language model; ``"projection"``, nothing but the projection in both stages: a frozen language model;
            ``"none"``: what stage 1 left.
        first_stage: Whether there is a stage 1.
        branches: Frozen encoders: ``"both"``, ``"vit"`` or ``"cnn"``.
    """

    language: str = "tiny"
    images: int = MANY
    tuning: Tuning = "scale_shift"
    first_stage: bool = True
    branches: Literal["both", "vit", "cnn"] = "both"

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights."""
        return self.branches != "cnn"


TINY = Run(0)
TINY_FEW = Run(0, images=FEW)
REAL = Run(0, language="smollm2")
REAL_FEW = replace(REAL, images=FEW)
FROZEN = replace(TINY, tuning="projection")
UNTUNED = replace(TINY, tuning="none")
LORA, FULL, INPUT = (replace(TINY, tuning=tuning) for tuning in ("lora", "full", "input_scale"))
WITHOUT_FIRST = replace(TINY, first_stage=False)
VIT, CNN = (replace(TINY, branches=branches) for branches in ("vit", "cnn"))

GROUPS: dict[str, tuple[Run, ...]] = {
    "real linguistic knowledge, few examples": (REAL_FEW, TINY_FEW),
    "stages and their rivals": (TINY, UNTUNED, FROZEN, LORA, FULL),
    "real linguistic knowledge, many examples": (REAL,),
    "parts": (WITHOUT_FIRST, VIT, CNN, INPUT),
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
