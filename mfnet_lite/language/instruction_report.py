"""What a check of dialogues found, and its tables on a terminal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mfnet_lite.rasters.tiles import Problem
from mfnet_lite.utils.counted_nouns import counted

__all__ = ["InstructionReport", "Lengths"]

SHOWN = 40
"""Problems listed one by one."""


@dataclass
class Lengths:
    """Lengths of texts, counted in words, digits and marks.

    Attributes:
        questions: Of each question.
        answers: Of each answer.
    """

    questions: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class InstructionReport:
    """What the check of dialogues found.

    Attributes:
        root: The folder.
        kind: ``instructions``, or the format of the source.
        dialogues: How many could be read.
        counts: Pairs of question and answer by split, sensor and task.
        lengths: By task.
        dialogue_lengths: Of each dialogue, question and answers together.
        problems: Everything wrong.
        notes: What is no fault.
    """

    root: Path
    kind: str
    dialogues: int = 0
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    lengths: dict[str, Lengths] = field(default_factory=dict)
    dialogue_lengths: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def render(self, console: Console) -> None:
        """Print the tables.

        Args:
            console: Where to.
        """
        if self.counts:
            console.print(self._counts())
            console.print(self._lengths())
        for note in self.notes:
            console.print(f"note: {note}", markup=False)
        if self.ok:
            console.print(
                f"{self.root}: nothing wrong in {counted(self.dialogues, 'dialogue')}", markup=False
            )
            return
        left = len(self.problems) - SHOWN
        table = Table(
            title=counted(len(self.problems), "problem"),
            title_justify="left",
            caption=f"and {left} more" if left > 0 else None,
        )
        for name in ("file", "problem", "remedy"):
            table.add_column(name, overflow="fold")
        for problem in self.problems[:SHOWN]:
            inside = problem.file.is_relative_to(self.root) and problem.file != self.root
            file = problem.file.relative_to(self.root) if inside else problem.file
            table.add_row(escape(str(file)), escape(problem.problem), escape(problem.remedy))
        console.print(table)

    def _counts(self) -> Table:
        table = Table(
            title=f"{escape(str(self.root))} ({self.kind}, {self.dialogues} dialogues)",
            title_justify="left",
        )
        table.add_column("sensor")
        table.add_column("task")
        splits = list(dict.fromkeys(split for split, _, _ in self.counts))
        for split in splits:
            table.add_column(split, justify="right")
        for sensor in sorted({sensor for _, sensor, _ in self.counts}):
            for task in self.lengths:
                row = [self.counts[split, sensor, task] for split in splits]
                if any(row):
                    table.add_row(sensor, task, *(f"{count:,}" for count in row))
        return table

    def _lengths(self) -> Table:
        table = Table(
            title="words, digits and marks",
            title_justify="left",
            caption=f"dialogues: {_summary(self.dialogue_lengths)}",
        )
        table.add_column("task")
        table.add_column("question", justify="right")
        table.add_column("answer", justify="right")
        for task, lengths in self.lengths.items():
            table.add_row(task, _summary(lengths.questions), _summary(lengths.answers))
        return table


def _summary(lengths: list[int] | tuple[int, ...]) -> str:
    return f"mean {mean(lengths):.1f}, longest {max(lengths)}" if lengths else "none"
