r"""Areas of polygons in square metres, whatever their coordinate system.

Projected systems are taken at their word: the plane area, in metres also where the unit is feet. Degrees have no
area, and Mercator's world map enlarges areas by :math:`1/\cos^2\varphi`; there the polygon is laid out by the
cylindrical equal-area projection of the system's own ellipsoid,

.. math:: x = a\lambda,\qquad y = \frac{a}{2} q(\varphi),\qquad
          q = (1-e^2)\Bigl[\frac{\sin\varphi}{1-e^2\sin^2\varphi} + \frac{1}{e}\operatorname{artanh}(e\sin\varphi)\Bigr]

(Snyder, *Map Projections: A Working Manual*, USGS 1987, equations 3-12 and 10-15 with the equator as standard
parallel). Meridians and parallels stay straight in it, so the area of pixels on a grid of degrees is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from mfnet_lite.rasters.interpretation.georeference import ellipsoid_of
from mfnet_lite.rasters.interpretation.ground_width import (
    is_mercator,
    mercator_base,
    mercator_degrees,
    mercator_lonlat,
)
from mfnet_lite.utils.optional_geometry import shapely

__all__ = ["areas_on_ground", "equal_area", "metres_per_unit"]


def metres_per_unit(crs: CRS) -> float | None:
    """Say how many metres the unit of a plane is.

    Args:
        crs: A coordinate system.

    Returns:
        Metres, 1 for local systems that name no unit; None for what is no plane to measure in: degrees, and Mercator's
        world map.
    """
    if crs.is_geographic or is_mercator(crs):
        return None
    try:
        return float(crs.units_factor[1])
    except (CRSError, ValueError, AttributeError):
        return 1.0


def areas_on_ground(polygons: NDArray[np.object_], crs: CRS) -> Float64[np.ndarray, " polygons"]:
    """Compute areas in square metres.

    Args:
        polygons: In the coordinates of ``crs``, x first.
        crs: Their coordinate system.

    Returns:
        Plane areas in a projected system; areas on the ellipsoid where coordinates are degrees or Mercator's.
    """
    unit = metres_per_unit(crs)
    if unit is not None:
        return np.asarray(shapely().area(polygons)) * unit**2
    if crs.is_geographic:
        to_degrees = float(np.degrees(crs.units_factor[1]))
        return _laid_out(polygons, lambda xy: xy * to_degrees, crs)
    return _laid_out(polygons, lambda xy: _mercator_lonlat(xy, crs), mercator_base(crs))


def _mercator_lonlat(
    xy: Float64[np.ndarray, "points 2"], crs: CRS
) -> Float64[np.ndarray, "points 2"]:
    """Longitudes and latitudes of points on Mercator's map, without a leap where it goes on beyond 180 degrees."""
    if not len(xy):
        return xy
    longitude, latitude = mercator_lonlat(crs, *xy.T)
    per_unit, _ = mercator_degrees(crs, *xy[0])
    expected = longitude[0] + per_unit * (xy[:, 0] - xy[0, 0])
    longitude = longitude + 360 * np.round((expected - longitude) / 360)
    return np.stack([longitude, latitude], axis=1)


def _laid_out(polygons: NDArray[np.object_], degrees: Any, crs: CRS) -> NDArray[np.float64]:
    """Areas of polygons whose points a function turns into longitudes and latitudes."""
    axis, flattening = ellipsoid_of(crs)
    flat = shapely().transform(polygons, lambda xy: equal_area(degrees(xy), axis, flattening))
    return np.asarray(shapely().area(flat))


def equal_area(
    lonlat: Float64[np.ndarray, "points 2"], axis: float, inverse_flattening: float
) -> Float64[np.ndarray, "points 2"]:
    """Project by the cylindrical equal-area projection.

    Args:
        lonlat: Longitudes and latitudes in degrees.
        axis: Semi-major axis of the ellipsoid in metres.
        inverse_flattening: Of the ellipsoid; 0 for a sphere.

    Returns:
        Metres; the true scale is at the equator.

    Example:
        >>> pole = equal_area(np.array([[180.0, 90.0]]), 6378137.0, 298.257223563)[0]
        >>> round(float(4 * pole[0] * pole[1] / 1e6))  # the Earth, square kilometres
        510065622
    """
    flattening = 1 / inverse_flattening if inverse_flattening else 0.0
    e = np.sqrt(flattening * (2 - flattening))
    longitude, latitude = np.radians(lonlat).T
    sine = np.sin(latitude)
    # the second term divided by e, and its limit on a sphere
    tail = np.arctanh(e * sine) / e if e else sine
    q = (1 - e**2) * (sine / (1 - (e * sine) ** 2) + tail)
    return axis * np.stack([longitude, q / 2], axis=1)
