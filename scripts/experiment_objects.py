"""Experiments with SAM's objects and boundaries in training: many short trainings, one line of results each.

    python scripts/experiment_objects.py OUT [--real FOLDER]  train what OUT/runs.jsonl does not hold yet
    python scripts/experiment_objects.py OUT --summarise      sum up to book/results/objects_experiments.json
    python scripts/experiment_objects.py OUT --list           print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines that depend on the small SAM count for its weights only; lines of another number of steps do not count.
FOLDER holds the real tiles (ign_ortho_lidar, vaihingen_tile, loveda); without it their trainings are left out.
The plan is in objects_plan.py, the data in objects_data.py, one training in objects_runs.py, the rules of the
verdicts, written before the runs, in objects_verdicts.py.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import objects_data
import objects_runs
import objects_verdicts
from experiment_lines import (
    ANY,
    ROOT,
    append_line,
    command_line,
    made_with,
    provenance,
    read_lines,
    stamp,
    weights,
)
from objects_plan import RATES, SEEDS, TUNING_SEEDS, Run, plan

from mfnet_lite.sam.objects import ObjectSettings
from mfnet_lite.training.state import atomic_text

RESULT = ROOT / "book" / "results" / "objects_experiments.json"


def valid(path: Path, digest: str, steps: int | None) -> list[dict[str, Any]]:
    """Lines of runs made with these weights, or without any, and this number of steps (the usual without)."""
    return [
        line
        for line in read_lines(path)
        if made_with(line, digest)
        and line["steps"] == (steps or objects_runs.STEPS[line["run"]["model"]])
    ]


def settings() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "crop": objects_runs.SIZE,
        "batch": objects_runs.BATCH,
        "steps": objects_runs.STEPS,
        "test_windows": [objects_runs.WINDOW, objects_runs.STRIDE],
        "learning_rates": RATES,
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


def work(args: argparse.Namespace) -> None:
    """Train what is missing, in the order of the plan."""
    path, digest = args.out / "runs.jsonl", weights()
    done = {line["key"] for line in valid(path, digest, args.steps)}
    todo = [(g, r) for g, r in plan(tuple(args.seeds), args.only) if r.key not in done]
    print(f"{len(done)} runs done, {len(todo)} to do, weights {digest[:8]}", flush=True)
    begun = time.monotonic()
    for number, (group, run) in enumerate(todo, start=1):
        if args.limit and time.monotonic() - begun > args.limit:
            print("the time given is over", flush=True)
            return
        if run.key in {x["key"] for x in valid(path, digest, args.steps)}:
            continue  # by another process on the same folder
        start, cpu = time.perf_counter(), time.process_time()
        result = objects_runs.do(run, args.out / "data", args.real, digest, steps=args.steps)
        if result is None:
            continue
        line = {
            "key": run.key, "row": run.row, "seed": run.seed, "group": group, **result,
            "seconds": round(time.perf_counter() - start, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2), "run": asdict(run),
            "weights_sha256": digest if run.needs_weights else ANY, **stamp(),
        }  # fmt: skip
        append_line(path, line)
        print(
            f"[{number}/{len(todo)}] {group}: {run.key}: {line['scores']['mIoU']:.4f}, "
            f"edges {line['scores']['edge_F1'] or 0:.3f}, {line['cpu_seconds']:.0f} s of CPU",
            flush=True,
        )


def summarise(args: argparse.Namespace) -> None:
    """Write the file of results from the lines so far."""
    path, digest = args.out / "runs.jsonl", weights()
    lines = valid(path, digest, args.steps)
    if not lines:
        raise SystemExit(f"{path} holds no line for these weights yet; start the runs first")
    content = {
        "question": "Do SAM's objects and boundaries help a segmentation network, and whose objects do?",
        "data": "synthetic scenes of mfnet_lite.world (optical and height); real tiles, a half to train on and "
        "the other to test on: IGN orthophoto and LiDAR (NIR, red, green, height), ISPRS Vaihingen "
        "(IRRG, 512 x 512 pixels), LoveDA (RGB, 1024 x 1024 pixels)",
        "settings": settings(),
        **objects_verdicts.summary(lines),
        "provenance": {
            "command": "python scripts/experiment_objects.py OUT --real FOLDER",
            **provenance(lines),
            "weights_sha256": digest,
            "seconds": round(sum(line["seconds"] for line in lines)),
            "cpu_seconds": round(sum(line["cpu_seconds"] for line in lines)),
        },
    }
    atomic_text(args.result, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for claim in content["claims"]:
        print(f"{claim['verdict']:20s} {claim['claim']} {claim['sentence']}")


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, None)
    parser.add_argument("--real", type=Path, help="folder of the real tiles")
    args = parser.parse_args()
    if args.list:
        done = {x["key"] for x in valid(args.out / "runs.jsonl", weights(), args.steps)}
        for group, run in plan(tuple(args.seeds), args.only):
            print("done" if run.key in done else "    ", group, "|", run.key)
    elif args.summarise:
        summarise(args)
    else:
        work(args)


if __name__ == "__main__":
    main()
