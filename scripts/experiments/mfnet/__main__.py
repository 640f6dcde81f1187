"""Experiments with MFNet on the small SAM: many short trainings, one line of results each.

    python -m scripts.experiments.mfnet OUT [--ign FOLDER]     train what OUT/runs.jsonl does not hold yet
    python -m scripts.experiments.mfnet OUT --summarise        sum up to book/results/mfnet_experiments.json
    python -m scripts.experiments.mfnet OUT --list             print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines made with other weights of the small SAM, another scaling of heights or another number of steps do not
count. FOLDER is the real tile of IGN orthophoto and LiDAR; without it its trainings are left out. The plan is
in mfnet_plan.py, one training in mfnet_runs.py, the rules of the verdicts, written before the runs, in
mfnet_verdicts.py.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import scripts.experiments.mfnet.runs as mfnet_runs
import scripts.experiments.mfnet.verdicts as mfnet_verdicts
from scripts.experiments.lines import ROOT, command_line
from scripts.experiments.loop import Experiment, Line, planned_steps, scaled_like
from scripts.experiments.mfnet.plan import RATES, SCALINGS, SEEDS, TUNING_SEEDS, Run, plan

RESULT = ROOT / "book" / "results" / "mfnet_experiments.json"


def scaled_as_planned(line: Line) -> bool:
    """Whether heights, if there are any, were scaled as the plan says today."""
    run = Run(**line["run"])
    return "dsm" not in run.sensors or scaled_like(line, run.heights)


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": mfnet_runs.SIZE,
        "batch": mfnet_runs.BATCH,
        "real_tile": {"crop": mfnet_runs.IGN_SIZE, "batch": mfnet_runs.IGN_BATCH},
        "steps": mfnet_runs.STEPS,
        "learning_rates": RATES,
        "scaling_of_elevations": SCALINGS,
        "chosen_on_seeds": TUNING_SEEDS,
        "weight_decay": mfnet_runs.WEIGHT_DECAY,
        "unet": mfnet_runs.UNET_SIZE,
        "scene_pixels": mfnet_runs.TILE,
        "gsd": mfnet_runs.GSD,
        "training_scenes": mfnet_runs.SCENES,
        "test_scenes": mfnet_runs.TEST_SCENES,
        "default_run": asdict(Run(0)),
        "score": "mIoU over five classes, clutter left out, one confusion matrix over all test "
        "scenes; on the real tile over its three classes",
    }


def do(run: Run, args: argparse.Namespace, digest: str) -> dict[str, Any] | None:
    """Train one run."""
    return mfnet_runs.do(run, args.out / "scenes", args.ign, steps=args.steps)


EXPERIMENT = Experiment(
    question="Do the qualitative claims of the paper on MFNet hold for a small SAM?",
    data="synthetic scenes of mfnet_lite.world; one real tile of IGN orthophoto and LiDAR "
    "(NIR, red, green; 247 x 250 pixels of 0.2 m, adjacent training and test halves, labels "
    "are LiDAR classes and so favour elevation)",
    command="python -m scripts.experiments.mfnet OUT --ign FOLDER",
    plan=plan,
    do=do,
    told=lambda line: f"{line['scores']['mIoU']:.4f}",
    settings=settings,
    summary=mfnet_verdicts.summary,
    counts=lambda line, args: planned_steps(line, args) and scaled_as_planned(line),
)


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, mfnet_runs.STEPS)
    parser.add_argument("--ign", type=Path, help="folder of the real tile")
    EXPERIMENT.run(parser.parse_args())


if __name__ == "__main__":
    main()
