"""Which trainings the experiments with GoPT consist of, in the order of their importance.

How groups of runs are ordered is in planning.py, what a part taken away means in variants.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mfnet_lite.tuning.grouping.cross_modal import Query
from scripts.experiments.gopt.variants import Parts
from scripts.experiments.planning import PlannedRun, planned

SEEDS = (0, 1, 2, 3, 4)
TUNING_SEEDS = (900, 901)
"""Learning rates were chosen with these; no result uses them."""

RATES: dict[str, float] = {"gopt": 3e-3, "mmlora": 3e-3, "mmadapter": 3e-3, "mfnet": 3e-3}
"""Base learning rate of AdamW. Tried: 3e-3 and 1e-2, each with two seeds of 120 steps; mean mIoU .619 and .561 for
GoPT, .701 and .695 for MMLoRA under its head, .677 and .681 for MMAdapter, where the smaller is taken as
nearly the better. MFNet keeps that of its own experiments."""

BOTH = ("optical", "dsm")
ADAPTER_WIDTH = 13
"""Bottleneck of the MMAdapters at which they have as many weights as GoPT's prompters, to 2 %."""
MORE_STEPS = 1.5
"""Multiple of GoPT's steps that takes as much time as MMLoRA or MMAdapter under the same head: a step took 0.236
seconds of CPU, theirs 0.355 and 0.34 (crop of 192, batch 1, one thread), measured before the runs."""
LONGER = 4.0


@dataclass(frozen=True)
class Run(PlannedRun):
    """One training.

    Attributes:
        seed: Of the scenes, the crops, the noise and the initial weights; rows are compared seed by seed.
        data: ``"world"`` or ``"ign"``.
        model: ``"gopt"``; ``"mmlora"`` or ``"mmadapter"``, which tune the same encoder under GoPT's head;
            ``"mfnet"``, as it is by default.
        sensors: What the model gets, in its order.
        parts: Which prompters stand.
        query: Who asks the groups.
        prompters: Their number; 0 for one before every block.
        groups: Their number; 0 for one per class.
        hard: Whether a patch goes to one group as a whole.
        auxiliary: Way of the auxiliary tokens.
        noise: Whether the auxiliary sensor is replaced by noise, in training and in the test.
        drop: Probability that one sensor of a training crop is dropped.
        effort: Multiple of the usual number of steps.
    """

    data: str = "world"
    model: str = "gopt"
    sensors: tuple[str, ...] = BOTH
    parts: Parts = "both"
    query: Query = "both"
    prompters: int = 0
    groups: int = 0
    hard: bool = True
    auxiliary: str = "frozen"
    noise: bool = False
    drop: float = 0.0
    effort: float = 1.0

    @property
    def needs_weights(self) -> bool:
        """Whether the result depends on the small SAM's weights."""
        return True

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that are not at their default."""
        changed = super().changed_fields()
        if "sensors" in changed:
            changed["sensors"] = "+".join(self.sensors)
        return changed


BASE = Run(0)
OPTICAL = replace(BASE, sensors=("optical",))
RGB_ASKS = replace(BASE, query="rgb")
CUP, ACP, STATIC = (replace(BASE, parts=parts) for parts in ("cup", "acp", "static"))
STATIC_RGB = replace(STATIC, query="rgb")
"""Learned tokens that only RGB asks: no sensor has a part in it."""
MMLORA, MMADAPTER = replace(BASE, model="mmlora"), replace(BASE, model="mmadapter")
MFNET = replace(BASE, model="mfnet")
NOISE, NOISE_RGB = replace(BASE, noise=True), replace(RGB_ASKS, noise=True)
THERMAL, SAR = (replace(BASE, sensors=("optical", sensor)) for sensor in ("thermal", "sar"))
DROPPED = replace(BASE, drop=0.4)


def real(run: Run) -> Run:
    """Return the configuration on the real tile."""
    return replace(run, data="ign")


def more(run: Run) -> Run:
    """Return the configuration with the time of MMLoRA."""
    return replace(run, effort=MORE_STEPS)


GROUPS: dict[str, tuple[Run, ...]] = {
    "parts": (BASE, OPTICAL, CUP, ACP, STATIC, RGB_ASKS, STATIC_RGB),
    "other tunings": (MMLORA, MMADAPTER, more(BASE)),
    "noise": (NOISE, NOISE_RGB),
    "assignment": (replace(BASE, hard=False),),
    "number of prompters": tuple(replace(BASE, prompters=n) for n in (1, 3)),
    "other sensors": (THERMAL, SAR),
    "number of groups": tuple(replace(BASE, groups=k) for k in (2, 12)),
    "real tile": (real(BASE), real(OPTICAL), real(MMLORA)),
    "withheld in training": (DROPPED,),
    "auxiliary tokens": (replace(BASE, auxiliary="embed"),),
    "longer": tuple(replace(r, effort=LONGER) for r in (BASE, OPTICAL)),
    "whole MFNet": (MFNET,),
}
"""Questions in the order of their importance."""


def plan(seeds: Sequence[int] = SEEDS, only: str = "") -> Iterator[tuple[str, Run]]:
    """Yield group and run of the experiment, as :func:`planned` orders them."""
    return planned(GROUPS, seeds, only)
