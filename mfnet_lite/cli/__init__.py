"""``mfnet-lite``: the library on folders of GeoTIFFs, without writing Python.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once. What goes
wrong in a way a user can mend ends with one sentence on stderr and exit code 1, not a traceback.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mfnet_lite import __version__
from mfnet_lite.cli.apply import evaluate, predict
from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.cli.info import info
from mfnet_lite.cli.masks import masks
from mfnet_lite.cli.options import KINDS, world_knobs
from mfnet_lite.cli.train import train

app = typer.Typer(
    name="mfnet-lite",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
world_app = typer.Typer(help="Procedural scenes with perfect labels.", no_args_is_help=True)
data_app = typer.Typer(help="Look at a dataset before training on it.", no_args_is_help=True)
app.add_typer(world_app, name="world")
app.add_typer(data_app, name="data")


def show_version(wanted: bool) -> None:
    """Print the version and stop, before a command is looked for."""
    if wanted:
        typer.echo(f"mfnet-lite {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """Fine-tune, evaluate and apply segmentation models on GeoTIFF folders."""


@world_app.command("make")
@plain_errors
def world_make(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    tiles: Annotated[int, typer.Option(help="Number of scenes, over all splits.")] = 10,
    size: Annotated[int, typer.Option(help="Side of a scene in pixels.")] = 512,
    seed: Annotated[int, typer.Option(help="Seed of the first scene.")] = 0,
    pairs: Annotated[bool, typer.Option("--pairs", help="Two dates and a change mask.")] = False,
    knob: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, such as ambiguity=1 or domain=haze; may be repeated."),
    ] = None,
) -> None:
    """Write a procedural dataset: scenes with all sensors, or pairs of two dates."""
    from mfnet_lite import world

    config = world.WorldConfig(**world_knobs(knob or ()))
    write = world.write_pairs if pairs else world.write_folder
    write(out, tiles=tiles, size=size, seed=seed, config=config)
    typer.echo(f"wrote {tiles} {'pairs' if pairs else 'scenes'} of {size} x {size} to {out}")


@world_app.command("plates")
@plain_errors
def world_plates(
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    images: Annotated[int, typer.Option(help="Number of images, over all splits.")] = 100,
    size: Annotated[int, typer.Option(help="Side of an image in pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of the first image.")] = 0,
    layout: Annotated[str, typer.Option(help="ufpr (boxes), ccpd (file names) or masks.")] = "ufpr",
    night: Annotated[float, typer.Option(help="Share of images taken at night.")] = 0.25,
) -> None:
    """Write images of vehicles with number plates, laid out as UFPR-ALPR, CCPD or masks."""
    from mfnet_lite import world

    world.write_plates(out, images, size, seed, layout, night)
    typer.echo(f"wrote {images} images of {size} x {size} to {out}")


@data_app.command("check")
@plain_errors
def data_check(
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


for command in (info, train, evaluate, predict, masks):
    app.command()(command)
