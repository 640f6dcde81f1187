"""The parts of a map of any size: what hangs together is found window by window and joined across their borders.

Windows are read row by row. Every window numbers its parts; where two windows meet, pixels of one value side by side
join two numbers into one. A part that reaches no border of its window is complete at once, another one when no pixel of
the last row belongs to it: its edges become a polygon and it is forgotten. What is in memory are a window and the
outlines of the parts that are still open; so the height of the map does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.measure import label

from mfnet_lite.rasters.tiling import Window
from mfnet_lite.scenes.border_simplification import simplified_edges
from mfnet_lite.scenes.part_outlines import NO_PART, Edges, corners_of, edges_of, polygons_of

__all__ = ["Parts", "find_parts"]

WINDOW = 1024  # pixels a side: four blocks of our files, and a few megabytes


class Parts(NamedTuple):
    """Parts that are complete.

    Args:
        values: Value of the map in each part.
        pixels: Number of pixels.
        means: Mean of the weights over the pixels that have one, NaN without any.
        polygons: Outlines in pixels, y downwards.
    """

    values: Int64[np.ndarray, " parts"]
    pixels: Int64[np.ndarray, " parts"]
    means: Float64[np.ndarray, " parts"]
    polygons: NDArray[np.object_]


class _Tally(NamedTuple):
    """What is counted per part while it is open: value, pixels, pixels with a weight, sum of weights."""

    values: Int64[np.ndarray, " parts"]
    pixels: Int64[np.ndarray, " parts"]
    weighed: Int64[np.ndarray, " parts"]
    sums: Float64[np.ndarray, " parts"]

    @classmethod
    def of(
        cls,
        values: Int64[np.ndarray, "h w"],
        parts: Int64[np.ndarray, "h w"],
        count: int,
        weights: Float64[np.ndarray, "h w"] | None,
    ) -> _Tally:
        """Count in a window whose parts are numbered from 0."""
        inside = parts != NO_PART
        number = parts[inside]
        value = np.zeros(count, np.int64)
        value[number] = values[inside]
        pixels = np.bincount(number, minlength=count)
        if weights is None:
            return cls(value, pixels, np.zeros(count, np.int64), np.zeros(count))
        given = inside & np.isfinite(weights)
        number = parts[given]
        sums = np.bincount(number, weights[given], minlength=count)
        return cls(value, pixels, np.bincount(number, minlength=count), sums)

    def merged(self, several: list[_Tally], component: NDArray[np.int64], count: int) -> _Tally:
        """Add up what turned out to be one part."""
        values, pixels, weighed, sums = (
            np.concatenate(each) for each in zip(self, *several, strict=True)
        )
        value = np.zeros(count, np.int64)
        value[component] = values
        added = [np.zeros(count, np.int64), np.zeros(count, np.int64), np.zeros(count)]
        for total, each in zip(added, (pixels, weighed, sums), strict=True):
            np.add.at(total, component, each)
        return _Tally(value, added[0], added[1], added[2])

    def chosen(self, which: NDArray[np.bool_]) -> _Tally:
        """Take some of the parts."""
        return _Tally(*(each[which] for each in self))


def find_parts(
    read: Callable[[Window], Int64[np.ndarray, "h w"]],
    height: int,
    width: int,
    *,
    weigh: Callable[[Window], Float64[np.ndarray, "h w"]] | None = None,
    tolerance: float = 0.0,
    window: int = WINDOW,
) -> Iterator[Parts]:
    """Find the parts of a map and their outlines.

    Args:
        read: Gives the values in a window, :data:`~mfnet_lite.scenes.part_outlines.NO_PART` where there is none.
        height: Rows of the map.
        width: Columns.
        weigh: Gives a weight per pixel of a window, NaN where there is none.
        tolerance: Side of a square, in pixels, as large as the largest triangle that simplifying cuts off; 0 keeps
            every corner.
        window: Side of the windows; without a tolerance it changes no outline.

    Yields:
        Parts that were completed by one window or one row of windows, in no particular order.
    """
    # One row and column outside the map are treated as part of it, so that its last border is found like any other.
    rows, cols = height + 1, width + 1
    above = np.full(cols, NO_PART, np.int64)
    tally = _Tally.of(np.zeros((0, 0), np.int64), np.zeros((0, 0), np.int64), 0, None)
    pending = Edges.joined([])
    for top in range(0, rows, window):
        h = min(window, rows - top)
        total = len(tally.values)
        beside = np.full(h, NO_PART, np.int64)
        below = np.empty_like(above)
        tallies: list[_Tally] = []
        edges, pairs = [pending], [np.zeros((0, 2), np.int64)]
        for left in range(0, cols, window):
            w = min(window, cols - left)
            values = _haloed(read, Window(top - 1, left - 1, h + 2, w + 2), height, width)
            inner, real = (
                values[1:-1, 1:-1],
                Window(top, left, min(h, height - top), min(w, width - left)),
            )
            own = label(inner, background=NO_PART, connectivity=1).astype(np.int64) - 1
            count = int(own.max(initial=NO_PART)) + 1
            weights = None
            if weigh is not None and real.height and real.width:
                weights = np.full(inner.shape, np.nan)
                weights[: real.height, : real.width] = weigh(real)
            counted = _Tally.of(inner, own, count, weights)
            lonely = _lonely(own, count)
            tallies.append(counted.chosen(~lonely))
            owners = np.full((h + 1, w + 1), NO_PART, np.int64)
            owners[0, 1:], owners[1:, 0] = above[left : left + w], beside
            # Parts that reach no border of the window are complete; their numbers are negative for now.
            number = np.where(
                lonely, NO_PART - 1 - np.arange(count), total - 1 + np.cumsum(~lonely)
            )
            owners[1:, 1:] = np.append(number, NO_PART)[own]
            total += count - int(lonely.sum())
            for one, two, here in (
                (values[0, 1:-1], inner[0], (owners[0, 1:], owners[1, 1:])),
                (values[1:-1, 0], inner[:, 0], (owners[1:, 0], owners[1:, 1])),
            ):
                same = (one == two) & (one != NO_PART)
                pairs.append(np.unique(np.stack(here, axis=1)[same], axis=0))
            found = _window_edges(values, owners, real, height, width, tolerance)
            alone = found.owner < NO_PART
            edges.append(found.chosen(~alone))
            if alone.any():
                found = found.chosen(alone)
                found = found._replace(owner=NO_PART - 1 - found.owner)
                yield _finished(counted.chosen(lonely), found)
            below[left : left + w], beside = owners[-1, 1:], owners[1:, -1]
        component, count = _components(np.concatenate(pairs), total)
        tally = tally.merged(tallies, component, count)
        joined = Edges.joined(edges)
        joined = joined._replace(owner=component[joined.owner])
        still = np.zeros(count, bool)
        reached = below != NO_PART
        still[component[below[reached]]] = True
        if not still.all():
            yield _finished(tally.chosen(~still), joined.chosen(~still[joined.owner]))
        # What is still open gets the first numbers of the next row.
        again = np.cumsum(still) - 1
        pending = joined.chosen(still[joined.owner])
        pending = pending._replace(owner=again[pending.owner])
        above = np.full(cols, NO_PART, np.int64)
        above[reached] = again[component[below[reached]]]
        tally = tally.chosen(still)


def _finished(tally: _Tally, edges: Edges) -> Parts:
    """Parts of which everything is known."""
    means = np.full(len(tally.values), np.nan)
    np.divide(tally.sums, tally.weighed, out=means, where=tally.weighed > 0)
    return Parts(tally.values, tally.pixels, means, polygons_of(edges)[1])


def _lonely(own: Int64[np.ndarray, "h w"], count: int) -> Bool[np.ndarray, " parts"]:
    """Which parts of a window have no pixel at its border, so that no other window knows of them."""
    lonely = np.ones(count, bool)
    for line in (own[0], own[-1], own[:, 0], own[:, -1]):
        lonely[line[line != NO_PART]] = False
    return lonely


def _window_edges(
    values: Int64[np.ndarray, "h2 w2"],
    owners: Int64[np.ndarray, "h1 w1"],
    real: Window,
    height: int,
    width: int,
    tolerance: float,
) -> Edges:
    """The edges of a window, simplified inside it."""
    edges = edges_of(values, owners, real.row, real.col)
    if not tolerance or not (real.height and real.width):
        return edges
    fixed = np.zeros(len(edges.owner), bool)
    for axis, lines in ((0, (real.col, width)), (1, (real.row, height))):
        for line in lines:
            fixed |= (edges.ends[:, axis] == line) & (edges.ends[:, axis + 2] == line)
    inside = slice(1, real.height + 1), slice(1, real.width + 1)
    simpler = simplified_edges(
        values[inside],
        owners[inside],
        corners_of(values)[: real.height + 1, : real.width + 1],
        real.row,
        real.col,
        tolerance,
    )
    return Edges.joined([edges.chosen(fixed), simpler])


def _haloed(
    read: Callable[[Window], Int64[np.ndarray, "h w"]], wanted: Window, height: int, width: int
) -> Int64[np.ndarray, "h w"]:
    """Values in a window that may reach beyond the map."""
    values = np.full((wanted.height, wanted.width), NO_PART, np.int64)
    row, col = max(wanted.row, 0), max(wanted.col, 0)
    bottom = min(wanted.row + wanted.height, height)
    right = min(wanted.col + wanted.width, width)
    if bottom > row and right > col:
        part = read(Window(row, col, bottom - row, right - col))
        y, x = row - wanted.row, col - wanted.col
        values[y : y + part.shape[0], x : x + part.shape[1]] = part
    return values


def _components(
    pairs: Int64[np.ndarray, "pairs 2"], total: int
) -> tuple[Int64[np.ndarray, " numbers"], int]:
    """Numbers of the parts after joining, and how many there are."""
    if not total:
        return np.zeros(0, np.int64), 0
    # With 64-bit indices SciPy 1.11 finds no component and raises nothing.
    one, two = pairs.astype(np.int32).T
    graph = coo_array((np.ones(len(one)), (one, two)), shape=(total, total))
    count, component = connected_components(graph, directed=False)
    return component.astype(np.int64), int(count)
