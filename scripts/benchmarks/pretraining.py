"""Measure the pre-training beside an earlier commit.

    python -m scripts.benchmarks.pretraining [--base COMMIT] [--out OUT.json]

Both versions run their own ``train`` in a process of their own on one thread, from the same seed on the same stream of
images, and take turns after every few steps. What counts is CPU seconds of the process and of its worker that
draws images, and the ratio within a turn, so that other work on the machine does little harm. The losses of
both are compared step by step. With the defaults this takes five minutes on an idle machine.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "book" / "results" / "pretraining_benchmark.json"
BASE = "683a755"
WARM_UP = 2
"""Steps that are not counted: kernels are compiled, pools of images filled."""
NEEDED = 2.5
"""Times as many windows per CPU second that are the project's goal."""

# name, window, steps planned, windows, new images, prompts, rounds, rates, weight of the dense losses
STAGES = {
    "dense": (128, 1500, 12, 2, 0, 0, 4e-3, 1.5e-3, 1.0),
    "prompts": (128, 1700, 12, 2, 8, 1, 3e-3, 1e-3, 0.5),
    "corrections": (128, 700, 12, 2, 7, 2, 1e-3, 4e-4, 0.5),
    "full size": (256, 580, 4, 1, 4, 3, 5e-4, 1e-5, 0.3),
}
"""The stages of the base."""


def train_in_steps(root: Path, name: str, out: Path) -> None:
    """Train in this process; before every step, print CPU seconds and wait for a line."""
    sys.path[:0] = [str(root), str(root / "scripts")]
    import psutil
    import torch

    # earlier commits kept all scripts in one folder
    moved = (root / "scripts" / "pretraining").is_dir()
    script = importlib.import_module(
        "scripts.pretraining.sam_tiny" if moved else "pretrain_sam_tiny"
    )

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    process, rate = psutil.Process(), script.learning_rate

    def seconds() -> float:
        times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
        return sum(t.user + t.system for t in times)

    def paused(stage: object, step: int) -> float:
        print(f"{step} {seconds()}", flush=True)
        if not sys.stdin.readline():
            os._exit(0)  # the parent has seen enough; the worker that draws images ends with us
        return rate(stage, step)

    script.learning_rate = paused
    script.train(
        out,
        (script.Stage(name, *STAGES[name]),),
        seed=0,
        device=torch.device("cpu"),
        bf16=True,
        init="tiny" if name in ("corrections", "full size") else None,
        log_every=1,
        save_every=10**9,
    )


class Runner:
    """One version under way, paused before a step.

    Attributes:
        seconds: CPU seconds until now.
    """

    def __init__(self, root: Path, name: str, out: Path) -> None:
        self.out = out
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop("PYTHONPATH", None)
        command = [sys.executable, __file__, "--worker", str(root), name, str(out)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        self.seconds = self._read()

    def _read(self) -> float:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line[0].isdigit():
                return float(line.split()[1])
        raise RuntimeError(f"training ended: {self.process.args}")

    def advance(self, steps: int) -> float:
        """Let some steps pass; returns CPU seconds each."""
        assert self.process.stdin is not None
        before = self.seconds
        for _ in range(steps):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self.seconds = self._read()
        return (self.seconds - before) / steps

    def losses(self) -> list[dict[str, float]]:
        """Losses of every step so far."""
        with (self.out / "log.csv").open() as file:
            rows = list(csv.DictReader(file))
        return [{k: float(v) for k, v in row.items() if k != "stage"} for row in rows]

    def end(self) -> None:
        """Stop this version."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def compare(base: Path, name: str, turns: int, steps: int, folder: Path) -> dict:
    """Both versions in one stage."""
    runners = {
        which: Runner(root, name, folder / f"{name} {which}")
        for which, root in (("base", base), ("now", ROOT))
    }
    for runner in runners.values():
        runner.advance(WARM_UP)
    seconds: dict[str, list[float]] = {which: [] for which in runners}
    for turn in range(turns):
        for which in sorted(runners, reverse=turn % 2 == 1):
            seconds[which].append(runners[which].advance(steps))
    ratios = [b / n for b, n in zip(seconds["base"], seconds["now"], strict=True)]
    windows = STAGES[name][2]
    losses = {which: runner.losses() for which, runner in runners.items()}
    for runner in runners.values():
        runner.end()
    return {
        "windows_a_step": windows,
        "turns": turns,
        "steps_a_turn": steps,
        "windows_per_cpu_second": {
            which: windows / statistics.median(values) for which, values in seconds.items()
        },
        "ratio": statistics.median(ratios),
        "ratio_spread": [min(ratios), max(ratios)],
        "ratio_quartiles": statistics.quantiles(ratios, n=4) if turns > 1 else ratios,
        "losses": loss_table(losses),
    }


def loss_table(losses: dict[str, list[dict[str, float]]], parts: int = 5) -> list[dict]:
    """Mean loss of both versions in each part of the run, and how much a single step's loss varies there."""
    steps = min(len(rows) for rows in losses.values())
    parts = max(1, min(parts, steps // 2))  # a deviation needs two values
    table = []
    for part in range(parts):
        some = slice(part * steps // parts, (part + 1) * steps // parts)
        values = {which: [row["loss"] for row in rows[some]] for which, rows in losses.items()}
        pairs = [n - b for b, n in zip(values["base"], values["now"], strict=True)]
        table.append(
            {
                "steps": [some.start + 1, some.stop],
                **{which: round(statistics.fmean(v), 4) for which, v in values.items()},
                "mean_difference": round(statistics.fmean(pairs), 4),
                "standard_error": round(statistics.stdev(pairs) / len(pairs) ** 0.5, 4),
            }
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--base", default=BASE, help="commit to compare with")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--steps", type=int, default=3, help="steps a turn")
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    if arguments.worker:
        root, name, out = arguments.worker
        train_in_steps(Path(root), name, Path(out))
        return
    import torch

    from mfnet_lite.utils.files import write_text
    from scripts.benchmarks.common import check_out, now, one_thread, working_tree

    results = {}
    if arguments.out.exists():  # stages may be measured one at a time
        results = json.loads(arguments.out.read_text())["results"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        base = check_out(arguments.base, folder / "base")
        for name in arguments.stages:
            results[name] = compare(base, name, arguments.turns, arguments.steps, folder)
            row = results[name]
            print(f"{name}: {row['ratio']:.2f} times {row['ratio_spread']}", flush=True)
            provenance = {
                "script": "scripts/benchmarks/pretraining.py",
                "commit": working_tree(),
                "base": arguments.base,
                "time": now(),
                "hardware": one_thread(),
                "torch": torch.__version__,
                "compiler": shutil.which("c++") is not None,
                "needed": NEEDED,
                "seconds": "CPU seconds of the process and of its worker that draws images",
            }
            record = {"provenance": provenance, "results": results}
            write_text(arguments.out, json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
