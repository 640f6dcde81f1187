"""What mixed precision costs MFNet in scores: the same trainings in single precision and in ``bf16-mixed``.

    python -m scripts.benchmarks.mfnet_precision OUT [--seeds 0 1 2 3 4] [--steps 300]

Each seed has its own scenes, crops and initial weights, the same for both; trained models are scored in single
precision on held-out scenes of the procedural world. OUT keeps the scenes and one line for each training, so that a
run which was stopped goes on. Speed and memory are measured by scripts/benchmarks/mfnet.py.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mfnet_lite.training.config import Precision
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import commit
from mfnet_lite.utils.student_intervals import interval
from scripts.benchmarks.common import RESULTS, ROOT, now, one_thread
from scripts.experiments.lines import append_line, read_lines
from scripts.experiments.mfnet.plan import BASE, RATES
from scripts.experiments.mfnet.runs import train_world

PRECISIONS: tuple[Precision, ...] = ("32-true", "bf16-mixed")


def missing(out: Path, seeds: Sequence[int], steps: int) -> list[tuple[int, Precision]]:
    """Return seed and precision of the trainings that have no line yet."""
    done = {
        (x["seed"], x["precision"]) for x in read_lines(out / "runs.jsonl") if x["steps"] == steps
    }
    return [(s, p) for s in seeds for p in PRECISIONS if (s, p) not in done]


def summary(lines: Sequence[dict[str, Any]], steps: int) -> dict[str, Any]:
    """Compare the trainings seed by seed.

    Args:
        lines: One for each training.
        steps: Lines of other lengths do not count.

    Returns:
        mIoU of every seed in both precisions, and the mean of the differences with its 95 % interval.
    """
    values: dict[str, dict[int, float]] = {name: {} for name in PRECISIONS}
    for line in lines:
        if line["steps"] == steps:
            values[line["precision"]][line["seed"]] = line["mIoU"]
    single, mixed = (values[name] for name in PRECISIONS)
    gains = [mixed[seed] - single[seed] for seed in sorted(single.keys() & mixed.keys())]
    low, high = interval(gains)
    return {
        "mIoU": {
            name: {str(s): round(v, 5) for s, v in sorted(values[name].items())}
            for name in PRECISIONS
        },
        "bf16-mixed less 32-true": {
            "mean": round(sum(gains) / len(gains), 5),
            "interval": [round(low, 5), round(high, 5)],
            "seeds": len(gains),
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing and write the file of results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of the scenes and of runs.jsonl")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument(
        "--result", type=Path, default=RESULTS / "mfnet_precision.json", help="file of results"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for seed, precision in missing(options.out, options.seeds, options.steps):
        run = replace(BASE, seed=seed)
        found = train_world(
            run, options.out / "scenes", options.steps, RATES[run.family], precision
        )
        line = {"seed": seed, "precision": precision, "steps": options.steps}
        line["mIoU"] = found["scores"]["mIoU"]
        append_line(options.out / "runs.jsonl", line)
        print(f"seed {seed}, {precision}: mIoU {line['mIoU']:.4f}", flush=True)
    chosen = [x for x in read_lines(options.out / "runs.jsonl") if x["seed"] in options.seeds]
    record = {
        "provenance": {
            "script": "scripts/benchmarks/mfnet_precision.py",
            "commit": commit(ROOT),
            "time": now(),
            "hardware": one_thread(),
            "torch": torch.__version__,
        },
        "setting": {
            "network": "MFNet with MMLoRA on the small SAM, optical and DSM",
            "steps": options.steps,
            "score": "mIoU over five classes, clutter left out, over all test scenes of a seed",
        },
        **summary(chosen, options.steps),
    }
    write_text(options.result, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
