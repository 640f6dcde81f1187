"""The loop that all experiments share: train what is missing, list the plan, sum up the lines.

An experiment describes its trainings in an :class:`Experiment`; lines, stamps and weights are in lines.py, the
command line in options.py.
"""

from __future__ import annotations

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
    cpu_seconds,
    made_with,
    provenance,
    read_lines,
    stamp,
    weights,
    with_equal_masks,
)
from scripts.experiments.options import LIST, SUMMARISE, Defaults, Options, parse

Line = dict[str, Any]
Plan = Callable[[Sequence[int], str], Iterator[tuple[str, Any]]]

STALE = 3600.0
"""Seconds after which the mark of a process that was killed is void."""


def planned_steps(line: Line, options: Options) -> bool:
    """Return whether a line was trained for as many steps as its run asks for."""
    return bool(line["steps"] == round(options.steps * line["run"].get("effort", 1.0)))


def scaled_like(line: Line, scaling: str) -> bool:
    """Return whether heights were scaled like this; the first lines do not name it and had metres above ground."""
    return bool(line.get("scaling", "ground") == scaling)


def claim_key(folder: Path, key: str) -> Path | None:
    """Take a run for this process, so that another on the same folder leaves it alone.

    Args:
        folder: Folder of the marks.
        key: Name of the run.

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
        question: What the file of results answers.
        data: What was trained and scored on.
        command: What makes the lines.
        defaults: Defaults of the command line.
        plan: Group and run for seeds and part of a group's name, in the order of their importance; a run has
            ``key``, ``row``, ``seed`` and ``needs_weights``.
        train: Trains and scores one run, given the options and the hash of the small SAM's weights; None if its
            data are not here.
        describe: The scores of a line in a few words.
        settings: What all runs share.
        summary: Rows and verdicts of all lines.
        counts: Whether a line made with the right weights belongs to the plan as it is today.
        marks: What every line carries beside its result, and the file of results too.
        chooses_masks: Whether results depend on the small SAM's estimate of IoU, and not only on its encoder and
            masks; then lines made before that estimate was taught anew do not count.
    """

    question: str
    data: str
    command: str
    defaults: Defaults
    plan: Plan
    train: Callable[[Any, Options, str], dict[str, Any] | None]
    describe: Callable[[Line], str]
    settings: Callable[[], dict[str, Any]]
    summary: Callable[[Sequence[Line]], dict[str, Any]]
    counts: Callable[[Line, Options], bool]
    marks: Callable[[Options], dict[str, Any]] = lambda options: {}
    chooses_masks: bool = False

    def today(self, options: Options) -> dict[str, Any]:
        """Return the marks and the weights' hash that lines must carry; files are hashed, so call it once."""
        return {**self.marks(options), "weights_sha256": weights()}

    def lines(self, options: Options, today: dict[str, Any] | None = None) -> list[Line]:
        """Return the lines that count: made with today's weights or without any, on today's data, as planned today."""
        marks = dict(self.today(options) if today is None else today)
        digest = marks.pop("weights_sha256")
        digests = {digest} if self.chooses_masks else {digest} | with_equal_masks()
        return [
            line
            for line in read_lines(options.out / "runs.jsonl")
            if made_with(line, digests)
            and all(line.get(name) == value for name, value in marks.items())
            and self.counts(line, options)
        ]

    def missing(self, options: Options, lines: Sequence[Line]) -> list[tuple[str, Any]]:
        """Return group and run of what has no line yet."""
        done = {line["key"] for line in lines}
        return [(g, r) for g, r in self.plan(options.seeds, options.only) if r.key not in done]

    def train_missing(self, options: Options) -> None:
        """Train what is missing, in the order of the plan; several processes may share the folder."""
        today = self.today(options)
        digest, lines = today["weights_sha256"], self.lines(options, today)
        missing = self.missing(options, lines)
        print(f"{len(lines)} runs done, {len(missing)} to do, weights {digest[:8]}", flush=True)
        begun = time.monotonic()
        for number, (group, run) in enumerate(missing, start=1):
            if options.limit and time.monotonic() - begun > options.limit:
                print("the time given is over", flush=True)
                return
            mark = claim_key(options.out / "taken", run.key)
            if mark is None:
                continue
            try:
                # another process may have done it since the plan was made
                if run.key in {line["key"] for line in self.lines(options, today)}:
                    continue
                start, cpu = time.perf_counter(), time.process_time()
                result = self.train(run, options, digest)
                if result is None:
                    continue
                line = {
                    "key": run.key, "row": run.row, "seed": run.seed, "group": group, **today, **result,
                    "seconds": round(time.perf_counter() - start, 2),
                    "all_cpu_seconds": round(time.process_time() - cpu, 2), "run": asdict(run),
                    "weights_sha256": digest if run.needs_weights else ANY, **stamp(),
                }  # fmt: skip
                append_line(options.out / "runs.jsonl", line)
            finally:
                mark.unlink(missing_ok=True)
            scores = f"{self.describe(line)}, {line['all_cpu_seconds']:.0f} s of CPU"
            print(f"[{number}/{len(missing)}] {group}: {run.key}: {scores}", flush=True)

    def summarise(self, options: Options) -> None:
        """Write the file of results from the lines so far.

        For a part of the plan (``--only``) come the claims alone that some seed has all terms of.

        Raises:
            SystemExit: If there are no lines.
        """
        today = self.today(options)
        lines = self.lines(options, today)
        if not lines:
            raise SystemExit(
                f"{options.out / 'runs.jsonl'} holds no line for these weights yet; start the runs first"
            )
        used = [d for line in lines if (d := line["weights_sha256"]) != ANY]
        unusual = options.steps != self.defaults.steps
        other = {"steps": options.steps} if unusual else {}
        chosen = other | ({"only": options.only} if options.only else {})
        content = {
            "question": self.question,
            "data": self.data,
            "settings": {**self.settings(), **other},
            **self.summary(lines),
            "provenance": {
                "command": " ".join([self.command, *(f"--{k} {v}" for k, v in chosen.items())]),
                **provenance(lines),
                **today,
                **({"weights_sha256": used[-1]} if used else {}),
                **spent(lines),
            },
        }
        if options.only:
            content["claims"] = [c for c in content["claims"] if c.get("n")]
        write_text(options.result, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        for claim in content["claims"]:
            print(f"{claim['verdict']:20s} {claim['claim']} {claim['sentence']}")

    def print_plan(self, options: Options) -> None:
        """Print the plan and what is done of it."""
        missing = {run.key for _, run in self.missing(options, self.lines(options))}
        for group, run in self.plan(options.seeds, options.only):
            print("    " if run.key in missing else "done", group, "|", run.key)

    def main(self, description: str | None, arguments: Sequence[str] | None = None) -> None:
        """Do what the command line asks for.

        Args:
            description: Text of ``--help``.
            arguments: The words of the command line; those of this process if None.
        """
        action, options = parse(description or self.question, self.defaults, arguments)
        if action == LIST:
            self.print_plan(options)
        elif action == SUMMARISE:
            self.summarise(options)
        else:
            self.train_missing(options)


def spent(lines: Sequence[Line]) -> dict[str, int]:
    """Return the processor's seconds of all runs, if every line says its own."""
    found = cpu_seconds(lines)
    return {} if found is None else {"cpu_seconds": round(sum(found))}
