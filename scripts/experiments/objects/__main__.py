"""Experiments with SAM's objects and boundaries in training: many short trainings, one line of results each.

    python -m scripts.experiments.objects OUT [--real FOLDER]  train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.objects OUT --summarise      sum up to book/results/objects_experiments.json
    python -m scripts.experiments.objects OUT --list           print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines that depend on the small SAM count for its weights only; lines of another number of steps do not count.
FOLDER holds the real tiles (ign_ortho_lidar, vaihingen_tile, loveda); without it their trainings are left out.
The plan is in objects_plan.py, the data in objects_data.py, one training in objects_runs.py, the rules of the
verdicts, written before the runs, in objects_verdicts.py.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import scripts.experiments.objects.data as objects_data
import scripts.experiments.objects.runs as objects_runs
import scripts.experiments.objects.verdicts as objects_verdicts
from mfnet_lite.sam.objects import ObjectSettings
from scripts.experiments.lines import ROOT, command_line
from scripts.experiments.loop import Experiment, Line, scaled_like
from scripts.experiments.objects.plan import RATES, SCALINGS, SEEDS, TUNING_SEEDS, Run, plan

RESULT = ROOT / "book" / "results" / "objects_experiments.json"


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": objects_runs.SIZE,
        "batch": objects_runs.BATCH,
        "steps": objects_runs.STEPS,
        "test_windows": [objects_runs.WINDOW, objects_runs.STRIDE],
        "learning_rates": RATES,
        "scaling_of_elevations": SCALINGS,
        "learning_rates_chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": objects_runs.WEIGHT_DECAY,
        "unet": objects_runs.UNET_SIZE,
        "unetformer": "resnet18 of timm, random weights; decoder of 64 channels, windows of 8",
        "mfnet": "small SAM, frozen, MMLoRA of rank 4, Deep Fusion Module",
        "scene_pixels": objects_data.TILE,
        "gsd": objects_data.GSD,
        "training_scenes": objects_data.SCENES,
        "test_scenes": objects_data.TEST_SCENES,
        "sam": asdict(ObjectSettings.small()),
        "superpixels": objects_data.SUPERPIXELS,
        "default_run": asdict(Run(0)),
        "score": "mIoU over the test scenes in one confusion matrix: in the world over five classes, clutter "
        f"left out; on real tiles over classes with {objects_runs.RARE} labelled training pixels; "
        f"edge_F1: F1 of border pixels with a tolerance of {objects_runs.TOLERANCE} pixels",
    }


def do(run: Run, args: argparse.Namespace, digest: str) -> dict[str, Any] | None:
    """Train one run."""
    return objects_runs.do(run, args.out / "data", args.real, digest, steps=args.steps)


def told(line: Line) -> str:
    """Scores of a line, for the terminal."""
    return f"{line['scores']['mIoU']:.4f}, edges {line['scores']['edge_F1'] or 0:.3f}"


def as_planned(line: Line, args: argparse.Namespace) -> bool:
    """Whether steps, and heights where there are any, are those of today's plan."""
    run = Run(**line["run"])
    steps = args.steps or objects_runs.STEPS[run.model]
    scaled = not run.has_heights or scaled_like(line, SCALINGS[run.model])
    return bool(line["steps"] == steps and scaled)


EXPERIMENT = Experiment(
    question="Do SAM's objects and boundaries help a segmentation network, and whose objects do?",
    data="synthetic scenes of mfnet_lite.world (optical and height); real tiles, a half to train on and "
    "the other to test on: IGN orthophoto and LiDAR (NIR, red, green, height), ISPRS Vaihingen "
    "(IRRG, 512 x 512 pixels), LoveDA (RGB, 1024 x 1024 pixels)",
    command="python -m scripts.experiments.objects OUT --real FOLDER",
    plan=plan,
    do=do,
    told=told,
    settings=settings,
    summary=objects_verdicts.summary,
    counts=as_planned,
)


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, None)
    parser.add_argument("--real", type=Path, help="folder of the real tiles")
    EXPERIMENT.run(parser.parse_args())


if __name__ == "__main__":
    main()
