"""Experiments with few labels on real images: many short trainings, one line of results each.

    python -m scripts.experiments.few_labels OUT --real FOLDER   train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.few_labels OUT --summarise     sum up to book/results/few_labels_experiments.json
    python -m scripts.experiments.few_labels OUT --list          print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines made with other weights of the small SAM, or another number of steps, do not count. FOLDER holds the real tiles
ign_ortho_lidar, vaihingen_tile, change_levir and change_dsifn. The plan is in plan.py, one training in runs.py, the
rules of the verdicts, written before the runs, in verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scripts.experiments.few_labels import data, forests, runs, verdicts
from scripts.experiments.few_labels.plan import SEEDS, Run, plan
from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment, planned_steps
from scripts.experiments.options import Defaults

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "few_labels_experiments.json",
    seeds=SEEDS,
    steps=runs.STEPS,
    real_option="--real",
)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": runs.SIZES,
        "windows": "as large as the crops, overlapping by half",
        "batch": runs.BATCH,
        "steps": runs.STEPS,
        "crops_to_draw_from": runs.POOL,
        "unet": runs.UNET_SIZE,
        "encoder": forests.ENCODER,
        "larger_crops_of_a_step": runs.LARGER_BATCH,
        "brighter": runs.BRIGHTER,
        "changed_pixels_weigh": runs.CHANGED[1],
        "learning_rates": {
            m: runs.rate(Run(0, model=m)) for m in ("unet", "unetformer", "mfnet", "sam_cd")
        },
        "forest": forests.FOREST
        | {"pixels": forests.FOREST_PIXELS, "widest_smoothing": forests.SIGMA},
        "vaihingen_tile": data.SIDE,
        "default_run": asdict(Run(0)),
        "score": "one confusion matrix over both halves, each predicted by what learnt from the other",
    }


EXPERIMENT = Experiment(
    question="What learns best from very few labelled tiles of real images?",
    data="real tiles: four of IGN with a LiDAR height map (125 px at 0.2 m, 3 classes), one image of ISPRS Vaihingen "
    "(512 px at 0.09 m, 5 classes), four pairs each of LEVIR-CD and DSIFN (256 px); half of each to learn from",
    command="python -m scripts.experiments.few_labels OUT --real FOLDER",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "tiles", options.real, options.steps or runs.STEPS
    ),
    describe=lambda line: ", ".join(
        f"{name} {line['scores'][name] or 0:.3f}"
        for name in ("mIoU", "F1")
        if name in line["scores"]
    ),
    settings=settings,
    summary=verdicts.summary,
    counts=lambda line, options: line["steps"] == 0 or planned_steps(line, options),
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
