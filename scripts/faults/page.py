"""Puts the table of the record into the book's page.

    python -m scripts.faults.page    rewrite book/faults.md from book/results/faults.json

The full form of the suite does this by itself; alone it is of use where the page's text or the form of the table has
changed. Only what stands between the two marks is replaced.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from mfnet_lite.utils.files import write_text
from scripts.book.marked_section import with_marked

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "book" / "faults.md"
RECORD = ROOT / "book" / "results" / "faults.json"
MARKS = ("<!-- from book/results/faults.json -->", "<!-- to here -->")


def section(record: dict[str, Any]) -> str:
    """Say when, where and with what result the suite ran.

    Args:
        record: What the suite wrote.
    """
    made, date = record["versions"], record["date"][:10]
    found = f"{date}, commit `{record['commit'][:12]}`, {record['hardware']}, {record['seconds'] // 60} minutes"
    names = ", ".join(
        f"{name} {made[name]}" for name in ("python", "torch", "rasterio") if name in made
    )
    return f"{MARKS[0]}\n\n{table(record['rows'])}\n\n{found}; {names}; seed {record['seed']}.\n\n{MARKS[1]}"


def table(rows: list[dict[str, Any]]) -> str:
    """Lay rows out as a table in Markdown.

    Args:
        rows: Group, name, number of cases, and how often each end was seen.

    Example:
        >>> print(table([{"group": "damaged", "name": "delta", "cases": 3, "done": 1, "refused": 2}]))
        | What | Cases | Killed | Right result | One sentence | Otherwise |
        |---|---:|---:|---:|---:|---:|
        | damaged: delta | 3 | 0 | 1 | 2 | 0 |
        | all | 3 | 0 | 1 | 2 | 0 |
    """
    lines = [
        "| What | Cases | Killed | Right result | One sentence | Otherwise |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    total: Counter[str] = Counter()
    for row in rows:
        numbers = Counter({key: value for key, value in row.items() if isinstance(value, int)})
        total += numbers
        lines.append(_line(f"{row['group']}: {row['name']}", numbers))
    return "\n".join([*lines, _line("all", total)])


def _line(name: str, row: Counter[str]) -> str:
    """One line; a work that was killed was ended rightly afterwards, and so was one that ended before."""
    right = row["done"] + row["killed"] + row["ended"]
    shown = (
        row["cases"],
        row["killed"],
        right,
        row["refused"],
        row["cases"] - right - row["refused"],
    )
    return f"| {name} | {' | '.join(f'{number:,}' for number in shown)} |"


def with_section(page: str, record: dict[str, Any]) -> str:
    """Return a page with the record's section in place of the one it has.

    Args:
        page: Text of the page.
        record: What the suite wrote.
    """
    return with_marked(page, MARKS, section(record))


def main() -> None:
    """Rewrite the page."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    write_text(PAGE, with_section(PAGE.read_text(encoding="utf-8"), record))


if __name__ == "__main__":
    main()
