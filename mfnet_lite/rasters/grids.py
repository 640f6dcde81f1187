"""Whether the pixels of several rasters lie upon each other: one comparison for all commands."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.transform import Affine

from mfnet_lite.rasters.interpretation.georeference import crs_name, same_horizontal
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.raster_content import more_than_pixels
from mfnet_lite.rasters.remedy import advice
from mfnet_lite.rasters.tiles import Tile

GRID_TOLERANCE = 0.01  # pixels by which two grids may differ: rounding of the files' texts
PICTURES = (".png", ".jpg", ".jpeg", ".bmp")
STATE = "state the coordinate system of both (rio edit-info --crs EPSG:NUMBER FILE), then "
RESAMPLE = STATE + "resample it to the same grid: rio warp FILE NEW.tif --like OTHER"


@dataclass(frozen=True)
class GridDifference:
    """How the grid of a raster differs from that of another one.

    Attributes:
        info: Header of the raster.
        problem: In a few words, for a table.
        predicate: What a sentence says whose subject is the raster.
        remedy: What to do.
    """

    info: RasterInfo
    problem: str
    predicate: str
    remedy: str = RESAMPLE


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
    return _other_size(info, other) or _other_system(info, other) or _other_place(info, other)


def _other_size(info: RasterInfo, other: RasterInfo) -> GridDifference | None:
    if (info.height, info.width) == (other.height, other.width):
        return None
    own, others = (f"{i.height} x {i.width}" for i in (info, other))
    return GridDifference(
        info,
        f"misaligned grid: {own} pixels instead of {others} {_compared(other)}",
        f"has {own} pixels, expected {others} as in {other.path}",
        _remedy(info, other),
    )


def _other_system(info: RasterInfo, other: RasterInfo) -> GridDifference | None:
    if info.crs is None or other.crs is None or same_horizontal(info.crs, other.crs):
        return None
    found, expected = crs_name(info.crs), crs_name(other.crs)
    if found == expected:  # one name for two systems
        found, expected = f"a system named {found}", f"that of {other.path.name}"
    return GridDifference(
        info,
        f"wrong coordinate system: {found} instead of {expected} {_compared(other)}",
        f"is in {found}, expected {expected} as in {other.path}",
        _remedy(info, other),
    )


def _other_place(info: RasterInfo, other: RasterInfo) -> GridDifference | None:
    transform, others_transform = info.place, other.place
    if transform is None or others_transform is None:
        return None
    away = corner_distance(transform, others_transform, info.height, info.width)
    if away <= GRID_TOLERANCE:
        return None
    return GridDifference(
        info,
        f"misaligned grid: up to {away:.2f} pixels away {_compared(other)}",
        f"lies up to {away:.2f} pixels off, expected the position and the pixel size of {other.path}",
        _remedy(info, other),
    )


def _remedy(info: RasterInfo, other: RasterInfo) -> str:
    """How a raster comes onto the grid of another one; warping needs to know where both lie."""
    if info.place is None or other.place is None:
        return f"if it shows the same ground, resize it, in Python: {_resizing(info, other)}"
    known = all(
        i.crs is not None and (i.crs.is_projected or i.crs.is_geographic) for i in (info, other)
    )
    if more_than_pixels(info.path) or (known and other.transform is None):
        line = advice("resample", info.path, like=other.path)
        return ("" if known else STATE) + f"resample it to the same grid, in Python: {line}"
    if not known:
        return RESAMPLE
    own, others = (shlex.quote(str(i.path)) for i in (info, other))
    return f"resample it to the same grid: rio warp {own} NEW.tif --like {others}"


def _resizing(info: RasterInfo, other: RasterInfo) -> str:
    """Pillow knows plain pictures only: no position, nothing said of the values, colours of 8 bits."""
    plain = (
        info.path.suffix.lower() in PICTURES
        and info.place is None
        and info.rpcs is None
        and (info.nodata is None or info.colours is not None)  # the one of a transparent colour
        and (info.dtype == "uint8" or info.bands == 1)
        and not more_than_pixels(info.path)
    )
    if not plain:
        return advice("resample", info.path, like=other.path)
    return (
        f"from PIL import Image; Image.open({str(info.path)!r})"
        f'.resize(({other.width}, {other.height}), Image.NEAREST).save("NEW.png")'
    )


def _compared(other: RasterInfo) -> str:
    return f"(compared with {other.path.name} of {other.path.parent.name}/)"


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


def grid_differences(infos: Iterable[RasterInfo]) -> Iterator[GridDifference]:
    """Compare every raster with the first one that has what is compared.

    That is the first one for the size; coordinate system and position are those of the first that says them, or else
    a plain image at the beginning would let everything after it lie anywhere.

    Args:
        infos: Headers.

    Yields:
        A difference for each raster that lies elsewhere.
    """
    size: RasterInfo | None = None
    system: RasterInfo | None = None
    place: RasterInfo | None = None
    for info in infos:
        difference = (
            (_other_size(info, size) if size else None)
            or (_other_system(info, system) if system else None)
            or (_other_place(info, place) if place else None)
        )
        if difference is not None:
            yield difference
            continue
        size = size or info
        system = system or (info if info.crs is not None else None)
        place = place or (info if info.place is not None else None)


def best_placed(infos: Iterable[RasterInfo]) -> RasterInfo:
    """Choose the raster that says where the pixels of all lie.

    Args:
        infos: Headers of rasters on one grid, at least one.

    Returns:
        The first with coordinate system and position; else the first with a position or with rational polynomial
        coefficients, else the first.
    """
    every = tuple(infos)
    placed = [info for info in every if info.rpcs is not None or info.place is not None]
    located = [info for info in placed if info.crs is not None and info.place is not None]
    return (located or placed or every)[0]


def check_same_grid(infos: Iterable[RasterInfo], remedy: str | None = None) -> None:
    """Make sure that the pixels of several rasters lie upon each other.

    Args:
        infos: Headers; the first one's size is the one that all should have, and coordinate system and position are
            those of the first that has them.
        remedy: What to do otherwise; None takes what suits the difference.

    Raises:
        ValueError: A raster lies elsewhere; the message names it, and says how.
    """
    for difference in grid_differences(infos):
        raise ValueError(
            f"{difference.info.path} {difference.predicate}; {remedy or difference.remedy}"
        )


def check_grid(paths: Mapping[str, str | Path]) -> dict[str, RasterInfo]:
    """Read the headers of all sensors and make sure that their pixels lie upon each other.

    Args:
        paths: A raster per sensor.

    Returns:
        The headers, by sensor.

    Raises:
        ValueError: No raster, or one that lies elsewhere.
    """
    if not paths:
        raise ValueError("expected at least one raster to predict from, got none; name one")
    infos = {name: raster_info(path) for name, path in paths.items()}
    check_same_grid(infos.values())
    return infos


def check_tile_grids(tile: Tile, header: Callable[[Path], RasterInfo] = raster_info) -> None:
    """Make sure that all files of a tile, its label included, lie upon each other.

    Args:
        tile: The tile.
        header: Reads the header of a file.

    Raises:
        ValueError: A file lies elsewhere.
    """
    check_same_grid(header(path) for path in tile.every_file)
