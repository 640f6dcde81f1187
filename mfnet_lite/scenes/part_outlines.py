"""Outlines of the parts of a map: from pixels to edges, from edges to rings, from rings to polygons.

A part is a set of pixels of one value that hang together by their sides (4-connectivity). Its outline runs along
the sides of pixels, between lattice points with whole coordinates, and so does that of its neighbour: a border is
found once and handed to both with the same end points. A *corner* is a lattice point where an outline turns or where
more than two outlines meet; on the straight lines between corners there is nothing to say.

Edges are directed such that their part lies on the left, in axes of x to the right and y down taken as if y went up.
Where two pixels of a part touch at a lattice point only, two rings of the part pass through it; turning right there
keeps each ring from touching itself, as simple features demand.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64
from numpy.typing import NDArray

from mfnet_lite.utils.optional_geometry import shapely

__all__ = ["NO_PART", "Edges", "corners_of", "edges_of", "polygons_of", "signed_areas"]

NO_PART = -1
"""Owner, and value, of what belongs to no part."""


class Edges(NamedTuple):
    """Directed straight edges, each on the outline of one part.

    Args:
        ends: Columns and rows of start and end: x, y, x, y.
        owner: Number of the part on the left.
        corner: Whether the start is a corner; if not, the outline may go straight on.
    """

    ends: Int32[np.ndarray, "edges 4"]
    owner: Int64[np.ndarray, " edges"]
    corner: Bool[np.ndarray, " edges"]

    def chosen(self, which: NDArray[np.bool_]) -> Edges:
        """Return some of the edges.

        Args:
            which: A truth value per edge.
        """
        return Edges(self.ends[which], self.owner[which], self.corner[which])

    @classmethod
    def joined(cls, several: list[Edges]) -> Edges:
        """Return the edges of several collections.

        Args:
            several: The collections; none gives no edges.
        """
        empty = cls(np.zeros((0, 4), np.int32), np.zeros(0, np.int64), np.zeros(0, bool))
        ends, owner, corner = (np.concatenate(list(each)) for each in zip(empty, *several))  # noqa: B905
        return cls(ends, owner, corner)


def _walls(values: Int64[np.ndarray, "h2 w2"]) -> tuple[NDArray[np.bool_], ...]:
    """Whether an edge leaves each lattice point upwards, downwards, to the left, to the right."""
    upright = values[:, :-1] != values[:, 1:]
    level = values[:-1] != values[1:]
    return upright[:-1], upright[1:], level[:, :-1], level[:, 1:]


def corners_of(values: Int64[np.ndarray, "h2 w2"]) -> Bool[np.ndarray, "h1 w1"]:
    """Find the lattice points where an outline turns or several meet.

    Args:
        values: A window of the map with one more pixel on every side.

    Returns:
        A truth value per lattice point of the window, its border included.
    """
    up, down, left, right = _walls(values)
    straight = (up & down & ~left & ~right) | (left & right & ~up & ~down)
    return (up | down | left | right) & ~straight


def edges_of(
    values: Int64[np.ndarray, "h2 w2"],
    owners: Int64[np.ndarray, "h1 w1"],
    row: int,
    col: int,
) -> Edges:
    """Find the edges inside a window and on its upper and left border.

    Those on the lower and right border are found by the windows there, so that windows side by side find every edge
    once.

    Args:
        values: The window with one more pixel on every side.
        owners: Number of the part of every pixel, with one more pixel above and on the left; :data:`NO_PART` for
            none.
        row: First row of the window.
        col: First column.
    """
    corner = corners_of(values)
    _, down, _, right = _walls(values)
    h, w = owners.shape[0] - 1, owners.shape[1] - 1

    wall = right[:h, :w]
    begin, end = wall & corner[:h, :w], wall & corner[:h, 1:]
    begin[:, 0], end[:, -1] = wall[:, 0], wall[:, -1]  # cut at the border of the window
    y, x = np.nonzero(begin)
    x_end = np.nonzero(end)[1] + 1
    level = [
        (x, y, x_end, y, owners[y + 1, x + 1], corner[y, x]),
        (x_end, y, x, y, owners[y, x + 1], corner[y, x_end]),
    ]
    wall = down[:h, :w]
    begin, end = wall & corner[:h, :w], wall & corner[1:, :w]
    begin[0], end[-1] = wall[0], wall[-1]
    x, y = np.nonzero(begin.T)
    y_end = np.nonzero(end.T)[1] + 1
    upright = [
        (x, y, x, y_end, owners[y + 1, x], corner[y, x]),
        (x, y_end, x, y, owners[y + 1, x + 1], corner[y_end, x]),
    ]
    found = [
        Edges(_int32(x0 + col, y0 + row, x1 + col, y1 + row), owner, at)
        for x0, y0, x1, y1, owner, at in level + upright
    ]
    edges = Edges.joined(found)
    return edges.chosen(edges.owner != NO_PART)


def _int32(*columns: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.stack(columns, axis=1).astype(np.int32)


def _successors(edges: Edges) -> NDArray[np.int64]:
    """Which edge follows each one along its ring."""
    x0, y0, x1, y1 = edges.ends.T
    leaving = np.lexsort((x0, y0, edges.owner))
    arriving = np.lexsort((x1, y1, edges.owner))
    following = np.empty(len(x0), np.int64)
    following[arriving] = leaving
    # Where two rings of a part meet, two edges arrive and two leave: turn right, that is take the first edge that
    # is met against the clock from where one came.
    first = np.nonzero(
        (x0[leaving[1:]] == x0[leaving[:-1]])
        & (y0[leaving[1:]] == y0[leaving[:-1]])
        & (edges.owner[leaving[1:]] == edges.owner[leaving[:-1]])
    )[0]
    came, one, other = arriving[first], leaving[first], leaving[first + 1]
    back = np.arctan2((y0 - y1)[came], (x0 - x1)[came])
    turns = [
        (np.arctan2((y1 - y0)[out], (x1 - x0)[out]) - back) % (2 * np.pi) for out in (one, other)
    ]
    swapped = turns[1] < turns[0]
    following[came] = np.where(swapped, other, one)
    following[arriving[first + 1]] = np.where(swapped, one, other)
    return following


def _cycles(following: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk along all rings: the edges in order, and where each ring begins."""
    successor, seen = following.tolist(), bytearray(len(following))
    order: list[int] = []
    starts: list[int] = []
    for first in range(len(successor)):
        if seen[first]:
            continue
        starts.append(len(order))
        edge = first
        while not seen[edge]:
            seen[edge] = 1
            order.append(edge)
            edge = successor[edge]
    return np.array(order, np.int64), np.array(starts, np.int64)


def signed_areas(
    points: Float64[np.ndarray, "points 2"], starts: Int64[np.ndarray, " rings"]
) -> Float64[np.ndarray, " rings"]:
    """Areas of open rings, negative for those that run with the clock.

    Args:
        points: Points of all rings, one ring after the other, none repeated at the end.
        starts: Where each ring begins.
    """
    if not len(starts):
        return np.zeros(0)
    sizes = np.diff(starts, append=len(points))
    shifted = points - np.repeat(points[starts], sizes, axis=0)
    after = shifted[_next(starts, sizes, len(points))]
    cross = shifted[:, 0] * after[:, 1] - shifted[:, 1] * after[:, 0]
    return np.add.reduceat(cross, starts) / 2


def _next(starts: NDArray[np.int64], sizes: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Index of the point after each one in its ring."""
    after = np.arange(1, total + 1)
    after[starts + sizes - 1] = starts
    return after


def polygons_of(edges: Edges) -> tuple[Int64[np.ndarray, " parts"], NDArray[np.object_]]:
    """Put edges together to polygons.

    Args:
        edges: All edges of some parts.

    Returns:
        Numbers of the parts in ascending order, and a polygon of each, in pixels; every corner is a vertex, also
        where only a neighbour has one, so that neighbours agree in all vertices of their common border.
    """
    if not len(edges.owner):
        return np.zeros(0, np.int64), np.zeros(0, object)
    order, starts = _cycles(_successors(edges))
    points = edges.ends[order, :2].astype(np.float64)
    sizes = np.diff(starts, append=len(points))
    after = _next(starts, sizes, len(points))
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    arriving, leaving = points - points[before], points[after] - points
    bent = arriving[:, 0] * leaving[:, 1] != arriving[:, 1] * leaving[:, 0]
    kept = edges.corner[order] | bent
    ring = np.repeat(np.arange(len(starts)), sizes)[kept]
    points, starts = points[kept], np.nonzero(np.diff(ring, prepend=-1))[0]
    owner = edges.owner[order][kept][starts]
    hole = signed_areas(points, starts) < 0
    rings = shapely().linearrings(points, indices=ring)
    sorting = np.lexsort((hole, owner))  # the one ring that is no hole comes first
    numbers, index = np.unique(owner[sorting], return_inverse=True)
    return numbers, shapely().polygons(rings[sorting], indices=index)
