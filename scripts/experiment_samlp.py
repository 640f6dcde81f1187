"""Experiments with SamLP on the small SAM: many short trainings, one line of results each.

    python scripts/experiment_samlp.py OUT                train what OUT/runs.jsonl does not hold yet
    python scripts/experiment_samlp.py OUT --summarise    sum up to book/results/samlp_experiments.json
    python scripts/experiment_samlp.py OUT --list         print the plan and what is done

A run may be stopped at any moment and started again, and two processes may share a folder: a line is written
when its training has been scored. Lines made with other weights of the small SAM, other pictures or
another number of steps do not count. The plan is in samlp_plan.py, one training in samlp_runs.py, the
rules of the verdicts, written before the runs, in samlp_verdicts.py.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import samlp_runs
import samlp_verdicts
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
from samlp_plan import SEEDS, plan

from mfnet_lite.training.state import atomic_text

RESULT = ROOT / "book" / "results" / "samlp_experiments.json"


def valid(path: Path, marks: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines whose weights, pictures and steps are these."""
    return [
        line
        for line in read_lines(path)
        if made_with(line, marks["weights_sha256"])
        and line["pictures_sha256"] == marks["pictures_sha256"]
        and line["steps"] == round(marks["steps"] * line["run"].get("effort", 1.0))
    ]


def claim_key(folder: Path, key: str) -> bool:
    """Take a run for this process, so that another on the same folder leaves it alone.

    A process that was killed leaves its mark behind; a mark of an hour ago counts no more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / (key.replace(" ", "_") + ".taken")
    if mark.exists() and time.time() - mark.stat().st_mtime > 3600:
        mark.unlink()
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def work(args: argparse.Namespace) -> None:
    """Train what is missing, in the order of the plan."""
    path, taken = args.out / "runs.jsonl", args.out / "taken"
    marks = {
        "weights_sha256": weights(),
        "pictures_sha256": samlp_runs.digest(args.out),
        "steps": args.steps,
    }
    done = {line["key"] for line in valid(path, marks)}
    todo = [(g, r) for g, r in plan(tuple(args.seeds), args.only) if r.key not in done]
    print(f"{len(done)} runs done, {len(todo)} to do", flush=True)
    begun = time.monotonic()
    for number, (group, run) in enumerate(todo, start=1):
        if args.limit and time.monotonic() - begun > args.limit:
            print("the time given is over", flush=True)
            return
        if run.key in {line["key"] for line in valid(path, marks)} or not claim_key(taken, run.key):
            continue
        start, cpu = time.perf_counter(), time.process_time()
        try:
            result = samlp_runs.do(run, args.out, args.steps)
            line = {
                "key": run.key, "row": run.row, "seed": run.seed, "group": group, **result,
                "seconds": round(time.perf_counter() - start, 2),
                "all_cpu_seconds": round(time.process_time() - cpu, 2),
                "run": asdict(run), **marks, "steps": result["steps"],
                "weights_sha256": marks["weights_sha256"] if run.needs_weights else ANY,
                **stamp(),
            }  # fmt: skip
            append_line(path, line)
        finally:
            (taken / (run.key.replace(" ", "_") + ".taken")).unlink(missing_ok=True)
        scores = {stage: round(s["AP50"], 3) for stage, s in result["stages"].items()}
        print(
            f"[{number}/{len(todo)}] {run.key}: AP50 {scores}, {line['seconds']:.0f} s", flush=True
        )


def summarise(args: argparse.Namespace) -> None:
    """Write the file of results from the lines so far."""
    path = args.out / "runs.jsonl"
    lines = list(read_lines(path))
    if not lines:
        raise SystemExit(f"{path} holds no line yet; start the runs first")
    marks = {
        "weights_sha256": weights(),
        "pictures_sha256": lines[-1]["pictures_sha256"],
        "steps": args.steps,
    }
    lines = valid(path, marks)
    content = {
        "question": "Does SamLP find plates with few pictures, and can it still be prompted, on a small SAM?",
        "data": "synthetic pictures of mfnet_lite.world.plates; no number here is comparable with "
        "UFPR-ALPR, CCPD, CRPD or AOLP",
        "settings": samlp_runs.shared(),
        **samlp_verdicts.summary(lines),
        "provenance": {
            "command": "python scripts/experiment_samlp.py OUT",
            **provenance(lines),
            **marks,
            "cpu_seconds": round(sum(line["all_cpu_seconds"] for line in lines)),
        },
    }
    atomic_text(args.result, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    for claim in content["claims"]:
        print(f"{claim['verdict']:20s} {claim['claim']} {claim['sentence']}")


def main() -> None:
    parser = command_line(__doc__, RESULT, SEEDS, samlp_runs.STEPS)
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
