"""Simpler borders that neighbours still share, in one window of a map after the other.

The parts inside a window cover it without gaps and overlaps. GEOS simplifies such a coverage border by border
(Visvalingam and Whyatt's rule: the vertex goes whose triangle with its neighbours is smallest) and takes no vertex
whose triangle holds another one, so borders never cross; end points of borders stay. What lies on the window's own
border stays as well, so windows do not have to know of each other.

That is the price of working in windows: where a border crosses from one window to the next, one point of it is
fixed, and what runs exactly along the line between two windows is not simplified.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int64
from skimage.measure import label

from mfnet_lite.scenes.part_outlines import NO_PART, Edges, edges_of, polygons_of, signed_areas
from mfnet_lite.utils.optional_geometry import shapely

__all__ = ["simplified_edges"]


def simplified_edges(
    values: Int64[np.ndarray, "h w"],
    owners: Int64[np.ndarray, "h w"],
    corners: Bool[np.ndarray, "h1 w1"],
    row: int,
    col: int,
    tolerance: float,
) -> Edges:
    """Find the edges inside a window, without those on its border, and simplify them.

    Args:
        values: The window of the map, nothing outside the map in it.
        owners: Number of the part of every pixel, :data:`~mfnet_lite.scenes.part_outlines.NO_PART` for none.
        corners: Which lattice points of the window are corners.
        row: First row of the window.
        col: First column.
        tolerance: Side of a square, in pixels, as large as the largest triangle that is cut off.
    """
    height, width = values.shape
    faces = label(values, background=NO_PART - 1, connectivity=1).astype(np.int64)
    owner_of = np.empty(faces.max(), np.int64)
    owner_of[faces - 1] = owners
    padded = np.pad(faces, ((1, 2), (1, 2)))
    polygons = polygons_of(edges_of(padded, padded[:-1, :-1] - 1, 0, 0))[1]
    simpler = shapely().coverage_simplify(polygons, tolerance, simplify_boundary=False)

    rings, face = shapely().get_rings(simpler, return_index=True)
    points, ring = shapely().get_coordinates(rings, return_index=True)
    last = np.diff(ring, append=-1) != 0  # repeats the first point of its ring
    start, end = points[:-1][~last[:-1]], points[1:][~last[:-1]]
    ring = ring[~last]
    begins = np.nonzero(np.diff(ring, prepend=-1))[0]
    shell = np.diff(face, prepend=-1) != 0
    turned = ((signed_areas(start, begins) > 0) != shell)[ring][:, None]
    start, end = np.where(turned, end, start), np.where(turned, start, end)
    on_border = np.zeros(len(start), bool)
    for axis, size in ((0, width), (1, height)):
        for line in (0, size):
            on_border |= (start[:, axis] == line) & (end[:, axis] == line)
    x, y = start.astype(np.int64).T
    ends = np.concatenate([start, end], axis=1) + np.array([col, row, col, row])
    edges = Edges(ends.astype(np.int32), owner_of[face[ring]], corners[y, x])
    return edges.chosen(~on_border & (edges.owner != NO_PART))
