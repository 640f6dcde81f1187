"""Claims about EarthGPT, and the rows and verdicts that lines of results give; the claims stand here before the runs.

The verdict is that of ``judge_interval`` in claims.py: the 95 % interval of Student's t of the paired differences must
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
    summed_by_interval,
    values_by_seed,
    versus,
)
from scripts.experiments.earthgpt.plan import (
    CNN,
    FROZEN,
    FULL,
    INPUT,
    LORA,
    REAL,
    REAL_FEW,
    TINY,
    TINY_FEW,
    UNTUNED,
    VIT,
    WITHOUT_FIRST,
)
from scripts.experiments.earthgpt.runs import SCORE, TRAINED, UNSEEN

HOME, OTHER_WORDS, ELSEWHERE = "all: home, known", "all: home, other", f"all: {UNSEEN}, known"
BLANK, MAJORITY = "all: home, blank", "all: home, majority"

CLAIMS: tuple[Claim, ...] = (
    versus("few: real>tiny", "With few examples a language model with real linguistic knowledge answers better than "
           "one that learned its language from the examples.", "ours", REAL_FEW, TINY_FEW, score=HOME),
    versus("few, other words: real>tiny", "The same, asked in wordings that no training used.", "ours",
           REAL_FEW, TINY_FEW, score=OTHER_WORDS),
    versus("few, unseen sensor: real>tiny", "The same, on a sensor that no training saw.", "ours",
           REAL_FEW, TINY_FEW, score=ELSEWHERE),
    versus("few: real>blank", "After few examples the real language model looks at the image: it answers better than "
           "with the mean image.", "ours", REAL_FEW, REAL_FEW, score=HOME, worse_score=BLANK),
    versus("few: real>majority", "It beats the most frequent answers.", "ours", REAL_FEW, REAL_FEW, score=HOME,
           worse_score=MAJORITY),
    versus("words: real loses little", "In other wordings the real language model loses less than 5 points.", "ours",
           REAL_FEW, REAL_FEW, score=OTHER_WORDS, worse_score=HOME, margin=-0.05),
    versus("many: real>tiny", "With many examples, too, real linguistic knowledge helps.", "ours", REAL, TINY,
           score=HOME),
    versus("tiny>blank", "The tiny model looks at the image: it answers better than with the mean image.", "ours",
           TINY, TINY, score=HOME, worse_score=BLANK),
    versus("tiny>majority", "The tiny model beats the most frequent answers.", "ours", TINY, TINY, score=HOME,
           worse_score=MAJORITY),
    versus("unseen>blank", "Zero-shot on an unseen sensor it answers better than with the mean image.", "ours",
           TINY, TINY, score=ELSEWHERE, worse_score=f"all: {UNSEEN}, blank"),
    versus("stage 2 helps", "Scale and shift after stage 1 answer better than stage 1 alone.", "paper", TINY, UNTUNED,
           score=HOME),
    versus("stage 1>frozen", "Training attention and norms beats a frozen language model behind a trained projection.",
           "paper", TINY, FROZEN, score=HOME),
    versus("scale>lora", "Scale and shift beat LoRA of about as many weights.", "ours", TINY, LORA, score=HOME),
    versus("scale>=full", "Scale and shift lose less than 5 points against training all weights in stage 2.", "ours",
           TINY, FULL, score=HOME, margin=-0.05),
    versus("with stage 1", "Stage 1 before scale and shift beats scale and shift alone.", "paper", TINY, WITHOUT_FIRST,
           score=HOME),
    versus("both>vit", "Both branches beat the vision transformer alone.", "paper", TINY, VIT, score=HOME),
    versus("both>cnn", "Both branches beat the convolutional network alone.", "paper", TINY, CNN, score=HOME),
    versus("output>input", "Scaling outputs beats scaling inputs.", "ours", TINY, INPUT, score=HOME),
)  # fmt: skip

UNTESTED = (
    {
        "claim": "Every number of the paper's tables, such as 76.65 Pr@0.5 on DIOR-RSVG.",
        "source": "paper",
        "verdict": "not tested here",
        "sentence": "Not tested here: none of these data sets is used, and the model is a hundred times smaller.",
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
        "stages": first["stages"],
        "dialogues": first["dialogues"],
    }


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """Return rows and verdicts of all lines.

    Args:
        lines: As the experiment writes them; of two with one key the later counts.
    """
    return summed_by_interval(lines, CLAIMS, UNTESTED, read, _row)
