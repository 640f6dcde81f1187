"""What the experiments share: lines of results that survive a kill, their provenance, the command line."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from mfnet_lite.runs.folder import versions
from mfnet_lite.sam import find_checkpoint

ROOT = Path(__file__).resolve().parents[2]
ANY = "any"
"""Stands for the weights where none were used: such lines stay when the small SAM is replaced."""


def weights() -> str:
    """SHA-256 of the file of the small SAM."""
    return hashlib.sha256(find_checkpoint("tiny").read_bytes()).hexdigest()


def made_with(line: dict[str, Any], digest: str) -> bool:
    """Whether a line was made with these weights, or without any."""
    return line["weights_sha256"] in (digest, ANY)


def commit() -> str:
    """Short name of the commit that is checked out."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return found.stdout.strip()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of results; a last line that a kill cut short is passed over."""
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
    """Say with which code, when and on what a line is made."""
    return {
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)",
    }


def provenance(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Sum up the stamps of all lines."""
    return {
        "commits": sorted({line["commit"] for line in lines}),
        "dates": sorted({line["date"] for line in lines}),
        "hardware": sorted({line["hardware"] for line in lines}),
        "versions": versions(),
        "runs": len(lines),
    }


def command_line(
    description: str, result: Path, seeds: Sequence[int], steps: int | None
) -> argparse.ArgumentParser:
    """Options that every experiment has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of runs.jsonl and of the data")
    parser.add_argument("--summarise", action="store_true")
    parser.add_argument("--result", type=Path, default=result)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(seeds))
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--only", default="", help="part of a group's name")
    parser.add_argument("--limit", type=float, default=0, help="seconds after which to stop")
    return parser
