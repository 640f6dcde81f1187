"""Puts the tables of the record into the book's page.

    python -m scripts.experiments.few_labels.page            rewrite book/few_labels.md from its record
    python -m scripts.experiments.few_labels.page --check    fail if the page is not what the record says

Only what stands between the two marks is replaced. A configuration without three seeds yet is left out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mfnet_lite.utils.files import write_text
from scripts.book.marked_section import with_marked
from scripts.experiments.claims import FEWEST
from scripts.experiments.few_labels.plan import (
    CHANGES,
    FEW,
    IMAGENET,
    NEIGHBOURHOOD,
    PIXELS,
    PLACES,
    RANDOM,
    SAM_CD,
    UNET,
    UNET_HALF,
    Run,
)
from scripts.experiments.few_labels.verdicts import (
    FORMER,
    FORMER_RANDOM,
    MFNET_HALF,
    PLACE,
    UNET_FULL,
    at,
    score_in,
)

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "book" / "few_labels.md"
RECORD = ROOT / "book" / "results" / "few_labels_experiments.json"
MARKS = ("<!-- from book/results/few_labels_experiments.json -->", "<!-- to here -->")

Record = dict[str, Any]


class Way(NamedTuple):
    """A row of a table.

    Args:
        name: In words.
        run: Its configuration.
    """

    name: str
    run: Run


MAP_WAYS = (
    Way("forest on pixels", PIXELS),
    Way("forest on smoothed bands", NEIGHBOURHOOD),
    Way("U-Net", UNET),
    Way("U-Net, class balance 0.5", UNET_HALF),
    Way("U-Net, class balance 1", UNET_FULL),
    Way("UNetFormer from ImageNet, 0.5", FORMER),
    Way("UNetFormer from random, 0.5", FORMER_RANDOM),
    Way("MFNet on the small SAM, 0.5", MFNET_HALF),
)
CHANGE_WAYS = (
    Way("forest on pixels", PIXELS),
    Way("U-Net", UNET),
    Way("SAM-CD on the small SAM", SAM_CD),
    Way("SAM-CD on EfficientNet, ImageNet", replace(SAM_CD, encoder=IMAGENET)),
    Way("SAM-CD on EfficientNet, random", replace(SAM_CD, encoder=RANDOM)),
)
TILE_WAYS = (
    Way("forest on smoothed bands", NEIGHBOURHOOD),
    Way("U-Net, class balance 0.5", UNET_HALF),
    Way("UNetFormer from ImageNet, 0.5", FORMER),
)


def cell(record: Record, run: Run, score: str) -> str:
    """Mean of a score over the seeds, with the smallest and the largest; empty where it was not measured."""
    row = record["rows"].get(run.row)
    if row is None or row["n"] < FEWEST:
        return ""
    values = row["scores"][score]["values"].values()
    return f"{row['scores'][score]['mean']:.3f} ({min(values):.2f}–{max(values):.2f})"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lay rows out in Markdown; rows and columns without a number are left out.

    Example:
        >>> print(table(["way", "here", "there"], [["a", "0.5", ""], ["b", "", ""]]))
        | way | here |
        |---|--:|
        | a | 0.5 |
    """
    kept = [line for line in lines if any(line[1:])]
    columns = [0, *(k for k in range(1, len(head)) if any(line[k] for line in kept))]
    rows = [[line[k] for k in columns] for line in (head, *kept)]
    ruled = [rows[0], ["---", *["--:"] * (len(columns) - 1)], *rows[1:]]
    return "\n".join(
        f"|{'|'.join(cells)}|" if cells[0] == "---" else f"| {' | '.join(cells)} |"
        for cells in ruled
    )


def tables(record: Record) -> list[str]:
    """Return the tables that the record has numbers for."""
    maps = [
        [way.name, *(cell(record, at(way.run, p), score_in(p)) for p in PLACES)] for way in MAP_WAYS
    ]
    changes = [
        [way.name, *(cell(record, replace(way.run, data=d), "F1") for d in CHANGES)]
        for way in CHANGE_WAYS
    ]
    tiles = [
        [
            way.name,
            *(cell(record, replace(way.run, data="vaihingen", tiles=k), "mIoU") for k in (*FEW, 0)),
        ]
        for way in TILE_WAYS
    ]
    found = [
        table(["mIoU, mean of the seeds (range)", *(PLACE[p] for p in PLACES)], maps),
        table(["F1 of changed pixels", *(PLACE[d, False] for d in CHANGES)], changes),
    ]
    if any(any(line[1:-1]) for line in tiles):
        numbers = [f"{k} tile{'s' if k > 1 else ''}" for k in FEW]
        found.append(table(["Vaihingen, mIoU", *numbers, "all 8"], tiles))
    return [one for one in found if one.count("\n") > 1]


def verdicts(record: Record) -> str:
    """Return a line for each claim that was measured."""
    lines = []
    for claim in record["claims"]:
        if claim["verdict"] != "not measured":
            star = " One seed decides." if claim["hangs_on_one_seed"] else ""
            verdict, told = claim["sentence"].split(":", 1)
            lines.append(f"- {claim['claim']} **{verdict}:**{told}{star}")
    return "\n".join(lines)


def section(record: Record) -> str:
    """Tables, verdicts, and where they come from."""
    made = record["provenance"]
    commits = ", ".join(f"`{commit}`" for commit in made["commits"])
    told = (
        f"{made['runs']} trainings, {made['cpu_seconds'] // 60} minutes of one core; "
        f"{', '.join(made['dates'])}, commit {commits}, {', '.join(made['hardware'])}; "
        f"torch {made['versions']['torch']}."
    )
    parts = [
        *tables(record),
        verdicts(record),
        f"Rule: {record['rule']}; {record['multiplicity']}.",
        told,
    ]
    body = "\n\n".join(parts)
    return f"{MARKS[0]}\n\n{body}\n\n{MARKS[1]}"


def with_section(page: str, record: Record) -> str:
    """Return a page with the record's section in place of the one it has."""
    return with_marked(page, MARKS, section(record))


def main() -> None:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if it differs")
    args = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    wanted = with_section(page, json.loads(RECORD.read_text(encoding="utf-8")))
    if args.check:
        sys.exit(None if page == wanted else f"{PAGE.name} is not what {RECORD.name} says; run me")
    write_text(PAGE, wanted)


if __name__ == "__main__":
    main()
