"""``mfnet-lite data``: a look at a dataset before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.options import KINDS


@plain_errors
def check(
    folder: Annotated[Path, typer.Argument(help="The dataset.")],
    kind: Annotated[
        str, typer.Option(help=f"Which reader to use: {KINDS}; plates for images of vehicles.")
    ] = "auto",
) -> None:
    """Read every file once and list all that is wrong; exit code 1 if anything is."""
    from rich.console import Console

    from mfnet_lite.rasters import check_dataset

    report = check_dataset(folder, kind)
    report.render(Console(force_jupyter=False))  # text also inside a notebook
    if not report.ok:
        for problem in report.problems:
            typer.echo(f"error: {problem}", err=True)
        raise typer.Exit(1)
