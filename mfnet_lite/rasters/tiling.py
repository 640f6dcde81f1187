r"""Windows over a scene: where a model of fixed input size is put so that every pixel is seen.

Along one axis of length :math:`L` windows of size :math:`s` start at :math:`0, d, 2d, \dots`
(stride :math:`d \le s`); the last one is pushed back to :math:`L - s` so that it does not hang over::

    |----s----|
         |----s----|
              |----s----|
                |----s----|   <- clamped to the border
    0 . . . . . . . . . . . L

The code published with MFNet takes *every* start up to :math:`L` and clamps each, so the border
window is evaluated again and again (4941 instead of 3996 windows on a Vaihingen tile with stride 32)
and its votes weigh more. We drop the repeats; ``official=True`` keeps them, for parity.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rasterio import windows as rio_windows


class Window(NamedTuple):
    """A rectangle of pixels; rows downwards, columns to the right.

    Args:
        row: First row.
        col: First column.
        height: Rows.
        width: Columns.

    Example:
        >>> Window(row=2, col=3, height=4, width=5).slices
        (slice(2, 6, None), slice(3, 8, None))
    """

    row: int
    col: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices: ``array[(..., *window.slices)]`` cuts ``(…, height, width)``."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def to_rasterio(self) -> Any:
        """The same rectangle for `rasterio`, which names columns first.

        Returns:
            A `rasterio.windows.Window`.
        """
        return rio_windows.Window(self.col, self.row, self.width, self.height)

    def inside(self, height: int, width: int) -> Window:
        """The part which lies within a raster.

        Args:
            height: Rows of the raster.
            width: Columns of the raster.

        Returns:
            A window of the same or a smaller size, possibly of no height or width.
        """
        top, left = min(max(self.row, 0), height), min(max(self.col, 0), width)
        bottom = min(max(self.row + self.height, top), height)
        right = min(max(self.col + self.width, left), width)
        return Window(top, left, bottom - top, right - left)


def window_positions(length: int, size: int, stride: int, official: bool = False) -> list[int]:
    """Starts of windows along one axis, covering it, in ascending order.

    Args:
        length: Pixels along the axis.
        size: Pixels of a window.
        stride: Step, between 1 and ``size``.
        official: Repeat the clamped start as often as the authors' loop does.

    Returns:
        Starts; ``[0]`` (with ``official``, repeated) if the axis is not longer than the window.

    Raises:
        ValueError: A number below 1, or a stride which would leave gaps.

    Example:
        >>> window_positions(600, 256, 128)
        [0, 128, 256, 344]
        >>> window_positions(600, 256, 128, official=True)
        [0, 128, 256, 344, 344]
    """
    if length < 1 or size < 1:
        raise ValueError(f"expected length and size of at least 1, got {length} and {size}")
    if not 1 <= stride <= size:
        raise ValueError(f"expected a stride between 1 and the window size {size}, got {stride}")
    last = max(length - size, 0)
    if official:
        return [min(start, last) for start in range(0, length, stride)]
    return [*range(0, last, stride), last]


def windows(
    height: int, width: int, size: int | tuple[int, int], stride: int, official: bool = False
) -> list[Window]:
    """Windows covering a raster, row by row.

    Args:
        height: Rows of the raster.
        width: Columns of the raster.
        size: Window size, one number or (rows, columns).
        stride: Step along both axes; the overlap is ``size - stride``.
        official: Repeat border windows as the authors do.

    Returns:
        Windows inside the raster: smaller than ``size`` only where the raster itself is.

    Example:
        >>> len(windows(600, 500, 256, 32)), len(windows(600, 500, 256, 32, official=True))
        (108, 304)
    """
    rows, cols = (size, size) if isinstance(size, int) else size
    return [
        Window(row, col, min(rows, height), min(cols, width))
        for row in window_positions(height, rows, stride, official)
        for col in window_positions(width, cols, stride, official)
    ]
