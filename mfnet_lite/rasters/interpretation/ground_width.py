"""How wide a pixel is on the ground, and Mercator's maps of the world, whose scale changes with the latitude."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import Affine
from rasterio.warp import transform as warp

from mfnet_lite.rasters.interpretation.georeference import (
    conversion_method,
    ellipsoid_of,
    horizontal,
)

METRES_PER_DEGREE = 111_320.0  # of longitude on the equator (WGS 84: 111,319.5)
WGS84 = CRS.from_epsg(4326)
WEB_RADIUS = 6_378_137.0  # metres
PSEUDO_MERCATOR = "Popular Visualisation"  # Web Mercator
EASTWARDS = {
    "subtype": "ellipsoidal",
    "axis": [
        {"name": "Latitude", "abbreviation": "lat", "direction": "north", "unit": "degree"},
        {"name": "Longitude", "abbreviation": "lon", "direction": "east", "unit": "degree"},
    ],
}
"""Axes as those of WGS 84."""


def pixel_width(transform: Affine, crs: CRS | None, height: int, width: int) -> tuple[float, bool]:
    """Ground sampling distance: how wide a pixel in the middle of a raster is.

    Degrees and Mercator's metres shrink away from the equator, so there the latitude counts; feet are turned into
    metres.

    Args:
        transform: From (column, row) to coordinates.
        crs: The coordinate system, or None.
        height: Rows.
        width: Columns.

    Returns:
        Metres, and whether the file says so: without a coordinate system its numbers are taken for metres.
    """
    step = float(np.hypot(transform.a, transform.d))
    if crs is None:
        return step, False
    middle = transform.f + transform.d * width / 2 + transform.e * height / 2
    if crs.is_geographic:
        factor = METRES_PER_DEGREE * float(np.cos(np.radians(np.clip(middle, -89.9, 89.9))))
        return step * factor, True
    unit = _linear_factor(crs)
    if unit is None:
        return step, False  # a local system without a unit
    if not is_mercator(crs):
        return step * unit, True
    if conversion_method(crs).startswith(PSEUDO_MERCATOR):
        # The scale at a northing is 1 / cos(latitude) = cosh(northing / radius): that of a sphere, which lies between
        # the two scales that the ellipsoid has along and across a meridian.
        return step * unit / float(np.cosh(middle * unit / WEB_RADIUS)), True
    across = transform.c + transform.a * width / 2 + transform.b * height / 2
    per_unit, latitude = mercator_degrees(crs, across, middle)
    axis, flattening = ellipsoid_of(crs)
    squared = (2 - 1 / flattening) / flattening if flattening else 0.0  # of the eccentricity
    sine = np.sin(np.radians(latitude))
    parallel = axis * np.cos(np.radians(latitude)) / np.sqrt(1 - squared * sine**2)  # its radius
    return step * float(parallel * np.radians(abs(per_unit))), True


def _linear_factor(crs: CRS) -> float | None:
    try:
        return float(crs.units_factor[1])  # linear_units_factor does not know local systems
    except (CRSError, ValueError, AttributeError):
        return None


def is_mercator(crs: CRS) -> bool:
    """Whether a system is Mercator's map of the world, on the ellipsoid or as the web draws it.

    Args:
        crs: The system.

    Returns:
        False for transverse and oblique ones, whose scale hardly changes where they are used.
    """
    # "Mercator (variant A)", "Popular Visualisation Pseudo Mercator"
    return conversion_method(crs).startswith(("Mercator", PSEUDO_MERCATOR))


def mercator_degrees(crs: CRS, x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude by the coordinates of Mercator's map, where longitude is a multiple of x.

    Args:
        crs: A system that :func:`is_mercator`.
        x: Coordinate, in the unit of the system.
        y: Coordinate.

    Returns:
        Degrees of longitude per unit of x, negative where x counts westwards, and the latitude in degrees.
    """
    # about a degree, also of a small moon
    step = ellipsoid_of(crs)[0] / 50 / (_linear_factor(crs) or 1.0)
    (first, second), (latitude, _) = mercator_lonlat(crs, [x, x + step], [y, y])
    return float(((second - first + 180) % 360 - 180) / step), float(latitude)


def mercator_lonlat(crs: CRS, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes by the coordinates of Mercator's map, on its own datum: nothing is shifted.

    Args:
        crs: A system that :func:`is_mercator`.
        x: Coordinates, in the unit of the system.
        y: Coordinates.

    Returns:
        Degrees of :func:`mercator_base`.
    """
    plane, base = _mercator_systems(crs.to_wkt())
    factor = float(np.degrees(base.units_factor[1]))  # French systems count in gon
    longitude, latitude = (factor * np.asarray(values) for values in warp(plane, base, x, y)[:2])
    return longitude, latitude


def mercator_base(crs: CRS) -> CRS:
    """The geographic system of which Mercator's map is a drawing.

    Args:
        crs: A system that :func:`is_mercator`.

    Returns:
        On the map's own datum; WGS 84 for the web's map, which programs also write as that of a sphere.
    """
    return _mercator_systems(crs.to_wkt())[1]


@lru_cache(maxsize=64)
def _mercator_systems(wkt: str) -> tuple[CRS, CRS]:
    """Mercator's map without what binds it to another datum, and its geographic base."""
    crs = CRS.from_wkt(wkt)
    plane = horizontal(crs.to_dict(projjson=True))
    if "base_crs" not in plane or ellipsoid_of(crs) == (WEB_RADIUS, 0.0):
        return crs, WGS84
    base = json.dumps(_eastwards(plane["base_crs"]))
    return CRS.from_user_input(json.dumps(plane)), CRS.from_user_input(base)


def _eastwards(base: dict[str, Any]) -> dict[str, Any]:
    """A base whose longitude counts eastwards, with the latitude of the ellipsoid's normal.

    Those of other planets may count westwards, or have the latitude of the line to the centre. GDAL gives their
    coordinates in another order than those of the Earth, and in another unit.
    """
    axes = base["coordinate_system"]["axis"]
    if base["type"] == "GeographicCRS" and {axis["direction"] for axis in axes} == {
        "north",
        "east",
    }:
        return base
    datum: dict[str, Any] = {k: base[k] for k in ("datum", "datum_ensemble") if k in base}
    return {"type": "GeographicCRS", "name": base["name"], **datum, "coordinate_system": EASTWARDS}
