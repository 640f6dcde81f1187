"""Experiments with SamLP on the small SAM: many short trainings, one line of results each.

    python -m scripts.experiments.samlp OUT                train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.samlp OUT --summarise    sum up to book/results/samlp_experiments.json
    python -m scripts.experiments.samlp OUT --list         print the plan and what is done

A run may be stopped at any moment and started again, and two processes may share a folder: a line is written
when its training has been scored. Lines made with other weights of the small SAM, other images or
another number of steps do not count. The plan is in samlp_plan.py, one training in samlp_runs.py, the
rules of the verdicts, written before the runs, in samlp_verdicts.py.
"""

from __future__ import annotations

import argparse
from typing import Any

import scripts.experiments.samlp.runs as samlp_runs
import scripts.experiments.samlp.verdicts as samlp_verdicts
from scripts.experiments.lines import ROOT, command_line
from scripts.experiments.loop import Experiment, Line, planned_steps
from scripts.experiments.samlp.plan import SEEDS, Run, plan

RESULT = ROOT / "book" / "results" / "samlp_experiments.json"


def do(run: Run, args: argparse.Namespace, digest: str) -> dict[str, Any] | None:
    """Train one run."""
    return samlp_runs.do(run, args.out, args.steps)


def told(line: Line) -> str:
    """Scores of a line, for the terminal."""
    scores = {stage: round(score["AP50"], 3) for stage, score in line["stages"].items()}
    return f"AP50 {scores}"


EXPERIMENT = Experiment(
    question="Does SamLP find plates with few images, and can it still be prompted, on a small SAM?",
    data="synthetic images of mfnet_lite.world.plates.image; no number here is comparable with "
    "UFPR-ALPR, CCPD, CRPD or AOLP",
    command="python -m scripts.experiments.samlp OUT",
    plan=plan,
    do=do,
    told=told,
    settings=samlp_runs.shared,
    summary=samlp_verdicts.summary,
    counts=planned_steps,
    marks=lambda args: {"pictures_sha256": samlp_runs.digest(args.out)},
)


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, samlp_runs.STEPS)
    EXPERIMENT.run(parser.parse_args())


if __name__ == "__main__":
    main()
