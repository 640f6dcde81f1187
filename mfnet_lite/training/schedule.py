"""Learning-rate schedules as pure functions of the step.

A schedule here is no object with a state but a factor ``f(step, total)`` that multiplies the base
learning rate. A resumed run needs to know its step and nothing else.
"""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["cosine", "multistep", "constant"]

AUTHORS_EPOCHS = 50
AUTHORS_MILESTONES = (25, 35, 45)


def warmup_cosine(step: int, total: int, warmup: int = 0, floor: float = 0.0) -> float:
    """Rise linearly over ``warmup`` steps, then fall along half a cosine to ``floor``.

    The first step has the factor ``1 / warmup``, not 0 (a step that does nothing), and the last
    step still trains.

    Args:
        step: 0-based step.
        total: Number of steps of the run.
        warmup: Steps until the full learning rate.
        floor: Factor reached after the last step, in [0, 1].

    Example:
        >>> [round(warmup_cosine(s, 6, warmup=2), 3) for s in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def multistep(step: int, total: int) -> float:
    """The schedule of MFNet's code, stretched to a run of any length.

    The authors train 50 epochs with milestones 25, 35, 45 (each ×0.1) and step the scheduler at the
    *start* of every epoch, counted from 1. So epochs 1–24 run at full rate, 25–34 at 0.1, 35–44 at
    0.01 and 45–50 at 0.001: each drop comes one epoch earlier than the milestones suggest. A run of
    ``total`` steps counts as 50 epochs.

    Args:
        step: 0-based step.
        total: Number of steps of the run; 50 000 is the authors' setting on ISPRS data.

    Example:
        >>> [multistep(s, 50) for s in (0, 23, 24, 33, 34, 44)]
        [1.0, 1.0, 0.1, 0.1, 0.01, 0.001]
    """
    epoch = step * AUTHORS_EPOCHS // max(1, total) + 1
    passed = sum(epoch >= milestone for milestone in AUTHORS_MILESTONES)
    return (1.0, 0.1, 0.01, 0.001)[passed]


def factor(schedule: Schedule, step: int, total: int, warmup: int = 0) -> float:
    """Learning-rate factor of a named schedule; every one of them can begin with a warm-up.

    Raises:
        ValueError: If the name is unknown.
    """
    if schedule == "cosine":
        return warmup_cosine(step, total, warmup)
    if schedule not in ("multistep", "constant"):
        raise ValueError(f"schedule must be 'cosine', 'multistep' or 'constant', got {schedule!r}")
    rise = (step + 1) / warmup if step < warmup else 1.0
    return rise * (multistep(step, total) if schedule == "multistep" else 1.0)
