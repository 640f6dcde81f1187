"""Experiments with MFNet on the small SAM: many short trainings, one line of results each.

    python -m scripts.experiments.mfnet OUT [--ign FOLDER]     train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.mfnet OUT --summarise        sum up to book/results/mfnet_experiments.json
    python -m scripts.experiments.mfnet OUT --list             print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines made with other weights of the small SAM, another scaling of heights or another number of steps do not
count. FOLDER is the real tile of IGN orthophoto and LiDAR; without it its trainings are left out. The plan is
in plan.py, one training in runs.py, the rules of the verdicts, written before the runs, in
verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment, Line, planned_steps, scaled_like
from scripts.experiments.mfnet import runs, verdicts
from scripts.experiments.mfnet.plan import RATES, SCALINGS, SEEDS, TUNING_SEEDS, Run, plan
from scripts.experiments.options import Defaults

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "mfnet_experiments.json",
    seeds=SEEDS,
    steps=runs.STEPS,
    real_option="--ign",
)


def scaled_as_planned(line: Line) -> bool:
    """Whether heights, if there are any, were scaled as today's plan has it."""
    run = Run(**line["run"])
    return "dsm" not in run.sensors or scaled_like(line, run.heights)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": runs.SIZE,
        "batch": runs.BATCH,
        "real_tile": {"crop": runs.IGN_SIZE, "batch": runs.IGN_BATCH},
        "steps": runs.STEPS,
        "learning_rates": RATES,
        "scaling_of_elevations": SCALINGS,
        "chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": runs.WEIGHT_DECAY,
        "unet": runs.UNET_SIZE,
        "scene_pixels": runs.TILE,
        "gsd": runs.GSD,
        "training_scenes": runs.SCENES,
        "test_scenes": runs.TEST_SCENES,
        "default_run": asdict(Run(0)),
        "score": "mIoU over five classes, clutter left out, one confusion matrix over all test "
        "scenes; on the real tile over its three classes",
    }


EXPERIMENT = Experiment(
    question="Do the qualitative claims of the paper on MFNet hold for a small SAM?",
    data="synthetic scenes of mfnet_lite.world; one real tile of IGN orthophoto and LiDAR "
    "(NIR, red, green; 247 x 250 pixels of 0.2 m, adjacent training and test halves, labels "
    "are LiDAR classes and so favour elevation)",
    command="python -m scripts.experiments.mfnet OUT --ign FOLDER",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "scenes", options.real, options.steps
    ),
    describe=lambda line: f"{line['scores']['mIoU']:.4f}",
    settings=settings,
    summary=verdicts.summary,
    counts=lambda line, options: planned_steps(line, options) and scaled_as_planned(line),
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
