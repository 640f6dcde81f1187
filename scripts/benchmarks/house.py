"""Measure what the library costs beside an earlier commit: importing it, its command line, training, prediction.

    python -m scripts.benchmarks.house --base 683a755            nine turns, minutes
    python -m scripts.benchmarks.house --base 683a755 --tests    the library's tests as well, once each

The base is unpacked into a temporary folder. Both trees take turns, each turn in the other order, on one thread; what
counts is the median over the turns of the ratio now / base within a turn, in CPU seconds, so that other work on the
machine does little harm. A first run of everything is not counted: files are compiled and caches filled. A training
step is one of MFNet on the small SAM with 4 pairs of 128 pixels, a scene has 512 × 512 pixels and two sensors.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import versions
from scripts.benchmarks.common import RESULTS, ROOT, check_out, now, one_thread, working_tree
from scripts.benchmarks.large_scene import write_large

BASE = "683a755"
TURNS, FEWEST = 9, 7
SCENE = 512
WORKER = ROOT / "scripts" / "benchmarks" / "house_worker.py"
COMMANDS = {
    "import mfnet_lite": ("-c", "import mfnet_lite"),
    "mfnet-lite --help": ("-m", "mfnet_lite.cli", "--help"),
}
TESTS = {"library's tests": ("-m", "pytest", "-q", "-m", "not book", "-p", "no:cacheprovider")}
WORK = {"training step": "training step", "scene of 512 pixels": "scene"}

Measure = Callable[[], float]


@dataclass(frozen=True)
class Tree:
    """One version of the library.

    Attributes:
        root: Its files.
        folder: Where it works; empty at first.
    """

    root: Path
    folder: Path

    def environment(self) -> dict[str, str]:
        """Return the environment of a process that imports this version, on one thread."""
        one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        return {**os.environ, **one, "PYTHONPATH": str(self.root)}


def whole_process(tree: Tree, words: Sequence[str], folder: Path | None = None) -> float:
    """Run Python in a process of its own.

    Args:
        tree: Whose library is used.
        words: The command line.
        folder: Where the process runs; the tree's own without.

    Returns:
        CPU seconds of the process and of those that it waited for.

    Raises:
        RuntimeError: If it fails.
    """
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=folder or tree.folder,
        env=tree.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{tree.root}: python {' '.join(words)} failed ({process.returncode})")
    return usage.ru_utime + usage.ru_stime


class Worker:
    """A process that does the same work again and again.

    Args:
        tree: Whose library is used.
        case: Name of the work in house_worker.py.
        data: Folder of the scene.
    """

    def __init__(self, tree: Tree, case: str, data: Path) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), case, str(tree.root), str(data)],
            cwd=tree.folder, env=tree.environment(), stdin=pipe, stdout=pipe, text=True,
        )  # fmt: skip
        self._read()

    def _read(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            self.end()
            words = " ".join(map(str, self.process.args))
            raise RuntimeError(f"{words} ended: see its message above")
        return line

    def __call__(self) -> float:
        """Do the work once and return its CPU seconds."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._read())

    def end(self) -> None:
        """Let the process end."""
        self.process.communicate()


def take_turns(measures: Mapping[str, Measure], turns: int) -> dict[str, list[float]]:
    """Measure both trees in turn, every second turn in the other order.

    Args:
        measures: What gives the CPU seconds of ``"base"`` and of ``"now"``.
        turns: How often.
    """
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(turns):
        for name in sorted(measures, reverse=turn % 2 == 1):
            seconds[name].append(measures[name]())
    return seconds


def row(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Sum up one case.

    Args:
        seconds: CPU seconds of each turn of ``"base"`` and ``"now"``.

    Example:
        >>> row({"base": [1.0, 2.0, 4.0], "now": [2.0, 1.0, 4.0]})["ratio"]
        1.0
    """
    ratios = [n / b for b, n in zip(seconds["base"], seconds["now"], strict=True)]
    return {
        "turns": len(ratios),
        "ratio": round(statistics.median(ratios), 4),
        "ratio_spread": [round(min(ratios), 4), round(max(ratios), 4)],
        "ratio_quartiles": [round(q, 4) for q in statistics.quantiles(ratios, n=4)]
        if len(ratios) > 1
        else None,
        "cpu_seconds": {name: round(statistics.median(v), 4) for name, v in seconds.items()},
    }


def compare(base: Path, folder: Path, turns: int, tests: bool) -> dict[str, Any]:
    """Measure all cases.

    Args:
        base: Files of the earlier commit.
        folder: For what is written.
        turns: Of every case; the tests run once.
        tests: Whether to run the library's tests of both trees, too.

    Returns:
        A row per case.
    """
    trees = {name: Tree(root, folder / name) for name, root in (("base", base), ("now", ROOT))}
    for tree in trees.values():
        tree.folder.mkdir()
    rows: dict[str, Any] = {}

    def add(case: str, measures: Mapping[str, Measure], times: int) -> None:
        rows[case] = row(take_turns(measures, times))
        print(f"{case}: {rows[case]['ratio']:.2f} {rows[case]['ratio_spread']}", flush=True)

    for case, words in COMMANDS.items():
        measures = {n: lambda t=t, w=words: whole_process(t, w) for n, t in trees.items()}
        take_turns(measures, 1)
        add(case, measures, turns)
    data = folder / "scene"
    write_large(data, SCENE, quiet=True)
    for case, work in WORK.items():
        workers = {name: Worker(tree, work, data) for name, tree in trees.items()}
        try:
            add(case, workers, turns)
        finally:
            for worker in workers.values():
                worker.end()
    if tests:
        for case, words in TESTS.items():
            measures = {
                n: lambda t=t, w=words: whole_process(t, w, t.root) for n, t in trees.items()
            }
            add(case, measures, 1)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the table.

    Args:
        arguments: The words of the command line; those of this process if None.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--base", default=BASE, help="commit to compare with")
    parser.add_argument("--turns", type=int, default=TURNS, help="how often the two take turns")
    parser.add_argument("--tests", action="store_true", help="run the library's tests, too")
    parser.add_argument(
        "--out", type=Path, default=RESULTS / "house_benchmark.json", help="file of results"
    )
    options = parser.parse_args(arguments)
    if options.out == RESULTS / "house_benchmark.json" and options.turns < FEWEST:
        parser.error(f"--turns {options.turns}: expected {FEWEST} or more, or another --out")
    commit = working_tree()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        base = check_out(options.base, folder / "base_files")
        rows = compare(base, folder, options.turns, options.tests)
    content = {
        "question": "What do importing, starting, training and predicting cost beside an earlier commit?",
        "results": rows,
        "provenance": {
            "script": "scripts/benchmarks/house.py",
            "commit": commit,
            "base": options.base,
            "time": now(),
            "hardware": one_thread(),
            "versions": versions(),
            "data": "random crops; a made scene of 512 x 512 pixels",
            "model": "MFNet on the small SAM",
            "ratio": "now / base within a turn: median, smallest and largest",
            "seconds": "CPU seconds, so that other work on the machine counts little",
        },
    }
    write_text(options.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
