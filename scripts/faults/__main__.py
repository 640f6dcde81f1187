"""Damage files, fill disks, ask for the absurd, kill at random moments, and count how it ended.

    python -m scripts.faults
        the full form: 2,100 damaged files, some 30 kills; writes book/results/faults.json and book/faults.md
    python -m scripts.faults --files 100 --kills 1 --out faults.json
        less of it

Every case must end with the right result or with one sentence; the first that does not stops the run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.provenance import versions
from scripts.benchmarks.common import now, working_tree
from scripts.faults import situations
from scripts.faults.files import targets, try_target
from scripts.faults.inputs import make_inputs
from scripts.faults.kills import kill_often, works
from scripts.faults.page import PAGE, RECORD, table, with_section

KILLS = {
    "training": 1.0,
    "prediction": 1.0,
    "masks": 0.5,
    "writing a world": 1.0,
    "running a chapter": 0.4,
}
"""Kills of each work, as shares of the number asked for: a chapter starts a kernel each time."""


def main() -> None:
    """Run all, print the table and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=2100, help="damaged files")
    parser.add_argument("--kills", type=int, default=8, help="kills of the quick works")
    parser.add_argument("--disks", type=int, default=6, help="sizes of full disks per command")
    parser.add_argument("--seed", type=int, default=0, help="of damages and moments")
    parser.add_argument("--out", type=Path, default=RECORD, help="the record")
    options = parser.parse_args()
    begin, tested = time.perf_counter(), working_tree()  # before anybody changes a file
    with tempfile.TemporaryDirectory() as folder:
        rows = run_all(Path(folder), options)
    record = {
        "date": now(),
        "commit": tested,
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, one thread",
        "versions": versions(),
        "seed": options.seed,
        "seconds": round(time.perf_counter() - begin),
        "rows": rows,
    }
    write_text(options.out, json.dumps(record, indent=1) + "\n")
    if options.out == RECORD:
        write_text(PAGE, with_section(PAGE.read_text(encoding="utf-8"), record))
    print(table(rows))


def run_all(folder: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run every group, one line each.

    Args:
        folder: Scratch.
        options: How much.

    Returns:
        Rows of the table: group, name, cases, done, refused.
    """
    inputs = make_inputs(folder / "inputs")
    out = folder / "out"
    out.mkdir()
    rows: list[dict[str, Any]] = []

    def count(group: str, name: str, work: Callable[[], Counter[str]]) -> None:
        begin = time.perf_counter()
        ends = work()
        rows.append(
            {"group": group, "name": name, "cases": ends.total()} | dict(sorted(ends.items()))
        )
        print(f"{group}: {name}: {dict(ends)} in {time.perf_counter() - begin:.0f} s", flush=True)

    for name, target in targets(inputs, out).items():
        cases = max(1, round(options.files * target.share))
        count("damaged", name, lambda t=target, n=cases: try_target(t, n, options.seed))  # type: ignore[misc]
    situations.empty(out)
    made = {
        "absurd options": situations.absurd_options(inputs, out),
        "odd scenes and labels": situations.odd_scenes(inputs, folder / "odd", out),
        "code in place of weights": situations.pickled_code(inputs, folder / "code", out),
    }
    for name, cases in made.items():
        count("asked", name, lambda c=cases: situations.try_cases(c, out))  # type: ignore[misc]
    count(
        "full disk",
        "maps, polygons, trainings",
        lambda: situations.full_disks(inputs, out, options.disks),
    )
    draw = random.Random(options.seed)
    for name, work in works(inputs).items():
        kills, scratch = max(1, round(options.kills * KILLS[name])), folder / name.replace(" ", "_")
        count("killed", name, lambda w=work, n=kills, s=scratch: kill_often(w, s, n, draw))  # type: ignore[misc]
    return rows


if __name__ == "__main__":
    main()
