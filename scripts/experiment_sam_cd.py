"""Experiments with SAM-CD on the small SAM: many short trainings, one line of results each.

    python scripts/experiment_sam_cd.py OUT [--real FOLDER]    train what OUT/runs.jsonl does not hold yet
    python scripts/experiment_sam_cd.py OUT --summarise        sum up to book/results/sam_cd_experiments.json
    python scripts/experiment_sam_cd.py OUT --list             print the plan and what is done

A run may be stopped at any moment and started again: a line is written when its training has been scored.
Lines made with other weights of the small SAM, or another number of steps, do not count. FOLDER holds the
real tiles change_levir and change_dsifn; without it their trainings are left out. The plan is in
sam_cd_plan.py, one training in sam_cd_runs.py, the rules of the verdicts, written before the runs, in
sam_cd_verdicts.py.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sam_cd_runs
import sam_cd_verdicts
from experiment_lines import (
    ANY,
    ROOT,
    append_line,
    command_line,
    provenance,
    read_lines,
    stamp,
    weights,
)
from experiment_mfnet import finished, valid
from sam_cd_plan import RATES, SEEDS, TUNING_SEEDS, Run, plan

from mfnet_lite.training.state import atomic_text

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
        result = sam_cd_runs.do(run, args.out / "pairs", args.real, steps=args.steps)
        if result is None:
            continue
        line = {
            "key": run.key, "row": run.row, "seed": run.seed, "group": group, **result,
            "run": asdict(run), "weights_sha256": digest if run.needs_weights else ANY, **stamp(),
        }  # fmt: skip
        append_line(path, line)
        print(
            f"[{number}/{len(todo)}] {group}: {run.key}: F1 {line['scores']['F1'] or 0:.4f}, "
            f"{line['cpu_seconds']:.0f} s of CPU",
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
        "question": "Do the claims of the paper on SAM-CD hold for a small SAM?",
        "data": "synthetic pairs of mfnet_lite.world; four real pairs of LEVIR-CD and four of DSIFN, 256 x 256 "
        "pixels each",
        "settings": settings(),
        **sam_cd_verdicts.summary(lines),
        "provenance": {
            "command": "python scripts/experiment_sam_cd.py OUT --real FOLDER",
            **provenance(lines),
            "weights_sha256": digest,
            "cpu_seconds": round(sum(line["cpu_seconds"] for line in lines)),
        },
    }
    atomic_text(args.result, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for claim in content["claims"]:
        print(f"{claim['verdict']:22s} {claim['claim']} {claim['sentence']}")


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, sam_cd_runs.STEPS)
    parser.add_argument("--real", type=Path, help="folder of the real tiles")
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
