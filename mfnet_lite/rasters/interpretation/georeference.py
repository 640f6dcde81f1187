"""Where the pixels of a raster lie on the ground: coordinate systems by name and equality, control points.

A coordinate system is written in many ways: by number, as text of three dialects, with a vertical part
joined to it, with the datum left unnamed. What decides whether two rasters fit is the *horizontal* system,
so systems are compared by what their numbers mean, not by how they are spelled.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import Affine, from_gcps

POINTS_TOLERANCE = 0.5  # pixels that an affine transform may miss ground control points by
LONG_NAME = 60  # characters of a name that still fit into one sentence


def crs_name(crs: CRS | None) -> str:
    """A short name of a coordinate system for messages and tables.

    Args:
        crs: The system, or None.

    Returns:
        Such as ``EPSG:25832`` or ``EPSG:25832+7837``; the system's own name where no authority knows it;
        ``none`` for plain images.
    """
    if crs is None:
        return "none"
    text = str(crs.to_string())
    if len(text) <= LONG_NAME and "[" not in text:
        return text
    name = str(_projjson(crs.to_wkt()).get("name", "")) or text
    parts = [_code(part) for part in _projjson(crs.to_wkt()).get("components", ())]
    if parts and all(parts):
        return "+".join(parts).replace("+EPSG:", "+")
    return name if len(name) <= LONG_NAME else f"{name[: LONG_NAME - 1]}…"


def _code(system: dict[str, Any]) -> str:
    found = system.get("id")
    return f"{found['authority']}:{found['code']}" if found else ""


@lru_cache(maxsize=256)
def _projjson(wkt: str) -> dict[str, Any]:
    """The structure of a system as PROJ understands it; empty if it cannot say."""
    try:
        return dict(CRS.from_wkt(wkt).to_dict(projjson=True))
    except (CRSError, ValueError):
        return {}


def horizontal(system: dict[str, Any]) -> dict[str, Any]:
    """The horizontal part of a system: the first component of a compound, the source of a bound one.

    Args:
        system: As PROJJSON.

    Returns:
        PROJJSON of a projected or geographic system.
    """
    while True:
        if system.get("type") == "CompoundCRS" and system.get("components"):
            system = system["components"][0]
        elif system.get("type") == "BoundCRS" and system.get("source_crs"):
            system = system["source_crs"]
        else:
            return system


def vertical_unit(crs: CRS | None) -> str | None:
    """The unit of the heights, if the system has a vertical part.

    Args:
        crs: The system, or None.

    Returns:
        Its name such as ``metre`` or ``US survey foot``; None for a purely horizontal system.
    """
    if crs is None:
        return None
    parts = _projjson(crs.to_wkt()).get("components", ())
    for part in parts[1:]:
        axes = part.get("coordinate_system", {}).get("axis", ())
        if axes:
            unit = axes[0].get("unit")
            return str(unit["name"] if isinstance(unit, dict) else unit) if unit else None
    return None


def same_horizontal(one: CRS, other: CRS) -> bool:
    """Whether two systems give a point the same horizontal coordinates.

    Equal are: the same system with and without a vertical part, written in different dialects, and with the
    datum left unnamed on the same ellipsoid. Two *named* datums differ, even where they are centimetres
    apart: a file that says ETRS89 does not say WGS 84.

    Args:
        one: A system.
        other: Another.

    Returns:
        True if they are the same.
    """
    if one == other:
        return True
    a, b = (horizontal(_projjson(crs.to_wkt())) for crs in (one, other))
    if not a or not b or _kind(a) != _kind(b):
        return False
    if not _same_numbers(_conversion(a), _conversion(b)):
        return False
    if not _same_numbers(_geodetic(a), _geodetic(b)):
        return False
    names = {_datum_name(a), _datum_name(b)} - {""}
    return len(names) < 2


def _kind(system: dict[str, Any]) -> str:
    """Projected or geographic; a three-dimensional system counts as its horizontal part."""
    return str(system.get("type"))


def _conversion(system: dict[str, Any]) -> list[tuple[str, float]]:
    """The projection: method and parameters in metres and degrees, and the unit of the axes."""
    found = [("unit", _in_unit(1.0, _axis_unit(system)))]
    conversion = system.get("conversion")
    if conversion:
        method = re.sub(r"[^a-z0-9]", "", str(conversion["method"]["name"]).lower())
        found.append((f"method {method}", 0.0))
        for parameter in conversion.get("parameters", ()):
            name = str(parameter.get("id", {}).get("code", parameter["name"]))
            found.append((name, _in_unit(float(parameter["value"]), parameter.get("unit"))))
    return sorted(found)


def _axis_unit(system: dict[str, Any]) -> Any:
    axes = system.get("coordinate_system", {}).get("axis", ())
    return axes[0].get("unit") if axes else None


def _in_unit(value: float, unit: Any) -> float:
    """A parameter in metres, degrees or as a plain number."""
    if not isinstance(unit, dict):
        return value  # metre, degree, unity
    factor = float(unit.get("conversion_factor", 1.0))
    if unit.get("type") == "AngularUnit":
        factor = float(np.degrees(factor))
    return value * factor


def _geodetic(system: dict[str, Any]) -> list[tuple[str, float]]:
    """Ellipsoid and prime meridian."""
    datum = _datum(system)
    ellipsoid = datum.get("ellipsoid", {})
    axis = ellipsoid.get("semi_major_axis", ellipsoid.get("radius", 0.0))
    axis = axis["value"] * axis["unit"]["conversion_factor"] if isinstance(axis, dict) else axis
    flattening = float(ellipsoid.get("inverse_flattening", 0.0))
    if not flattening and isinstance(ellipsoid.get("semi_minor_axis"), int | float):
        minor = float(ellipsoid["semi_minor_axis"])
        flattening = float(axis) / (float(axis) - minor) if minor != axis else 0.0
    meridian = datum.get("prime_meridian", {}).get("longitude", 0.0)
    meridian = meridian["value"] if isinstance(meridian, dict) else meridian
    return [("axis", float(axis)), ("flattening", flattening), ("meridian", float(meridian))]


def ellipsoid_of(crs: CRS) -> tuple[float, float]:
    """The ellipsoid of a coordinate system.

    Args:
        crs: The system.

    Returns:
        Semi-major axis in metres and inverse flattening, 0 for a sphere.
    """
    (_, axis), (_, flattening), _ = _geodetic(horizontal(_projjson(crs.to_wkt())))
    return axis, flattening


def conversion_method(crs: CRS) -> str:
    """The name of the map projection's method, such as ``Transverse Mercator``.

    Args:
        crs: The system.

    Returns:
        The name; empty for a system that is not projected.
    """
    conversion = horizontal(_projjson(crs.to_wkt())).get("conversion", {})
    return str(conversion.get("method", {}).get("name", ""))


def _datum(system: dict[str, Any]) -> dict[str, Any]:
    base = system.get("base_crs", system)
    found = base.get("datum") or base.get("datum_ensemble") or {}
    return dict(found)


def _datum_name(system: dict[str, Any]) -> str:
    """A datum's name without spelling; empty if it is unnamed."""
    name = str(_datum(system).get("name", "")).lower()
    if "unknown" in name or "not specified" in name or "unnamed" in name or "based on" in name:
        return ""
    plain = re.sub(r"[^a-z0-9]", "", name).removesuffix("ensemble")
    if plain.startswith("etrs89"):
        # EPSG has given each country's realisation of ETRS89 a datum of its own ("ETRS89-NOR [EUREF89]"), so
        # that a compound system and its old horizontal part no longer agree by name.
        return DATUMS["etrs89"]
    return DATUMS.get(plain, DATUMS.get(plain.removeprefix("d"), plain))


DATUMS = {
    "wgs84": "worldgeodeticsystem1984",
    "wgs1984": "worldgeodeticsystem1984",
    "etrs89": "europeanterrestrialreferencesystem1989",
    "etrs1989": "europeanterrestrialreferencesystem1989",
    "nad83": "northamericandatum1983",
    "northamerican1983": "northamericandatum1983",
}
"""Short spellings that other programs write."""


def _same_numbers(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> bool:
    """Whether two lists have the same names and values up to rounding in the text."""
    if [name for name, _ in one] != [name for name, _ in other]:
        return False
    return all(
        abs(a - b) <= 1e-8 * max(1.0, abs(a)) for (_, a), (_, b) in zip(one, other, strict=True)
    )


def transform_of_points(points: list[GroundControlPoint]) -> Affine | None:
    """The affine transform that fits ground control points best.

    Args:
        points: Ground control points.

    Returns:
        From (column, row) to coordinates; None for fewer than three points.
    """
    return from_gcps(points) if len(points) >= 3 else None


def misfit_of_points(points: list[GroundControlPoint], transform: Affine) -> float:
    """How far an affine transform misses ground control points.

    Args:
        points: Ground control points.
        transform: From (column, row) to coordinates, such as :func:`transform_of_points` fits.

    Returns:
        The largest distance, in pixels; infinity for a transform that cannot be inverted.
    """
    a, b, c, d, e, f = tuple(transform)[:6]
    away = np.array(
        [(a * p.col + b * p.row + c - p.x, d * p.col + e * p.row + f - p.y) for p in points]
    ).reshape(-1, 2)
    try:
        in_pixels = np.linalg.solve(np.array([[a, b], [d, e]]), away.T)
    except np.linalg.LinAlgError:
        return float("inf")
    return float(np.hypot(*in_pixels).max(initial=0.0))


def misplaced_by(points: list[GroundControlPoint]) -> str | None:
    """What keeps ground control points from placing things by the affine transform that fits them best.

    A wide scene is bent in degrees, and one that was never rectified is bent by its relief: there the transform is good
    for the width of a pixel, and not for the place of a building.

    Args:
        points: Ground control points.

    Returns:
        The predicate of a sentence whose subject is the file, with the remedy; None where the transform misses no
        point by more than half a pixel, or there are too few for one.
    """
    transform = transform_of_points(points)
    away = 0.0 if transform is None else misfit_of_points(points, transform)
    if away <= POINTS_TOLERANCE:
        return None
    return (
        f"is placed by {len(points)} ground control points that one affine transform misses by up to {away:.1f} "
        f"pixels, expected at most {POINTS_TOLERANCE:g}; warp it first, for example with gdalwarp -tps of GDAL"
    )
