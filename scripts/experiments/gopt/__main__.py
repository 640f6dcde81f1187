"""Experiments with GoPT on the small SAM: many short trainings, one line of results each.

    python -m scripts.experiments.gopt OUT --ign FOLDER    train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.gopt OUT --summarise     sum up to book/results/gopt_experiments.json
    python -m scripts.experiments.gopt OUT --list          print the plan and what is done

A run may be stopped at any moment and started again, and two processes may share a folder: a line is written
when its training has been scored. Lines made with other weights of the small SAM or another number of steps do
not count. FOLDER is the real tile of IGN orthophoto and LiDAR; without it its trainings are left out. The plan
is in plan.py, what a part taken away means in variants.py, one training in runs.py, the rules of the
verdicts, written before the runs, in verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scripts.experiments.gopt import runs, verdicts
from scripts.experiments.gopt.plan import ADAPTER_WIDTH, RATES, SEEDS, TUNING_SEEDS, Run, plan
from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment, planned_steps
from scripts.experiments.mfnet.runs import IGN_BATCH, IGN_SIZE
from scripts.experiments.options import Defaults

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "gopt_experiments.json",
    seeds=SEEDS,
    steps=runs.STEPS,
    real_option="--ign",
)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": runs.SIZE,
        "batch": runs.BATCH,
        "real_tile": {"crop": IGN_SIZE, "batch": IGN_BATCH},
        "steps": runs.STEPS,
        "learning_rates": RATES,
        "scaling_of_elevations": runs.SCALING,
        "chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": runs.WEIGHT_DECAY,
        "bottleneck_of_the_adapters": ADAPTER_WIDTH,
        "training_scenes": runs.SCENES,
        "test_scenes": runs.TEST_SCENES,
        "default_run": asdict(Run(0)),
        "score": "mIoU over five classes, clutter left out, one confusion matrix over all test "
        "scenes; on the real tile over its three classes",
    }


EXPERIMENT = Experiment(
    question="Which part of GoPT's grouping prompts does what, on a small SAM?",
    data="synthetic scenes of mfnet_lite.world, as in the experiments with MFNet; one real tile of IGN "
    "orthophoto and LiDAR (NIR, red, green; 247 x 250 pixels of 0.2 m, adjacent training and test halves, "
    "labels are LiDAR classes and so favour elevation)",
    command="python -m scripts.experiments.gopt OUT --ign FOLDER",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "scenes", options.real, options.steps or runs.STEPS
    ),
    describe=lambda line: f"{line['scores']['mIoU']:.4f}",
    settings=settings,
    summary=verdicts.summary,
    counts=planned_steps,
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
