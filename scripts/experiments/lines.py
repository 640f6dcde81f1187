"""Lines of results that survive a kill, and their provenance."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Container, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from mfnet_lite.sam import find_checkpoint
from mfnet_lite.utils.counted_nouns import counted, with_plain_counts
from mfnet_lite.utils.hashes import sha256_of
from mfnet_lite.utils.provenance import commit, versions

ROOT = Path(__file__).resolve().parents[2]
ANY = "any"
"""Stands for the weights where none were used: such lines stay when the small SAM is replaced."""


def weights() -> str:
    """Return the SHA-256 of the file of the small SAM."""
    return sha256_of(find_checkpoint("tiny"))


@cache
def with_equal_masks() -> frozenset[str]:
    """Return the SHA-256 of today's file of the small SAM, and of files before it that answer with the same masks.

    They differ in the head that estimates IoU alone: what reads the encoder, or masks without choosing among them,
    comes out the same to the bit.
    """
    facts = json.loads(find_checkpoint("tiny").with_suffix(".json").read_text(encoding="utf-8"))
    return frozenset({facts["sha256"], *facts.get("equal_masks_sha256", ())})


def made_with(line: dict[str, Any], digests: Container[str]) -> bool:
    """Return whether a line was made with one of these weights, or without any."""
    return line["weights_sha256"] == ANY or line["weights_sha256"] in digests


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield lines of results; a last line that a kill cut short is passed over."""
    if path.exists():
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Add one line of results and wait until the disk has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if cut else "") + json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def stamp() -> dict[str, str]:
    """Return with which code, when and on what a line is made."""
    return {
        "commit": commit(ROOT, short=True),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{platform.machine()} CPU, {counted(torch.get_num_threads(), 'thread')}",
    }


def cpu_seconds(lines: Sequence[dict[str, Any]]) -> list[float] | None:
    """Return the processor's seconds of each run, its scores included; None unless every line says its own.

    They are what a run costs: by the clock it also waits while other processes compute, or while it is stopped.
    """
    found = [line.get("all_cpu_seconds", line.get("cpu_seconds")) for line in lines]
    return None if None in found else found


def mean_cpu_seconds(lines: Sequence[dict[str, Any]]) -> float | None:
    """Return the mean of :func:`cpu_seconds`, to a tenth; None unless every line says it."""
    found = cpu_seconds(lines)
    return None if found is None else round(statistics.mean(found), 1)


def provenance(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sum up the stamps of all lines."""
    return {
        "commits": sorted({line["commit"] for line in lines}),
        "dates": sorted({line["date"] for line in lines}),
        "hardware": sorted({with_plain_counts(line["hardware"]) for line in lines}),
        "versions": versions(),
        "runs": len(lines),
    }
