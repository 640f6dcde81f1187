"""``mfnet-lite data``: a look at a dataset before training on it, and its conversion into dialogues."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.options import KINDS, SOURCE_KINDS, check_sensor, listed

SHOWN = 20
"""Entries left out that are told one by one."""


@plain_errors
def check(
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    kind: Annotated[
        str,
        typer.Option(
            help=f"Which reader to use: {KINDS}; plates for images of vehicles; for dialogues "
            f"instructions, or what can become some: {SOURCE_KINDS}."
        ),
    ] = "auto",
    sensor: Annotated[
        str, typer.Option(help="What took the images of dialogues that do not say it.")
    ] = "optical",
) -> None:
    """Read every file once and list all that is wrong; exit code 1 if anything is."""
    from rich.console import Console

    from mfnet_lite.language.instruction_check import check_instructions, holds_dialogues
    from mfnet_lite.language.instruction_report import InstructionReport
    from mfnet_lite.rasters import check_dataset
    from mfnet_lite.rasters.check.report import CheckReport

    report: CheckReport | InstructionReport
    if holds_dialogues(folder, kind):
        report = check_instructions(folder, kind, check_sensor(sensor))
    else:
        report = check_dataset(folder, kind)
    report.render(Console(force_jupyter=False))  # text also inside a notebook
    if not report.ok:
        for problem in report.problems:
            typer.echo(f"error: {problem}", err=True)
        raise typer.Exit(1)


@plain_errors
def convert(
    kind: Annotated[str, typer.Argument(help=f"Its format: {SOURCE_KINDS}, or auto.")],
    src: Annotated[Path, typer.Argument(help="The data set.")],
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    sensor: Annotated[
        str, typer.Option(help="What took the images: optical, sar or infrared.")
    ] = "optical",
    seed: Annotated[int, typer.Option(help="Of wordings, and of splits that are drawn.")] = 0,
    shares: Annotated[
        str, typer.Option(help="Of train, val and test where the data set has no splits.")
    ] = "0.8,0.1,0.1",
    most_boxes: Annotated[
        int, typer.Option(help="Up to this number of objects all are asked for at once.")
    ] = 50,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the images; else they are named where they are.")
    ] = False,
) -> None:
    """Turn a data set of one task into dialogues (instructions.json) in the form of MMRS-1M."""
    from mfnet_lite.language.converting import convert

    done = convert(
        kind,
        src,
        out,
        sensor=check_sensor(sensor),
        seed=seed,
        shares=_three(shares),
        most_boxes=most_boxes,
        copy=copy,
    )
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    for problem in done.problems[:SHOWN]:
        typer.echo(f"left out: {problem}", err=True)
    if len(done.problems) > SHOWN:
        typer.echo(f"left out: and {len(done.problems) - SHOWN} more", err=True)
    for split, images in done.images.items():
        tasks = ", ".join(f"{n} {task}" for (s, task), n in done.counts.items() if s == split)
        typer.echo(f"{split}: {images} dialogues ({tasks})")
    typer.echo(f"wrote {out}")


def _three(text: str) -> tuple[float, float, float]:
    """Three numbers, separated by commas."""
    words = listed(text, "shares") or ()
    try:
        train, val, test = (float(word) for word in words)
    except ValueError:
        raise ValueError(f"--shares wants three numbers like 0.8,0.1,0.1, got {text!r}") from None
    return train, val, test
