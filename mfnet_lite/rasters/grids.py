"""Whether the pixels of several rasters lie upon each other: one comparison for all commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.transform import Affine

from mfnet_lite.rasters.interpretation.georeference import (
    crs_name,
    same_horizontal,
    transform_of_points,
)
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.tiles import Tile

GRID_TOLERANCE = 0.01  # pixels by which two grids may differ: rounding of the files' texts
RESAMPLE = "resample it to the same grid, for example with gdalwarp or rio warp --like"


@dataclass(frozen=True)
class GridDifference:
    """How the grid of a raster differs from that of another one.

    Attributes:
        problem: In a few words, for a table.
        predicate: What a sentence says whose subject is the raster.
    """

    problem: str
    predicate: str


def grid_difference(info: RasterInfo, other: RasterInfo) -> GridDifference | None:
    """Compare the grid of a raster with another one.

    Compared are the size, the horizontal coordinate system, and where the four corners lie. Georeferences count
    only where both files have one: labels without are common. The same system with a vertical part, or written
    in another dialect, is the same.

    Args:
        info: Header of the raster.
        other: Header of the one it is compared with.

    Returns:
        The first difference; None if the pixels lie upon each other.
    """
    if (info.height, info.width) != (other.height, other.width):
        own, others = (f"{i.height} x {i.width}" for i in (info, other))
        return GridDifference(
            f"misaligned grid: {own} pixels instead of {others}",
            f"has {own} pixels, expected {others} as in {other.path}",
        )
    if info.crs is not None and other.crs is not None and not same_horizontal(info.crs, other.crs):
        found, expected = crs_name(info.crs), crs_name(other.crs)
        if found == expected:  # one name for two systems
            found, expected = f"a system named {found}", f"that of {other.path.name}"
        return GridDifference(
            f"wrong coordinate system: {found} instead of {expected}",
            f"is in {found}, expected {expected} as in {other.path}",
        )
    place, others_place = _transform(info), _transform(other)
    if place is None or others_place is None:
        return None
    away = corner_distance(place, others_place, info.height, info.width)
    if away <= GRID_TOLERANCE:
        return None
    return GridDifference(
        f"misaligned grid: up to {away:.2f} pixels away",
        f"lies up to {away:.2f} pixels off, expected the place and the pixel size of {other.path}",
    )


def _transform(info: RasterInfo) -> Affine | None:
    return info.transform or transform_of_points(list(info.gcps))


def corner_distance(one: Affine, other: Affine, height: int, width: int) -> float:
    """How far the corners of a raster land from where another grid has them.

    Args:
        one: Transform of the raster.
        other: Transform of the other grid.
        height: Rows.
        width: Columns.

    Returns:
        The largest of the four distances, in pixels of the other grid.
    """
    corners = np.array([(0, 0, 1), (width, 0, 1), (0, height, 1), (width, height, 1)]).T
    # As matrices: affine's own operators differ between its versions.
    a, b = (np.reshape(tuple(t)[:9], (3, 3)) for t in (one, other))
    landed = np.linalg.solve(b, a @ corners)
    return float(np.hypot(*(landed - corners)[:2]).max())


def check_grid(paths: Mapping[str, str | Path]) -> dict[str, RasterInfo]:
    """Read the headers of all sensors and make sure that their pixels lie upon each other.

    Args:
        paths: a raster per sensor.

    Returns:
        The headers, by sensor.

    Raises:
        ValueError: naming the file that lies elsewhere, and how.
    """
    if not paths:
        raise ValueError("expected at least one raster to predict from, got none")
    infos = {name: raster_info(path) for name, path in paths.items()}
    first, *others = infos.values()
    for other in others:
        difference = grid_difference(other, first)
        if difference:
            raise ValueError(f"{other.path} {difference.predicate}; {RESAMPLE}")
    return infos


def check_tile_grids(tile: Tile, header: Callable[[Path], RasterInfo] = raster_info) -> None:
    """Make sure that all files of a tile, its label included, lie upon each other.

    Args:
        tile: The tile.
        header: Reads the header of a file.

    Raises:
        ValueError: naming the file that lies elsewhere, and how.
    """
    files = [*tile.files.values(), *([tile.label] if tile.label is not None else [])]
    first, *others = (header(path) for path in files)
    for other in others:
        difference = grid_difference(other, first)
        if difference:
            raise ValueError(f"{other.path} {difference.predicate}; {RESAMPLE}")
