"""Experiments with SAM's objects and boundaries in training: many short trainings, one line of results each.

    python -m scripts.experiments.objects OUT [--real FOLDER]  train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.objects OUT --summarise      sum up to book/results/objects_experiments.json
    python -m scripts.experiments.objects OUT --list           print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines that depend on the small SAM count for its weights only; lines of another number of steps do not count.
FOLDER holds the real tiles (ign_ortho_lidar, vaihingen_tile, loveda); without it their trainings are left out.
The plan is in plan.py, the data in data.py, one training in runs.py, the rules of the
verdicts, written before the runs, in verdicts.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mfnet_lite.sam.objects import ObjectSettings
from scripts.experiments.lines import ROOT
from scripts.experiments.loop import Experiment, Line, scaled_like
from scripts.experiments.objects import data, runs, verdicts
from scripts.experiments.objects.plan import RATES, SCALINGS, SEEDS, TUNING_SEEDS, Run, plan
from scripts.experiments.options import Defaults, Options

DEFAULTS = Defaults(
    result=ROOT / "book" / "results" / "objects_experiments.json",
    seeds=SEEDS,
    steps=None,
    real_option="--real",
)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": runs.SIZE,
        "batch": runs.BATCH,
        "steps": runs.STEPS,
        "test_windows": [runs.WINDOW, runs.STRIDE],
        "learning_rates": RATES,
        "scaling_of_elevations": SCALINGS,
        "learning_rates_chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": runs.WEIGHT_DECAY,
        "unet": runs.UNET_SIZE,
        "unetformer": "resnet18 of timm, random weights; decoder of 64 channels, windows of 8",
        "mfnet": "small SAM, frozen, MMLoRA of rank 4, Deep Fusion Module",
        "scene_pixels": data.TILE,
        "gsd": data.GSD,
        "training_scenes": data.SCENES,
        "test_scenes": data.TEST_SCENES,
        "sam": asdict(ObjectSettings.small()),
        "superpixels": data.SUPERPIXELS,
        "default_run": asdict(Run(0)),
        "score": "mIoU over the test scenes in one confusion matrix: in the world over five classes, clutter "
        f"left out; on real tiles over classes with {runs.RARE} labelled training pixels; "
        f"edge_F1: F1 of border pixels with a tolerance of {runs.TOLERANCE} pixels",
    }


def describe(line: Line) -> str:
    """Scores of a line, for the terminal."""
    return f"{line['scores']['mIoU']:.4f}, edges {line['scores']['edge_F1'] or 0:.3f}"


def as_planned(line: Line, options: Options) -> bool:
    """Whether steps, and heights where there are any, are those of today's plan."""
    run = Run(**line["run"])
    steps = options.steps or runs.STEPS[run.model]
    scaled = not run.has_heights or scaled_like(line, SCALINGS[run.model])
    return bool(line["steps"] == steps and scaled)


EXPERIMENT = Experiment(
    question="Do SAM's objects and boundaries help a segmentation network, and whose objects do?",
    data="synthetic scenes of mfnet_lite.world (optical and height); real tiles, a half to train on and "
    "the other to test on: IGN orthophoto and LiDAR (NIR, red, green, height), ISPRS Vaihingen "
    "(IRRG, 512 x 512 pixels), LoveDA (RGB, 1024 x 1024 pixels)",
    command="python -m scripts.experiments.objects OUT --real FOLDER",
    defaults=DEFAULTS,
    plan=plan,
    train=lambda run, options, digest: runs.train_and_score(
        run, options.out / "data", options.real, digest, options.steps
    ),
    describe=describe,
    settings=settings,
    summary=verdicts.summary,
    counts=as_planned,
    chooses_masks=True,
)


if __name__ == "__main__":
    EXPERIMENT.main(__doc__)
