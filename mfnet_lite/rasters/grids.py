"""Whether the pixels of several rasters lie upon each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.raster import RasterInfo

GRID_TOLERANCE = 0.01  # pixels by which two grids may differ


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
        advice = f"; resample it to the grid of {first.path} (e.g. with gdalwarp)"
        if (other.height, other.width) != (first.height, first.width):
            raise ValueError(
                f"{other.path} has {other.height} x {other.width} pixels, expected "
                f"{first.height} x {first.width} as in {first.path}{advice}"
            )
        if first.crs is not None and other.crs is not None and first.crs != other.crs:
            raise ValueError(f"{other.path} is in {other.crs}, expected {first.crs}{advice}")
        if first.transform is None or other.transform is None:
            continue  # a plain picture says nothing about its place: trust the size
        corners = [(0, 0), (first.width, 0), (0, first.height)]
        away = max(
            float(np.hypot(x - column, y - row))
            for column, row in corners
            for x, y in [~first.transform @ (other.transform @ (column, row))]
        )
        if away > GRID_TOLERANCE:
            raise ValueError(
                f"{other.path} lies up to {away:.2f} pixels off, expected the place and the pixel "
                f"size of {first.path}{advice}"
            )
    return infos
