"""Experiments with SamLP on the small SAM: many short trainings, one line of results each.

    python -m scripts.experiments.samlp OUT                train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.samlp OUT --summarise    sum up to book/results/samlp_experiments.json
    python -m scripts.experiments.samlp OUT --list         print the plan and what is done

A run may be stopped at any moment and started again, and two processes may share a folder: a line is written
when its training has been scored. Lines made with other weights of the small SAM, other images or
another number of steps do not count. The plan is in plan.py, one training in runs.py, the
rules of the verdicts, written before the runs, in verdicts.py.
"""

from __future__ import annotations

from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment, Line, planned_steps
from scripts.experiments.options import Defaults
from scripts.experiments.samlp import runs, verdicts
from scripts.experiments.samlp.plan import SEEDS, plan

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "samlp_experiments.json",
    seeds=SEEDS,
    steps=runs.STEPS,
)


def describe(line: Line) -> str:
    """Scores of a line, for the terminal."""
    scores = {stage: round(score["AP50"], 3) for stage, score in line["stages"].items()}
    return f"AP50 {scores}"


EXPERIMENT = Experiment(
    question="Does SamLP find plates with few images, and can it still be prompted, on a small SAM?",
    data="synthetic images of mfnet_lite.world.plates.image; no number here is comparable with "
    "UFPR-ALPR, CCPD, CRPD or AOLP",
    command="python -m scripts.experiments.samlp OUT",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(run, options.out, options.steps),
    describe=describe,
    settings=runs.shared,
    summary=verdicts.summary,
    counts=planned_steps,
    marks=lambda options: {"pictures_sha256": runs.digest(options.out)},
    chooses_masks=True,
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
