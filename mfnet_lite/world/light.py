"""Sunlight: shadows cast from the surface itself, slopes towards the sun, dusk at the foot of walls."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage

Raster = Float[np.ndarray, "rows cols"]


def sun_vector(azimuth: float, elevation: float) -> tuple[float, float, float]:
    """Return the unit vector that points at the sun: east, south, up.

    Args:
        azimuth: Degrees clockwise from north.
        elevation: Degrees above the horizon.

    Example:
        >>> [round(part, 3) + 0.0 for part in sun_vector(180.0, 45.0)]
        [0.0, 0.707, 0.707]
    """
    a, e = np.radians(azimuth), np.radians(elevation)
    return float(np.sin(a) * np.cos(e)), float(-np.cos(a) * np.cos(e)), float(np.sin(e))


def cast_shadows(top: Raster, gsd: float, azimuth: float, elevation: float) -> Raster:
    """March from every pixel towards the sun and find whether something stands in the way.

    All pixels march together: step k compares the surface with itself shifted by k pixels towards
    the sun and lowered by the height that the ray has gained, ``k · step · tan(elevation)``.

    Args:
        top: Surface heights, metres.
        gsd: Metres per pixel.
        azimuth: Of the sun, degrees clockwise from north.
        elevation: Of the sun, degrees.

    Returns:
        0 in full light … 1 in full shadow, float32; in between within 0.4 m of the shadow's rim.

    Example:
        >>> ground = np.zeros((1, 5), np.float32)
        >>> ground[0, 1] = 2.0  # a wall, the sun in the west at 45 degrees
        >>> cast_shadows(ground, 1.0, 270.0, 45.0).round(2)
        array([[0., 0., 1., 0., 0.]], dtype=float32)
    """
    east, south, up = sun_vector(azimuth, elevation)
    level = max(abs(east), abs(south))
    if level < 1e-6:
        return np.zeros_like(top)
    step_row, step_col = south / level, east / level  # one pixel along the longer axis
    rise = gsd * np.hypot(step_row, step_col) * up / np.hypot(east, south)
    span = float(top.max() - top.min())
    steps = min(int(np.ceil(span / rise)), max(top.shape))
    rows, cols = top.shape
    highest = np.full_like(top, -np.inf)
    for k in range(1, steps + 1):
        dr, dc = round(k * step_row), round(k * step_col)
        if abs(dr) >= rows or abs(dc) >= cols:
            break
        here = (slice(max(0, -dr), rows - max(0, dr)), slice(max(0, -dc), cols - max(0, dc)))
        there = (slice(max(0, dr), rows - max(0, -dr)), slice(max(0, dc), cols - max(0, -dc)))
        np.maximum(highest[here], top[there] - np.float32(k * rise), out=highest[here])
    return np.clip((highest - top) / np.float32(0.4), 0, 1).astype(np.float32)


def sunlit(slope_x: Raster, slope_y: Raster, azimuth: float, elevation: float) -> Raster:
    """Return the cosine between the surface's normal and the sun, at least 0."""
    east, south, up = (np.float32(part) for part in sun_vector(azimuth, elevation))
    steep = np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    return np.maximum((up - slope_x * east - slope_y * south) / steep, 0).astype(np.float32)


def open_sky(top: Raster, gsd: float) -> Raster:
    """Return how much of the sky a pixel sees, roughly: 1 in the open, less at the foot of walls."""
    step = 4
    rows, cols = (n - n % step for n in top.shape)
    coarse = top[::step, ::step][: rows // step + 1, : cols // step + 1]
    around = ndimage.gaussian_filter(coarse, 2.2 / (gsd * step))
    wide = ndimage.zoom(around, step, order=1)
    wide = np.pad(
        wide, [(0, max(0, n - m)) for n, m in zip(top.shape, wide.shape, strict=True)], "edge"
    )
    depth = np.maximum(wide[: top.shape[0], : top.shape[1]] - top, 0)
    return (1 / (1 + 0.16 * depth)).astype(np.float32)
