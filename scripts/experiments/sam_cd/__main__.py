"""Experiments with SAM-CD on the small SAM: many short trainings, one line of results each.

    python -m scripts.experiments.sam_cd OUT [--real FOLDER]    train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.sam_cd OUT --summarise        sum up to book/results/sam_cd_experiments.json
    python -m scripts.experiments.sam_cd OUT --list             print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines made with other weights of the small SAM, or another number of steps, do not count. FOLDER holds the
real tiles change_levir and change_dsifn; without it their trainings are left out. The plan is in
sam_cd_plan.py, one training in sam_cd_runs.py, the rules of the verdicts, written before the runs, in
sam_cd_verdicts.py.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import scripts.experiments.sam_cd.runs as sam_cd_runs
import scripts.experiments.sam_cd.verdicts as sam_cd_verdicts
from scripts.experiments.lines import ROOT, command_line
from scripts.experiments.loop import Experiment, planned_steps
from scripts.experiments.sam_cd.plan import RATES, SEEDS, TUNING_SEEDS, Run, plan

RESULT = ROOT / "book" / "results" / "sam_cd_experiments.json"


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": sam_cd_runs.SIZE,
        "batch": sam_cd_runs.BATCH,
        "steps": sam_cd_runs.STEPS,
        "crops_to_draw_from": sam_cd_runs.POOL,
        "learning_rates": RATES,
        "learning_rates_chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": sam_cd_runs.WEIGHT_DECAY,
        "light": sam_cd_runs.LIGHT,
        "finest_decoded_channels": sam_cd_runs.FINE,
        "unet": sam_cd_runs.UNET_SIZE,
        "pair_pixels": sam_cd_runs.TILE,
        "gsd": sam_cd_runs.GSD,
        "lots_changed": sam_cd_runs.CHANGED,
        "training_pairs": sam_cd_runs.PAIRS,
        "test_pairs": sam_cd_runs.TEST_PAIRS,
        "default_run": asdict(Run(0)),
        "score": "F1 of the changed class from one confusion matrix over all test pairs; real tiles: trained on "
        "two and scored on the other two, both ways round, counts pooled",
    }


def do(run: Run, args: argparse.Namespace, digest: str) -> dict[str, Any] | None:
    """Train one run."""
    return sam_cd_runs.do(run, args.out / "pairs", args.real, steps=args.steps)


EXPERIMENT = Experiment(
    question="Do the claims of the paper on SAM-CD hold for a small SAM?",
    data="synthetic pairs of mfnet_lite.world; four real pairs of LEVIR-CD and four of DSIFN, 256 x 256 "
    "pixels each",
    command="python -m scripts.experiments.sam_cd OUT --real FOLDER",
    plan=plan,
    do=do,
    told=lambda line: f"F1 {line['scores']['F1'] or 0:.4f}",
    settings=settings,
    summary=sam_cd_verdicts.summary,
    counts=planned_steps,
)


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, sam_cd_runs.STEPS)
    parser.add_argument("--real", type=Path, help="folder of the real tiles")
    EXPERIMENT.run(parser.parse_args())


if __name__ == "__main__":
    main()
