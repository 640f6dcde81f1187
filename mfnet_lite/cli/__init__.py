"""``mfnet-lite``: the library on folders of GeoTIFFs, without writing Python.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once. What goes
wrong in a way a user can mend ends with one sentence on stderr and exit code 1, not a traceback.
"""

from __future__ import annotations

from typing import Annotated

import typer

from mfnet_lite import __version__
from mfnet_lite.cli.chat import chat
from mfnet_lite.cli.command import Command
from mfnet_lite.cli.data import check, convert
from mfnet_lite.cli.errors import show_tracebacks
from mfnet_lite.cli.evaluate import evaluate
from mfnet_lite.cli.export import export
from mfnet_lite.cli.info import info
from mfnet_lite.cli.masks import masks
from mfnet_lite.cli.option_groups import with_groups
from mfnet_lite.cli.predict import predict
from mfnet_lite.cli.train import train
from mfnet_lite.cli.vectors import vectors
from mfnet_lite.cli.world import instruct, make, plates

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
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; at any place.")
    ] = False,
) -> None:
    """Fine-tune, evaluate and apply segmentation models on GeoTIFF folders."""
    show_tracebacks(debug)


for group, commands in (
    (world_app, (make, plates, instruct)),
    (data_app, (check, convert)),
    (app, (info, train, evaluate, predict, masks, vectors, export, chat)),
):
    for command in commands:
        group.command(cls=Command)(with_groups(command))
