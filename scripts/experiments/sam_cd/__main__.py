"""Experiments with SAM-CD on the small SAM: many short trainings, one line of results each.

    python -m scripts.experiments.sam_cd OUT [--real FOLDER]    train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.sam_cd OUT --summarise        sum up to book/results/sam_cd_experiments.json
    python -m scripts.experiments.sam_cd OUT --list             print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines made with other weights of the small SAM, or another number of steps, do not count. FOLDER holds the
real tiles change_levir and change_dsifn; without it their trainings are left out. The plan is in
plan.py, one training in runs.py, the rules of the verdicts, written before the runs, in
verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment, planned_steps
from scripts.experiments.options import Defaults
from scripts.experiments.sam_cd import runs, verdicts
from scripts.experiments.sam_cd.plan import RATES, SEEDS, TUNING_SEEDS, Run, plan

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "sam_cd_experiments.json",
    seeds=SEEDS,
    steps=runs.STEPS,
    real_option="--real",
)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": runs.SIZE,
        "batch": runs.BATCH,
        "steps": runs.STEPS,
        "crops_to_draw_from": runs.POOL,
        "learning_rates": RATES,
        "learning_rates_chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": runs.WEIGHT_DECAY,
        "light": runs.LIGHT,
        "finest_decoded_channels": runs.FINE,
        "unet": runs.UNET_SIZE,
        "pair_pixels": runs.TILE,
        "gsd": runs.GSD,
        "lots_changed": runs.CHANGED,
        "training_pairs": runs.PAIRS,
        "test_pairs": runs.TEST_PAIRS,
        "default_run": asdict(Run(0)),
        "score": "F1 of the changed class from one confusion matrix over all test pairs; real tiles: trained on "
        "two and scored on the other two, both ways round, counts pooled",
    }


EXPERIMENT = Experiment(
    question="Do the claims of the paper on SAM-CD hold for a small SAM?",
    data="synthetic pairs of mfnet_lite.world; four real pairs of LEVIR-CD and four of DSIFN, 256 x 256 "
    "pixels each",
    command="python -m scripts.experiments.sam_cd OUT --real FOLDER",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "pairs", options.real, options.steps
    ),
    describe=lambda line: f"F1 {line['scores']['F1'] or 0:.4f}",
    settings=settings,
    summary=verdicts.summary,
    counts=planned_steps,
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
