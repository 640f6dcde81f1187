"""What the check of a dataset found, and its tables on a terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mfnet_lite.rasters.tiles import Problem
from mfnet_lite.utils.counted_nouns import counted

__all__ = ["CheckReport", "Row"]


@dataclass(frozen=True)
class Row:
    """A tile as found.

    Attributes:
        split: Its split.
        tile: Its id.
        bands: Per sensor, such as ``"3 x uint8"``.
        size: Rows and columns of the first sensor, None if unreadable.
        crs: Coordinate system such as ``"EPSG:2154"``, or ``"none"``.
        counts: Pixels per class index; the ignored ones under ``ignore_index``.
    """

    split: str
    tile: str
    bands: dict[str, str]
    size: tuple[int, int] | None
    crs: str
    counts: dict[int, int]


@dataclass(frozen=True)
class CheckReport:
    """What :func:`check_dataset` found.

    Attributes:
        root: The dataset.
        kind: Which reader opened it; empty if none could.
        classes: Names of the classes.
        ignore_index: Label of pixels that do not count.
        rows: A row per tile.
        problems: Everything wrong.
        notes: Choices of the reader, which are no faults.
    """

    root: Path
    kind: str
    classes: tuple[str, ...]
    ignore_index: int
    rows: tuple[Row, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def counts(self) -> dict[str, Counter[int]]:
        """Count the classes of each split.

        Returns:
            Split → class index → pixels.
        """
        total: dict[str, Counter[int]] = {}
        for row in self.rows:
            total.setdefault(row.split, Counter()).update(row.counts)
        return total

    def render(self, console: Console, max_rows: int = 60) -> None:
        """Print the tables.

        Args:
            console: Where to.
            max_rows: Tiles listed one by one; class counts always cover all.
        """
        _render(self, console, max_rows)


def _render(report: CheckReport, console: Console, max_rows: int = 60) -> None:
    """Print tiles, pixels per class, notes and problems.

    Args:
        report: What was found.
        console: Where to.
        max_rows: Tiles listed one by one.
    """
    if report.rows:
        console.print(_tiles(report, max_rows))
        console.print(_classes(report))
    for note in report.notes:
        console.print(f"note: {note}", markup=False)
    if report.ok:
        console.print(f"{report.root}: nothing wrong in {_tile_words(report)}", markup=False)
        return
    table = Table(title=counted(len(report.problems), "problem"), title_justify="left")
    table.add_column("file", overflow="fold")
    table.add_column("problem", overflow="fold")
    table.add_column("remedy", overflow="fold")
    for problem in report.problems:
        inside = problem.file.is_relative_to(report.root) and problem.file != report.root
        name = problem.file.relative_to(report.root) if inside else problem.file
        table.add_row(escape(str(name)), escape(problem.problem), escape(problem.remedy))
    console.print(table)


def _tile_words(report: CheckReport) -> str:
    return f"{len(report.rows)} tile{'s' * (len(report.rows) != 1)}"


def _tiles(report: CheckReport, max_rows: int) -> Table:
    shown = report.rows[:max_rows]
    left = len(report.rows) - len(shown)
    table = Table(
        title=f"{escape(str(report.root))} ({report.kind}, {_tile_words(report)})",
        title_justify="left",
        caption=f"and {left} more" if left else None,
    )
    for name in ("split", "tile", "bands", "size", "CRS", "labelled"):
        table.add_column(name, justify="right" if name in ("size", "labelled") else "left")
    for row in shown:
        total = sum(row.counts.values())
        kept = total - row.counts.get(report.ignore_index, 0)
        table.add_row(
            row.split,
            escape(row.tile),
            ", ".join(f"{name} {bands}" for name, bands in row.bands.items()),
            "unreadable" if row.size is None else f"{row.size[0]} x {row.size[1]}",
            row.crs,
            f"{100 * kept / total:.1f} %" if total else "no label",
        )
    return table


def _classes(report: CheckReport) -> Table:
    counts = report.counts()
    table = Table(title="pixels per class", title_justify="left")
    table.add_column("class")
    for split in counts:
        table.add_column(split, justify="right")
    named = {index: f"{index} {name}" for index, name in enumerate(report.classes)}
    ignored = named.get(report.ignore_index)  # a class that counts as not labelled has one row, too
    named[report.ignore_index] = f"{ignored} (not labelled)" if ignored else "not labelled"
    for index, name in named.items():
        table.add_row(escape(name), *(f"{found[index]:,}" for found in counts.values()))
    return table
