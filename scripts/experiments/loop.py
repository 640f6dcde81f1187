"""The loop that all experiments share: train what is missing, list the plan, sum up the lines.

A script describes its trainings in an :class:`Experiment`; lines, stamps and weights are in experiment_lines.py.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mfnet_lite.utils.files import write_text
from scripts.experiments.lines import (
    ANY,
    append_line,
    made_with,
    provenance,
    read_lines,
    stamp,
    weights,
)

Line = dict[str, Any]
Plan = Callable[[tuple[int, ...], str], Iterator[tuple[str, Any]]]

STALE = 3600.0
"""Seconds after which the mark of a process that was killed counts no more."""


def planned_steps(line: Line, args: argparse.Namespace) -> bool:
    """Whether a line was trained for as many steps as its name says."""
    return bool(line["steps"] == round(args.steps * line["run"].get("effort", 1.0)))


def scaled_like(line: Line, scaling: str) -> bool:
    """Whether heights were scaled like this; the first lines, without a word on it, had metres above ground."""
    return bool(line.get("scaling", "ground") == scaling)


def claim_key(folder: Path, key: str) -> Path | None:
    """Take a run for this process, so that another on the same folder leaves it alone.

    Args:
        folder: of the marks.
        key: of the run.

    Returns:
        The mark, to be removed afterwards, or None if another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / (key.replace(" ", "_") + ".taken")
    if mark.exists() and time.time() - mark.stat().st_mtime > STALE:
        mark.unlink(missing_ok=True)
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return None
    return mark


@dataclass(frozen=True)
class Experiment:
    """Many short trainings around one question, one line of results each.

    Attributes:
        question: what the file of results answers.
        data: what was trained and scored on.
        command: what makes the lines.
        plan: group and run for seeds and part of a group's name, in the order of their importance; a run has
            ``key``, ``row``, ``seed`` and ``needs_weights``.
        do: trains one run; None if its data are not here.
        told: the scores of a line in a few words.
        settings: what all runs share.
        summary: rows and verdicts of all lines.
        counts: whether a line made with the right weights belongs to the plan as it is today.
        marks: what every line carries beside its result, and the file of results too.
    """

    question: str
    data: str
    command: str
    plan: Plan
    do: Callable[[Any, argparse.Namespace, str], dict[str, Any] | None]
    told: Callable[[Line], str]
    settings: Callable[[], dict[str, Any]]
    summary: Callable[[Sequence[Line]], dict[str, Any]]
    counts: Callable[[Line, argparse.Namespace], bool]
    marks: Callable[[argparse.Namespace], dict[str, Any]] = lambda args: {}

    def today(self, args: argparse.Namespace) -> dict[str, Any]:
        """The marks and the hash of the weights that lines must carry; files are hashed, so ask once."""
        return {**self.marks(args), "weights_sha256": weights()}

    def lines(self, args: argparse.Namespace, today: dict[str, Any] | None = None) -> list[Line]:
        """Lines that count: made with today's weights or without any, on today's data, as planned today."""
        marks = dict(self.today(args) if today is None else today)
        digest = marks.pop("weights_sha256")
        return [
            line
            for line in read_lines(args.out / "runs.jsonl")
            if made_with(line, digest)
            and all(line.get(name) == value for name, value in marks.items())
            and self.counts(line, args)
        ]

    def missing(self, args: argparse.Namespace, lines: Sequence[Line]) -> list[tuple[str, Any]]:
        """Group and run of what has no line yet."""
        done = {line["key"] for line in lines}
        return [(g, r) for g, r in self.plan(tuple(args.seeds), args.only) if r.key not in done]

    def work(self, args: argparse.Namespace) -> None:
        """Train what is missing, in the order of the plan; several processes may share the folder."""
        today = self.today(args)
        digest, lines = today["weights_sha256"], self.lines(args, today)
        todo = self.missing(args, lines)
        print(f"{len(lines)} runs done, {len(todo)} to do, weights {digest[:8]}", flush=True)
        begun = time.monotonic()
        for number, (group, run) in enumerate(todo, start=1):
            if args.limit and time.monotonic() - begun > args.limit:
                print("the time given is over", flush=True)
                return
            mark = claim_key(args.out / "taken", run.key)
            if mark is None:
                continue
            try:
                # another process may have done it since the plan was made
                if run.key in {line["key"] for line in self.lines(args, today)}:
                    continue
                start, cpu = time.perf_counter(), time.process_time()
                result = self.do(run, args, digest)
                if result is None:
                    continue
                line = {
                    "key": run.key, "row": run.row, "seed": run.seed, "group": group, **today, **result,
                    "seconds": round(time.perf_counter() - start, 2),
                    "all_cpu_seconds": round(time.process_time() - cpu, 2), "run": asdict(run),
                    "weights_sha256": digest if run.needs_weights else ANY, **stamp(),
                }  # fmt: skip
                append_line(args.out / "runs.jsonl", line)
            finally:
                mark.unlink(missing_ok=True)
            scores = f"{self.told(line)}, {line['all_cpu_seconds']:.0f} s of CPU"
            print(f"[{number}/{len(todo)}] {group}: {run.key}: {scores}", flush=True)

    def summarise(self, args: argparse.Namespace) -> None:
        """Write the file of results from the lines so far.

        Raises:
            SystemExit: If there is none.
        """
        today = self.today(args)
        lines = self.lines(args, today)
        if not lines:
            raise SystemExit(
                f"{args.out / 'runs.jsonl'} holds no line for these weights yet; start the runs first"
            )
        content = {
            "question": self.question,
            "data": self.data,
            "settings": self.settings(),
            **self.summary(lines),
            "provenance": {
                "command": self.command,
                **provenance(lines),
                **today,
                **spent(lines),
            },
        }
        write_text(args.result, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        for claim in content["claims"]:
            print(f"{claim['verdict']:20s} {claim['claim']} {claim['sentence']}")

    def run(self, args: argparse.Namespace) -> None:
        """Do what the command line asks for."""
        if args.list:
            todo = {run.key for _, run in self.missing(args, self.lines(args))}
            for group, run in self.plan(tuple(args.seeds), args.only):
                print("    " if run.key in todo else "done", group, "|", run.key)
        elif args.summarise:
            self.summarise(args)
        else:
            self.work(args)


def spent(lines: Sequence[Line]) -> dict[str, int]:
    """Seconds that the trainings took, as far as every line has them."""
    seconds = [line.get("seconds") for line in lines]
    cpu = [line.get("all_cpu_seconds", line.get("cpu_seconds")) for line in lines]
    return {
        name: round(sum(values))
        for name, values in (("seconds", seconds), ("cpu_seconds", cpu))
        if None not in values
    }
