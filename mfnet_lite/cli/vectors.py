"""``mfnet-lite vectors``: polygons of a map."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mfnet_lite.cli.errors import plain_errors
from mfnet_lite.utils.counted_nouns import counted


@plain_errors
def vectors(
    map_file: Annotated[
        Path,
        typer.Argument(
            metavar="MAP",
            help="A map of predict, or objects.tif of masks; one band of whole numbers.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file to write, .gpkg or .geojson.")],
    confidence: Annotated[
        Path | None,
        typer.Option(
            help="Raster on the same grid whose mean each polygon gets; MAP_confidence.tif beside the map if absent."
        ),
    ] = None,
    min_area: Annotated[
        float,
        typer.Option(
            help="Leave out smaller polygons; square metres, pixels of a map without a coordinate system."
        ),
    ] = 0.0,
    simplify: Annotated[
        float,
        typer.Option(
            help="Simplify borders, and keep those that neighbours share: side in pixels of a square as large as the "
            "triangles that may be cut off; 1 takes away the steps of pixels."
        ),
    ] = 0.0,
    omit: Annotated[
        str | None,
        typer.Option(help="Values without polygons, such as 0,4; of object maps 0 always is one."),
    ] = None,
) -> None:
    """Write the parts of a map as polygons with class, area and confidence, in the map's coordinate system."""
    from mfnet_lite.rasters.geojson import PIXELS
    from mfnet_lite.scenes.vectors import write_vectors

    for value, name in ((min_area, "--min-area"), (simplify, "--simplify")):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} must be 0 or a positive number, got {value:g}")
    done = write_vectors(
        map_file,
        out,
        confidence=confidence,
        min_area=min_area,
        simplify=simplify,
        omit=_numbers(omit),
        progress=sys.stderr.isatty(),
    )
    if done.crs is None:
        typer.echo(f"note: {map_file} has no coordinate system; coordinates are {PIXELS}", err=True)
    if done.confidence is not None and confidence is None:
        typer.echo(f"note: confidence is the mean of {done.confidence}", err=True)
    left_out = f", {counted(done.small, 'smaller one')} left out" if done.small else ""
    typer.echo(f"wrote {done.path}: {counted(done.polygons, 'polygon')}{left_out}")


def _numbers(text: str | None) -> list[int]:
    """Values of a map, written with commas between them."""
    try:
        return [] if text is None else [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(
            f"--omit {text} is not understood: expected whole numbers such as 0,4"
        ) from error
