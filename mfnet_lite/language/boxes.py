r"""Boxes as text: corners as shares of the side of a centred square, as EarthGPT writes them.

An image of W × H pixels lies in the middle of a square of side M = max(W, H), whose upper left corner is the origin::

    left = (M - W) // 2        x_text = (x + left) / M        x = x_text · M - left
    top  = (M - H) // 2        y_text = (y + top) / M         y = y_text · M - top

Pixels are counted by their edges: the first pixel of a row reaches from 0 to 1. Whoever forgets to take the padding off
again moves every box of an image that is not square by half the difference of its sides. ``//`` cuts half a pixel off
where the sides differ by an odd number, so there a quarter turn of the image moves boxes by one pixel.

Horizontal box (HBB): ``[x0,y0,x1,y1]``. Oriented box (OBB): ``[x1,y1,x2,y2,x3,y3,x4,y4]``; the corner nearest to
the origin comes first (of two equally near ones the upper, then the left one), the others follow by increasing
angle about it, from the x axis to the y axis, which points down. Corners are ordered after rounding, so that a text
has one spelling. Several boxes stand in one pair of brackets with ``;`` between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

__all__ = [
    "DECIMALS",
    "PlacedBox",
    "Square",
    "box_text",
    "boxes_text",
    "corner_order",
    "corners_of",
    "read_box",
]

DECIMALS = 2
"""Digits behind the point in EarthGPT's data: steps of a hundredth of the side."""

Numbers = tuple[float, ...]
"""Four or eight coordinates of a box."""


@dataclass(frozen=True)
class PlacedBox:
    """A box on the square.

    Attributes:
        numbers: Four coordinates of a horizontal box or eight of an oriented one, from 0 to 1.
        clamped: Whether a part of it lay outside the image's square and was cut off.
    """

    numbers: Numbers
    clamped: bool = False


@dataclass(frozen=True)
class Square:
    """The square around an image.

    Attributes:
        width: Of the image, pixels.
        height: Of the image, pixels.
    """

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"an image has at least one pixel, got {self.width} x {self.height}; check its size"
            )

    @property
    def side(self) -> int:
        """Side of the square, pixels."""
        return max(self.width, self.height)

    @property
    def left(self) -> int:
        """Padding left of the image, pixels."""
        return (self.side - self.width) // 2

    @property
    def top(self) -> int:
        """Padding above the image, pixels."""
        return (self.side - self.height) // 2

    def place(self, box: Iterable[float], decimals: int | None = DECIMALS) -> PlacedBox:
        """Put a box of the image on the square.

        Args:
            box: x0, y0, x1, y1 in pixel edges, or the x and y of four corners one after the other.
            decimals: Digits to round to; None keeps all.

        Returns:
            The box in its one spelling, and whether something was cut off.

        Raises:
            ValueError: If the box has no area, in pixels or after rounding, or is not convex.

        Example:
            >>> Square(200, 100).place((0, 0, 100, 100)).numbers
            (0.0, 0.25, 0.5, 0.75)
        """
        given = tuple(float(number) for number in box)
        found = _checked(given)
        points = np.asarray(found, dtype=np.float64).reshape(-1, 2)
        points = (points + np.array([self.left, self.top])) / self.side
        inside = points.clip(0.0, 1.0)
        clamped = bool((inside != points).any())
        if decimals is not None:
            inside = np.round(inside, decimals)
        if len(given) == 8:
            inside = corner_order(inside)
        numbers = tuple(inside.ravel().tolist())
        wrong = degenerate(numbers)
        if wrong:
            step = "the square" if decimals is None else f"steps of {10.0**-decimals:g}"
            raise ValueError(
                f"the box {_listed(given)} of an image of {self.width} x {self.height} {wrong} in {step}: expected "
                "something that can be seen there; leave it out, or cut the image into smaller tiles"
            )
        return PlacedBox(numbers, clamped)

    def to_pixels(self, numbers: Sequence[float]) -> Numbers:
        """Take a box of a text back to the image: the padding comes off.

        Args:
            numbers: Four or eight coordinates from 0 to 1.

        Returns:
            Pixel edges in the order of the text. They may lie outside the image, in the padding.

        Example:
            >>> Square(200, 100).to_pixels((0.0, 0.25, 0.5, 0.75))
            (0.0, 0.0, 100.0, 100.0)
        """
        _check_length(numbers)
        points = np.asarray(numbers, dtype=np.float64).reshape(-1, 2) * self.side
        return tuple((points - np.array([self.left, self.top])).ravel().tolist())


def corners_of(numbers: Sequence[float]) -> Float[np.ndarray, "4 2"]:
    """Corners of a box: of a horizontal one clockwise from the upper left, of an oriented one as they stand.

    Args:
        numbers: Four or eight coordinates.
    """
    _check_length(numbers)
    if len(numbers) == 8:
        return np.asarray(numbers, dtype=np.float64).reshape(4, 2)
    x0, y0, x1, y1 = numbers
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=np.float64)


def corner_order(corners: Float[np.ndarray, "4 2"]) -> Float[np.ndarray, "4 2"]:
    """Bring the corners of an oriented box into their order.

    Args:
        corners: x and y of four corners, in any order, none below 0.

    Returns:
        The nearest to the origin first (ties: smaller y, then smaller x), the others by increasing angle about it.

    Example:
        >>> corner_order(np.array([(2.0, 2.0), (0.0, 2.0), (2.0, 0.0), (0.0, 0.0)])).tolist()
        [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    """
    points = [(float(x), float(y)) for x, y in corners]
    # Rounded, since two corners at the same distance must not be told apart by the last digit of a float.
    first = min(points, key=lambda p: (round(p[0] ** 2 + p[1] ** 2, 9), p[1], p[0]))
    rest = list(points)
    rest.remove(first)
    # No other corner is nearer, and none has a negative coordinate, so no angle lies beyond a half turn.
    rest.sort(key=lambda p: (round(math.atan2(p[1] - first[1], p[0] - first[0]), 9), p[1], p[0]))
    return np.array([first, *rest], dtype=np.float64)


def box_text(numbers: Sequence[float], decimals: int = DECIMALS) -> str:
    """Write a box.

    Args:
        numbers: Four or eight coordinates from 0 to 1.
        decimals: Digits behind the point.

    Example:
        >>> box_text((0.0, 0.25, 0.5, 0.75))
        '[0.00,0.25,0.50,0.75]'
    """
    return boxes_text([numbers], decimals)


def boxes_text(boxes: Iterable[Sequence[float]], decimals: int = DECIMALS) -> str:
    """Write several boxes in one pair of brackets.

    Args:
        boxes: Each four or eight coordinates from 0 to 1.
        decimals: Digits behind the point.

    Raises:
        ValueError: For another number of coordinates, or one outside 0 to 1.

    Example:
        >>> boxes_text([(0.0, 0.25, 0.5, 0.75), (0.1, 0.1, 0.2, 0.2)], decimals=1)
        '[0.0,0.2,0.5,0.8;0.1,0.1,0.2,0.2]'
    """
    written = []
    for numbers in boxes:
        _check_length(numbers)
        if not all(0 <= number <= 1 for number in numbers):
            raise ValueError(
                f"a box as text has coordinates from 0 to 1, got {_listed(numbers)}; place it on its square first"
            )
        written.append(",".join(f"{number:.{decimals}f}" for number in numbers))
    return f"[{';'.join(written)}]"


def read_box(text: str) -> Numbers:
    """Read one box; the parser of answers is :func:`~mfnet_lite.language.answers.parse_answer`.

    Args:
        text: Such as ``[0.00,0.25,0.50,0.75]``.

    Returns:
        Four or eight coordinates.

    Raises:
        ValueError: If this is no box, a coordinate lies outside 0 to 1, or the box has no area.
    """
    inner = text.strip().removeprefix("[").removesuffix("]")
    try:
        numbers = tuple(float(word) for word in inner.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (4, 8):
        raise ValueError(
            f"{text!r} is no box: expected [x0,y0,x1,y1] or the x and y of four corners"
        )
    wrong = "leaves 0 to 1" if not all(0 <= n <= 1 for n in numbers) else degenerate(numbers)
    if wrong:
        raise ValueError(
            f"the box {text!r} {wrong}: expected an area inside the square; correct it"
        )
    return numbers


def degenerate(numbers: Sequence[float]) -> str:
    """Say why four or eight finite coordinates are no box, as the predicate of a sentence; empty if they are one.

    Args:
        numbers: The coordinates.

    Example:
        >>> degenerate((0.5, 0.0, 0.5, 1.0))
        'has no area'
    """
    if len(numbers) == 4:
        x0, y0, x1, y1 = numbers
        if x1 < x0 or y1 < y0:
            return "ends before it begins"
        return "" if x1 > x0 and y1 > y0 else "has no area"
    corners = np.asarray(numbers, dtype=np.float64).reshape(4, 2)
    sides = np.roll(corners, -1, axis=0) - corners
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    tiny = 1e-9 * max(1.0, float(np.abs(sides).max()) ** 2)
    if abs(_area(corners)) <= tiny:
        return "has no area"
    if (turns < -tiny).any() and (turns > tiny).any():
        return "is not convex"
    return ""


def _area(corners: NDArray[np.float64]) -> float:
    """Signed area of a polygon."""
    x, y = corners.T
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


def _checked(numbers: Numbers) -> Numbers:
    _check_length(numbers)
    wrong = (
        "has a coordinate that is no number"
        if not all(map(math.isfinite, numbers))
        else degenerate(numbers)
    )
    if wrong:
        raise ValueError(
            f"the box {_listed(numbers)} {wrong}: expected pixel edges x0, y0, x1, y1 with x1 > x0 and y1 > y0, or "
            "four corners around a convex area; correct or leave it out"
        )
    return numbers


def _check_length(numbers: Sequence[float]) -> None:
    if len(numbers) not in (4, 8):
        raise ValueError(
            f"a box has four coordinates, or eight if it is oriented, got {len(numbers)}: {_listed(numbers)}"
        )


def _listed(numbers: Sequence[float]) -> str:
    return "(" + ", ".join(f"{number:g}" for number in numbers) + ")"
