"""The smallest rotated rectangle around the pixels of an object: oriented boxes out of masks."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import ConvexHull

__all__ = ["minimal_rectangle"]


def minimal_rectangle(mask: Bool[np.ndarray, "rows cols"]) -> Float[np.ndarray, "4 2"]:
    """Find the rectangle of least area that covers every pixel of a mask as a square of side 1.

    One of its sides lies on a side of the convex hull (Freeman and Shapira, 1975), so each of those is tried. Of
    equally small ones the one nearest to the image's axes is taken. An object in several pieces gets one rectangle.

    Args:
        mask: Where the object is.

    Returns:
        x and y of the corners in pixel edges, one after the other around it; they may lie outside the image.

    Raises:
        ValueError: If the mask is empty.

    Example:
        >>> mask = np.zeros((6, 8), dtype=bool)
        >>> mask[2:4, 1:6] = True
        >>> sorted(minimal_rectangle(mask).round(9).tolist())
        [[1.0, 2.0], [1.0, 4.0], [6.0, 2.0], [6.0, 4.0]]
    """
    rows, cols = np.nonzero(mask)
    if not len(rows):
        raise ValueError("a rectangle needs at least one pixel, got an empty mask; leave it out")
    # Of each row only the outermost pixels can touch the rectangle.
    lowest = np.full(mask.shape[0], mask.shape[1])
    highest = np.full(mask.shape[0], -1)
    np.minimum.at(lowest, rows, cols)
    np.maximum.at(highest, rows, cols)
    filled = np.flatnonzero(highest >= 0)
    ends = np.concatenate(
        [
            np.stack([side[filled] + right, filled + down], axis=1)
            for side, right in ((lowest, 0), (highest, 1))
            for down in (0, 1)
        ]
    ).astype(np.float64)
    hull = ends[ConvexHull(ends).vertices]
    sides = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.round(np.arctan2(sides[:, 1], sides[:, 0]) % (np.pi / 2), 12))
    along = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    u, v = hull @ along.T, hull @ across.T
    areas = np.ptp(u, axis=0) * np.ptp(v, axis=0)
    tilt = np.minimum(angles, np.pi / 2 - angles)
    best = int(np.lexsort((tilt, np.round(areas, 6)))[0])
    u0, u1, v0, v1 = u[:, best].min(), u[:, best].max(), v[:, best].min(), v[:, best].max()
    corners = np.array([(u0, v0), (u1, v0), (u1, v1), (u0, v1)])
    return np.asarray(corners @ np.stack([along[best], across[best]]), dtype=np.float64)
