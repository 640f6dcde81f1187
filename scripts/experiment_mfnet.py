"""Experiments with MFNet on the small SAM: many short trainings, one line of results each.

    python scripts/experiment_mfnet.py OUT [--ign FOLDER]     train what OUT/runs.jsonl does not hold yet
    python scripts/experiment_mfnet.py OUT --summarise        sum up to book/results/mfnet_experiments.json
    python scripts/experiment_mfnet.py OUT --list             print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines made with other weights of the small SAM, another scaling of heights or another number of steps do not
count. FOLDER is the real tile of IGN orthophoto and LiDAR; without it its trainings are left out. The plan is
in mfnet_plan.py, one training in mfnet_runs.py, the rules of the verdicts, written before the runs, in
mfnet_verdicts.py.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mfnet_runs
import mfnet_verdicts
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
from mfnet_plan import RATES, SCALINGS, SEEDS, TUNING_SEEDS, Run, plan

from mfnet_lite.training.state import atomic_text

RESULT = ROOT / "book" / "results" / "mfnet_experiments.json"


def valid(path: Path, digest: str, steps: int) -> list[dict[str, Any]]:
    """Lines of runs made with these weights, this scaling of heights and as many steps as their name says."""
    return [
        line
        for line in read_lines(path)
        if made_with(line, digest)
        and line["steps"] == round(steps * line["run"]["effort"])
        and scaled_as_planned(line)
    ]


def scaled_as_planned(line: dict[str, Any]) -> bool:
    """Whether heights were scaled as the plan says today; the first lines, without a word on it, had metres."""
    run = line["run"]
    planned = run.get("scaling") or SCALINGS[run["model"]]
    return "dsm" not in run["sensors"] or line.get("scaling", "ground") == planned


def finished(path: Path, digest: str, steps: int) -> set[str]:
    """Keys of the runs that are done."""
    return {line["key"] for line in valid(path, digest, steps)}


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


def work(args: argparse.Namespace) -> None:
    """Train what is missing, in the order of the plan."""
    path, digest = args.out / "runs.jsonl", weights()
    done = finished(path, digest, args.steps)
    todo = [(g, r) for g, r in plan(tuple(args.seeds), args.only) if r.key not in done]
    print(f"{len(done)} runs done, {len(todo)} to do, weights {digest[:8]}", flush=True)
    begun = time.monotonic()
    for number, (group, run) in enumerate(todo, start=1):
        if args.limit and time.monotonic() - begun > args.limit:
            print("the time given is over", flush=True)
            return
        if run.key in finished(path, digest, args.steps):  # by another process on the same folder
            continue
        start = time.perf_counter()
        result = mfnet_runs.do(run, args.out / "scenes", args.ign, steps=args.steps)
        if result is None:
            continue
        line = {
            "key": run.key, "row": run.row, "seed": run.seed, "group": group, **result,
            "seconds": round(time.perf_counter() - start, 2), "run": asdict(run),
            "scaling": run.heights,
            "weights_sha256": digest if run.needs_weights else ANY, **stamp(),
        }  # fmt: skip
        append_line(path, line)
        score = line["scores"]["mIoU"]
        print(
            f"[{number}/{len(todo)}] {group}: {run.key}: {score:.4f}, {line['seconds']:.0f} s",
            flush=True,
        )


def summarise(args: argparse.Namespace) -> None:
    """Write the file of results from the lines so far."""
    lines = list(read_lines(args.out / "runs.jsonl"))
    if not lines:
        raise SystemExit(f"{args.out / 'runs.jsonl'} holds no line yet; start the runs first")
    digest = weights()
    lines = valid(args.out / "runs.jsonl", digest, args.steps)
    content = {
        "question": "Do the qualitative claims of the paper on MFNet hold for a small SAM?",
        "data": "synthetic scenes of mfnet_lite.world; one real tile of IGN orthophoto and LiDAR "
        "(NIR, red, green; 247 x 250 pixels of 0.2 m, adjacent training and test halves, labels "
        "are LiDAR classes and so favour elevation)",
        "settings": settings(),
        **mfnet_verdicts.summary(lines),
        "provenance": {
            "command": "python scripts/experiment_mfnet.py OUT --ign FOLDER",
            **provenance(lines),
            "weights_sha256": digest,
            "seconds": round(sum(line["seconds"] for line in lines)),
        },
    }
    atomic_text(args.result, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for claim in content["claims"]:
        print(f"{claim['verdict']:22s} {claim['claim']}")


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, mfnet_runs.STEPS)
    parser.add_argument("--ign", type=Path, help="folder of the real tile")
    args = parser.parse_args()
    if args.list:
        done = {line["key"] for line in read_lines(args.out / "runs.jsonl")}
        for group, run in plan(tuple(args.seeds), args.only):
            print("done" if run.key in done else "    ", group, "|", run.key)
    elif args.summarise:
        summarise(args)
    else:
        work(args)


if __name__ == "__main__":
    main()
