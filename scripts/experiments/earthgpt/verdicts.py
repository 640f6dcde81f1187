"""Claims about EarthGPT, and the rows and verdicts that lines of results give; the claims stand here before the runs.

The verdict is that of ``judge`` in claims.py: the 95 % interval of Student's t of the paired differences must
lie above the margin. A score is that of one task and place, such as ``"vqa: optical, known"``; ``"all: …"`` is the mean
over the tasks, CIDEr divided by its 10 first.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

from scripts.experiments.claims import (
    Claim,
    Line,
    spread,
    summed_up,
    values_by_seed,
    versus,
)
from scripts.experiments.earthgpt.plan import (
    FROZEN,
    FULL,
    INPUT,
    LORA,
    REAL,
    REAL_BEFORE,
    REAL_MANY,
    STAGE_1,
    TINY,
    TINY_BEFORE,
    TINY_MANY,
)
from scripts.experiments.earthgpt.runs import SCORE, TRAINED, UNSEEN

HOME, OTHER_WORDS, ELSEWHERE = "all: home, known", "all: home, other", f"all: {UNSEEN}, known"
BLANK, MAJORITY = "all: home, blank", "all: home, majority"

CLAIMS: tuple[Claim, ...] = (
    versus("tiny>blank", "The tiny model looks at the image: it answers better than with the mean image.", "ours",
           TINY, TINY, score=HOME, worse_score=BLANK),
    versus("tiny>majority", "The tiny model beats the most frequent answers.", "ours", TINY, TINY, score=HOME,
           worse_score=MAJORITY),
    versus("stage 2 helps", "Scale and shift after stage 1 answer better than stage 1 alone.", "paper", TINY,
           TINY_BEFORE, score=HOME),
    versus("stage 2 helps radar", "On radar, which stage 1 never saw, they answer better than stage 1 alone.", "paper",
           TINY, TINY_BEFORE, score="all: sar, known"),
    versus("stage 2 keeps optical", "On photographs they lose less than 2 points against stage 1 alone.", "ours",
           TINY, TINY_BEFORE, score="all: optical, known", margin=-0.02),
    versus("scale>lora", "Scale and shift beat LoRA of about as many weights.", "ours", TINY, LORA, score=HOME),
    versus("scale>=full", "With few images scale and shift lose less than 2 points against training all weights.",
           "ours", TINY, FULL, score=HOME, margin=-0.02),
    versus("output>input", "Scaling outputs beats scaling inputs.", "ours", TINY, INPUT, score=HOME),
    versus("unseen>blank", "Zero-shot on a sensor that no training saw, the tuned model answers better than with the "
           "mean image.", "ours", TINY, TINY, score=ELSEWHERE, worse_score=f"all: {UNSEEN}, blank"),
    versus("unseen: tuned>before", "Tuning to optical and radar helps on the unseen thermal sensor.", "ours", TINY,
           TINY_BEFORE, score=ELSEWHERE),
    versus("many>few", "Eight times as many images help.", "ours", TINY_MANY, TINY, score=HOME),
    versus("few: real>tiny", "With few examples a language model with real linguistic knowledge answers better than a "
           "tiny one.", "ours", REAL, TINY, score=HOME),
    versus("other words: real>tiny", "The same, asked in wordings that no training used.", "ours", REAL, TINY,
           score=OTHER_WORDS),
    versus("unseen sensor: real>tiny", "The same, on a sensor that no training saw.", "ours", REAL, TINY,
           score=ELSEWHERE),
    versus("words: real loses little", "In other wordings the real language model loses less than 5 points.", "ours",
           REAL, REAL, score=OTHER_WORDS, worse_score=HOME, margin=-0.05),
    versus("words: tiny loses little", "In other wordings the tiny model loses less than 5 points.", "ours",
           TINY, TINY, score=OTHER_WORDS, worse_score=HOME, margin=-0.05),
    versus("real: stage 2 helps", "Scale and shift help the real language model, too.", "paper", REAL, REAL_BEFORE,
           score=HOME),
    versus("many: real>tiny", "With many examples, too, real linguistic knowledge helps.", "ours", REAL_MANY,
           TINY_MANY, score=HOME),
    versus("stage 1>frozen", "Without having seen an image before, training attention and norms beats a frozen "
           "language model behind a trained projection.", "paper", STAGE_1, FROZEN, score=HOME),
)  # fmt: skip

UNTESTED = (
    {
        "claim": "Every number of the paper's tables, such as 76.65 Pr@0.5 on DIOR-RSVG.",
        "source": "paper",
        "verdict": "not tested here",
        "sentence": "Not tested here: none of these data sets is used, and the model is thousands of times smaller.",
    },
)


def task_score(line: Line, task: str, place: str) -> float | None:
    """Read the score of a task, from 0 to 1; an F1 that nothing defines is 0."""
    found = line["scores"].get(place, {}).get(task)
    if found is None:
        return None
    value = found[SCORE[task]] or 0.0
    return float(value) / 10 if SCORE[task] == "CIDEr" else float(value)


def read(line: Line, score: str) -> float | None:
    """Read ``"task: sensor, how"``; ``all`` is the mean over tasks, ``home`` that over the sensors of the training."""
    task, place = score.split(": ")
    sensor, how = place.split(", ")
    tasks = tuple(SCORE) if task == "all" else (task,)
    sensors = TRAINED if sensor == "home" else (sensor,)
    values = [task_score(line, t, f"{s}, {how}") for t in tasks for s in sensors]
    return None if None in values else mean(v for v in values if v is not None)


def _row(lines: Sequence[Line]) -> dict[str, Any]:
    """Sum up the lines of one configuration."""
    first = lines[0]
    names = [f"{t}: {place}" for t in (*SCORE, "all") for place in (*first["scores"],)]
    names += [f"all: home, {how}" for how in ("known", "other", "blank", "majority")]

    def summed(name: str) -> dict[str, Any]:
        return spread([float(read(x, name) or 0.0) for x in lines]) | values_by_seed(
            lines, lambda x: float(read(x, name) or 0.0)
        )

    return {
        "run": {k: v for k, v in first["run"].items() if k != "seed"},
        "n": len(lines),
        "scores": {name: summed(name) for name in names},
        **{name: first[name] for name in ("trained", "steps")},
        "dialogues": first["dialogues"],
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    return summed_up(lines, CLAIMS, UNTESTED, read, _row)
