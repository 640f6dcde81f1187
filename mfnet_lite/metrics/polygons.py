"""Overlap of boxes, horizontal and oriented."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

__all__ = ["intersection_and_union", "pairwise_iou"]


def intersection_and_union(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Areas of intersection and union of two boxes.

    Args:
        one: x0, y0, x1, y1, or the x and y of the four corners of a convex shape, one after the other around it.
        other: The same; the two may be of different kinds.

    Returns:
        Both areas, in squares of the boxes' unit.

    Example:
        >>> intersection_and_union((0, 0, 2, 2), (1, 0, 3, 2))
        (2.0, 6.0)
        >>> intersection_and_union((0, 0, 2, 2), (1, 0, 2, 1, 1, 2, 0, 1))  # a square on its corner
        (2.0, 4.0)
    """
    if len(one) == len(other) == 4:
        width = min(one[2], other[2]) - max(one[0], other[0])
        height = min(one[3], other[3]) - max(one[1], other[1])
        common = float(max(width, 0.0) * max(height, 0.0))
        areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
        return common, float(areas) - common
    a, b = _corners(one), _corners(other)
    common = _area(_clipped(a, b))
    return common, _area(a) + _area(b) - common


def pairwise_iou(
    ones: Sequence[Sequence[float]], others: Sequence[Sequence[float]]
) -> Float[np.ndarray, "ones others"]:
    """Intersection over union of every box of one list with every box of another.

    Args:
        ones: Boxes.
        others: Boxes.

    Example:
        >>> pairwise_iou([(0, 0, 2, 2)], [(0, 0, 2, 2), (1, 0, 3, 2)]).round(3).tolist()
        [[1.0, 0.333]]
    """
    table = np.zeros((len(ones), len(others)))
    for row, one in enumerate(ones):
        for column, other in enumerate(others):
            common, union = intersection_and_union(one, other)
            table[row, column] = common / union if union > 0 else 0.0
    return table


def _corners(box: Sequence[float]) -> NDArray[np.float64]:
    """Corners in the direction in which the signed area is positive."""
    if len(box) == 4:
        x0, y0, x1, y1 = box
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)
    if len(box) != 8:
        raise ValueError(f"a box has four numbers, or eight if it is oriented, got {len(box)}")
    corners = np.asarray(box, dtype=np.float64).reshape(4, 2)
    return corners if _signed(corners) >= 0 else corners[::-1]


def _clipped(shape: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut a convex shape along each side of another one (Sutherland and Hodgman, 1974)."""
    for start, end in zip(window, np.roll(window, -1, axis=0), strict=True):
        if not len(shape):
            break
        side = end - start
        # Positive inside: the window's corners turn in the direction of positive area.
        inside = side[0] * (shape[:, 1] - start[1]) - side[1] * (shape[:, 0] - start[0])
        kept: list[NDArray[np.float64]] = []
        for k in range(len(shape)):
            here, there = inside[k - 1], inside[k]
            if here * there < 0:
                kept.append(shape[k - 1] + (shape[k] - shape[k - 1]) * here / (here - there))
            if there >= 0:
                kept.append(shape[k])
        shape = np.array(kept).reshape(-1, 2)
    return shape


def _area(corners: NDArray[np.float64]) -> float:
    return abs(_signed(corners)) if len(corners) else 0.0


def _signed(corners: NDArray[np.float64]) -> float:
    x, y = corners.T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
