"""Tiles over a scene, and which objects two of them share along their seam."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Int32, Int64

from mfnet_lite.rasters.tiling import Window, window_positions

__all__ = ["Cell", "TileGrid", "match_objects", "shared_strip"]

Cell = tuple[int, int]
"""Row and column of a tile in the grid of tiles."""
AGREEMENT = 0.5
"""Smallest IoU on the shared strip at which two halves are one object; above it partners are unique."""


@dataclass(frozen=True)
class TileGrid:
    """Tiles over a scene, and the part of each that goes into the result.

    A cell is the row and the column of a tile in the grid.

    Attributes:
        rows: First pixel row of each row of tiles.
        columns: First pixel column of each column of tiles.
        size: Side of a tile in pixels.
        height: Of the scene.
        width: Of the scene.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    size: int
    height: int
    width: int

    def tile(self, row: int, column: int) -> Window:
        """The pixels a tile sees."""
        top, left = self.rows[row], self.columns[column]
        return Window(top, left, min(self.size, self.height), min(self.size, self.width))

    def core(self, row: int, column: int) -> Window:
        """The pixels it decides about: neighbours meet in the middle of what both see."""
        top, bottom = _share(self.rows, row, self.size, self.height)
        left, right = _share(self.columns, column, self.size, self.width)
        return Window(top, left, bottom - top, right - left)

    @classmethod
    def over(cls, height: int, width: int, size: int, overlap: int) -> TileGrid:
        """Lay tiles over a scene.

        Args:
            height: Of the scene, pixels.
            width: Of the scene, pixels.
            size: Side of a tile, pixels.
            overlap: Pixels that neighbouring tiles share.

        Raises:
            ValueError: If the overlap is negative or not smaller than a tile.
        """
        if not 0 <= overlap < size:
            raise ValueError(
                f"overlap must be between 0 and the tile's {size} pixels, got {overlap}"
            )
        rows, columns = (window_positions(n, size, size - overlap) for n in (height, width))
        return cls(tuple(rows), tuple(columns), size, height, width)

    def cells(self) -> list[Cell]:
        """Every cell, row by row."""
        return list(product(range(len(self.rows)), range(len(self.columns))))

    def neighbours_before(self, row: int, column: int) -> list[Cell]:
        """The neighbours of a tile that come before it in :meth:`cells`: above and to the left."""
        near = [(row - 1, column), (row, column - 1)]
        return [(r, c) for r, c in near if r >= 0 and c >= 0]

    def neighbours_after(self, row: int, column: int) -> list[Cell]:
        """The neighbours that come after it: to the right and below."""
        near = [(row, column + 1), (row + 1, column)]
        return [(r, c) for r, c in near if r < len(self.rows) and c < len(self.columns)]


def _share(starts: tuple[int, ...], index: int, size: int, length: int) -> tuple[int, int]:
    """Where a tile's part begins and ends along one axis."""
    begin, end = 0, length
    if index > 0:
        begin = (starts[index] + starts[index - 1] + size) // 2
    if index + 1 < len(starts):
        end = (starts[index + 1] + starts[index] + size) // 2
    return begin, end


def shared_strip(
    one: Window, two: Window
) -> tuple[tuple[slice, slice] | None, tuple[slice, slice] | None]:
    """What both tiles see, in the pixels of each."""
    top, left = max(one.row, two.row), max(one.col, two.col)
    bottom = min(one.row + one.height, two.row + two.height)
    right = min(one.col + one.width, two.col + two.width)
    if bottom <= top or right <= left:
        return None, None
    a, b = (
        (slice(top - t.row, bottom - t.row), slice(left - t.col, right - t.col)) for t in (one, two)
    )
    return a, b


def match_objects(
    a: Int32[np.ndarray, "height width"], b: Int32[np.ndarray, "height width"]
) -> Int64[np.ndarray, "pair 2"]:
    """Find the objects of two maps of the same ground that cover the same pixels.

    Args:
        a: Ids of the first map, 0 for none.
        b: Ids of the second.

    Returns:
        Pairs of ids with an IoU above one half; no id occurs twice.

    Example:
        >>> one = np.array([[1, 1, 2, 2]], dtype=np.int32)
        >>> two = np.array([[7, 7, 7, 5]], dtype=np.int32)
        >>> match_objects(one, two).tolist()
        [[1, 7]]
    """
    count_a = np.bincount(a.ravel())
    count_b = np.bincount(b.ravel())
    both = (a > 0) & (b > 0)
    pairs, inside = np.unique(np.stack([a[both], b[both]], axis=1), axis=0, return_counts=True)
    pairs = pairs.astype(np.int64).reshape(-1, 2)
    union = count_a[pairs[:, 0]] + count_b[pairs[:, 1]] - inside
    return pairs[inside > AGREEMENT * union]
