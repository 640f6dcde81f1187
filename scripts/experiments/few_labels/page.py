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

from mfnet_lite.plotting.records import with_minus
from mfnet_lite.utils.counted_nouns import with_plain_counts
from mfnet_lite.utils.files import write_text
from scripts.book.marked_section import with_marked
from scripts.experiments.claims import FEWEST, Claim, how_missed, in_points
from scripts.experiments.few_labels.plan import (
    BRIGHT,
    CHANGES,
    FAST,
    FEATURES,
    FEW,
    IMAGENET,
    LARGE_FORMER,
    LONGER_FORMER,
    NEIGHBOURHOOD,
    PIXELS,
    PLACES,
    RANDOM,
    SAM_CD,
    STEADY,
    STEADY_FAST,
    UNET,
    UNET_HALF,
    UNMOVED,
    Run,
)
from scripts.experiments.few_labels.verdicts import (
    CHANGE,
    FORMER,
    FORMER_FAST,
    FORMER_FAST_RANDOM,
    FORMER_RANDOM,
    FORMER_STEADY,
    JITTERED_FAST,
    LARGE_FAST,
    LONGER_RECIPE,
    MFNET_FAST,
    MFNET_HALF,
    MFNET_STEADY,
    OLD_RECIPE,
    PLACE,
    RECIPE,
    UNET_FULL,
    at,
    score_in,
)

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "book" / "few_labels.md"
RECORD = ROOT / "book" / "results" / "few_labels_experiments.json"
MARKS = ("<!-- from book/results/few_labels_experiments.json -->", "<!-- to here -->")

JOINED = "\N{WORD JOINER}"

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
    Way("forest on a frozen EfficientNet", FEATURES),
    Way("U-Net", UNET),
    Way("U-Net, class balance 0.5", UNET_HALF),
    Way("U-Net, class balance 1", UNET_FULL),
    Way("UNetFormer from ImageNet, 0.5", FORMER),
    Way("UNetFormer from random, 0.5", FORMER_RANDOM),
    Way("MFNet on the small SAM, 0.5", MFNET_HALF),
)
STEADY_WAYS = (
    Way("U-Net", STEADY),
    Way("U-Net, no quarter turns", UNMOVED),
    Way("U-Net, rate 0.01", STEADY_FAST),
    Way("U-Net, rate 0.01, no quarter turns", replace(UNMOVED, rate=FAST)),
    Way("U-Net, rate 0.01, crops of 96 pixels", LARGE_FAST),
    Way("U-Net, rate 0.01, class balance 0", replace(STEADY_FAST, balance=0.0)),
    Way("U-Net, rate 0.01, class balance 1", replace(STEADY_FAST, balance=1.0)),
    Way("UNetFormer from ImageNet", FORMER_STEADY),
    Way("UNetFormer from ImageNet, rate 0.01", FORMER_FAST),
    Way("UNetFormer from ImageNet, rate 0.01, crops of 96 pixels", LARGE_FORMER),
    Way("the same, 600 steps", LONGER_FORMER),
    Way("UNetFormer from random, rate 0.01", FORMER_FAST_RANDOM),
    Way("MFNet on the small SAM", MFNET_STEADY),
    Way("MFNet on the small SAM, rate 0.01", MFNET_FAST),
)
BRIGHT_WAYS = (
    Way("forest on pixels", PIXELS),
    Way("forest on smoothed bands", NEIGHBOURHOOD),
    Way("U-Net with jitter, rate 0.01", JITTERED_FAST),
    Way("U-Net, rate 0.01", STEADY_FAST),
    Way("UNetFormer from ImageNet, rate 0.01", FORMER_FAST),
    Way("MFNet on the small SAM", MFNET_STEADY),
)
CHANGE_WAYS = (
    Way("forest on pixels", PIXELS),
    Way("U-Net", UNET),
    Way("SAM-CD on the small SAM", SAM_CD),
    Way("SAM-CD on EfficientNet, ImageNet", replace(SAM_CD, encoder=IMAGENET)),
    Way("SAM-CD on EfficientNet, random", replace(SAM_CD, encoder=RANDOM)),
    Way("U-Net, no jitter", replace(UNET, jitter=0.0)),
    Way("SAM-CD on the small SAM, no jitter", replace(SAM_CD, jitter=0.0)),
    Way(
        "SAM-CD on EfficientNet, ImageNet, no jitter", replace(SAM_CD, encoder=IMAGENET, jitter=0.0)
    ),
)
TILE_WAYS = (
    Way("forest on pixels", PIXELS),
    Way("U-Net, rate 0.01", STEADY_FAST),
    Way("UNetFormer from ImageNet, rate 0.01", FORMER_FAST),
)


def cell(record: Record, run: Run, score: str) -> str:
    """Mean of a score over the seeds, with the smallest and the largest, in points; empty where it was not measured.

    A line may break before the bracket, not inside: cells stay narrow enough for a telephone, and ranges whole.
    """
    row = record["rows"].get(run.row)
    if row is None or row["n"] < FEWEST or score not in row["scores"]:
        return ""
    values = row["scores"][score]["values"].values()
    mean, low, high = (100 * x for x in (row["scores"][score]["mean"], min(values), max(values)))
    return f"{mean:.1f} ({low:.0f}{JOINED}–{JOINED}{high:.0f})"


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


def by_place(record: Record, head: str, ways: Sequence[Way], score: str = "") -> str:
    """A table of configurations by place, of the usual score if none is named."""
    lines = [
        [way.name, *(cell(record, at(way.run, p), score or score_in(p)) for p in PLACES)]
        for way in ways
    ]
    return table([head, *(PLACE[p] for p in PLACES)], lines)


def tables(record: Record) -> list[str]:
    """Return the tables that the record has numbers for."""
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
        by_place(record, "mIoU in points, mean of the seeds (range)", MAP_WAYS),
        by_place(record, "mIoU, no brightness jitter, class balance 0.5", STEADY_WAYS),
        by_place(record, "mIoU, images a quarter brighter", BRIGHT_WAYS, BRIGHT),
        table(["F1 of changed pixels, points", *(PLACE[d, False] for d in CHANGES)], changes),
    ]
    if any(any(line[1:-1]) for line in tiles):
        numbers = [f"{k} tile{'s' if k > 1 else ''}" for k in FEW]
        found.append(table(["mIoU on Vaihingen", *numbers, "all 8"], tiles))
    return [one for one in found if one.count("\n") > 1]


def verdict(claim: Record) -> str:
    """A verdict in a cell: its word, the difference in points, its interval."""
    if claim["verdict"] == "not measured":
        return ""
    low, high = claim["interval"]
    word = "**holds**" if claim["verdict"] == "holds" else how_missed(high, claim["margin"])
    star = "\\*" if claim["hangs_on_one_seed"] else ""
    mean = 100 * claim["difference"]
    return with_minus(f"{word}{star} {mean:+.1f} ({in_points(low)} to {in_points(high)})")


def verdicts(record: Record, claims: Sequence[Claim], head: str) -> str:
    """A table of claims by place; the same words in several places are one row."""
    found = {claim["name"]: claim for claim in record["claims"]}
    rows: dict[str, dict[str, str]] = {}
    for claim in claims:
        place, _, words = claim.claim.partition(": ")
        rows.setdefault(words[:1].upper() + words[1:], {})[place] = verdict(found[claim.name])
    places = list(dict.fromkeys(place for row in rows.values() for place in row))
    lines = [[words, *(row.get(place, "") for place in places)] for words, row in rows.items()]
    return table([head, *places], lines)


def section(record: Record) -> str:
    """Tables, verdicts, and where they come from."""
    made = record["provenance"]
    commits = ", ".join(f"`{commit}`" for commit in made["commits"])
    told = (
        f"{made['runs']} trainings, {made['cpu_seconds'] // 60} minutes of one core; "
        f"{', '.join(made['dates'])}, commit {commits}, {with_plain_counts(', '.join(made['hardware']))}; "
        f"torch {made['versions']['torch']}."
    )
    judged = [
        verdicts(record, OLD_RECIPE, "With brightness jitter, at the usual rates"),
        verdicts(record, RECIPE, "Without brightness jitter, networks at rate 0.01"),
        verdicts(record, LONGER_RECIPE, "Without brightness jitter, larger crops and more steps"),
        verdicts(record, CHANGE, "Pairs of images"),
    ]
    parts = [
        *tables(record),
        *(one for one in judged if one.count("\n") > 1),
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
