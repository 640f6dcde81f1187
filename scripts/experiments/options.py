"""The command line of an experiment, as plain parameters."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TRAIN, LIST, SUMMARISE = "train", "list", "summarise"


@dataclass(frozen=True)
class Options:
    """How much of an experiment to train, and where.

    Attributes:
        out: Folder of the lines of results (runs.jsonl) and of what is written once and read again.
        result: File of results, for the summary.
        seeds: Seeds of every configuration.
        steps: Optimiser steps of a training; None where they depend on the network.
        only: Part of a group's name; other groups are left out.
        limit: Seconds after which no further training begins; 0 sets none.
        real: Folder of the real tiles; without it their trainings are left out.
    """

    out: Path
    result: Path
    seeds: tuple[int, ...]
    steps: int | None
    only: str = ""
    limit: float = 0.0
    real: Path | None = None


@dataclass(frozen=True)
class Defaults:
    """Defaults of an experiment's command line.

    Attributes:
        result: File of results.
        seeds: Seeds of every configuration.
        steps: Optimiser steps of a training; None where they depend on the network.
        real_option: Option that names the folder of the real tiles; empty where there are none.
    """

    result: Path
    seeds: tuple[int, ...]
    steps: int | None
    real_option: str = ""


def parse(
    description: str, defaults: Defaults, arguments: Sequence[str] | None = None
) -> tuple[str, Options]:
    """Read the command line of an experiment.

    Args:
        description: Text of ``--help``.
        defaults: Defaults of the options.
        arguments: The words of the command line; those of this process if None.

    Returns:
        What to do (``"train"``, ``"list"`` or ``"summarise"``) and the options.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder of runs.jsonl and of the data")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--summarise", action="store_true", help="write the file of results")
    action.add_argument("--list", action="store_true", help="print the plan and what is done")
    parser.add_argument("--result", type=Path, default=defaults.result, help="file of results")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=defaults.seeds, help="seeds of each configuration"
    )
    parser.add_argument(
        "--steps", type=int, default=defaults.steps, help="optimiser steps of a training"
    )
    parser.add_argument("--only", default="", help="part of a group's name")
    parser.add_argument("--limit", type=float, default=0.0, help="seconds after which to stop")
    if defaults.real_option:
        parser.add_argument(
            defaults.real_option, type=Path, dest="real", help="folder of the real tiles"
        )
    found = vars(parser.parse_args(arguments))
    chosen = [name for name in (SUMMARISE, LIST) if found.pop(name)]
    options = Options(**found | {"seeds": tuple(found["seeds"])})
    return (chosen[0] if chosen else TRAIN), options
