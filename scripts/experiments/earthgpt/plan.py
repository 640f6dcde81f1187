"""Which trainings the experiments with EarthGPT consist of, in the order of their importance.

How groups of runs are ordered is in planning.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2, 3, 4)
FEW, MANY = 64, 512
"""Images of a training, each as seen by every sensor of the training."""

Tuning = Literal["scale_shift", "input_scale", "lora", "full", "none", "stage_1", "projection"]


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training.

    Attributes:
        seed: Of the images where they are few, of order, drawn questions and new weights.
        language: ``"tiny"``, the small EarthGPT of the package, or ``"smollm2"``, SmolLM2 pre-trained likewise; both
            after a first stage on photographs.
        images: How many are trained on.
        tuning: What is trained: scale and shift of outputs, or of inputs; LoRA of as many weights; all weights of the
            language model; ``"none"``: nothing. Or, after stage 0 alone, that is without having seen an image:
            ``"stage_1"``, projection, attention and norms, and ``"projection"``, a frozen language model behind it.
    """

    language: str = "tiny"
    images: int = FEW
    tuning: Tuning = "scale_shift"

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights: all do."""
        return True

    @property
    def blind(self) -> bool:
        """Whether it begins without having seen an image."""
        return self.tuning in ("stage_1", "projection")


TINY, REAL = Run(0), Run(0, language="smollm2")
TINY_MANY, REAL_MANY = (replace(run, images=MANY) for run in (TINY, REAL))
TINY_BEFORE, REAL_BEFORE = (replace(run, tuning="none") for run in (TINY, REAL))
LORA, FULL, INPUT = (replace(TINY, tuning=tuning) for tuning in ("lora", "full", "input_scale"))
STAGE_1, FROZEN = (replace(TINY_MANY, tuning=tuning) for tuning in ("stage_1", "projection"))

GROUPS: dict[str, tuple[Run, ...]] = {
    "stage 2 and its rivals": (TINY, TINY_BEFORE, LORA, FULL, INPUT),
    "more images": (TINY_MANY,),
    "real linguistic knowledge": (REAL, REAL_BEFORE),
    "stage 1 and a frozen language model": (STAGE_1, FROZEN),
    "real linguistic knowledge, more images": (REAL_MANY,),
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
