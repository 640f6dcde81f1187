"""Boxes to text and back: padding, order of corners, rotations, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mfnet_lite.language.answers import parse_answer
from mfnet_lite.language.boxes import (
    Square,
    box_text,
    boxes_text,
    corner_order,
    corners_of,
    read_box,
)

sides = st.integers(1, 400)


@st.composite
def images_with_boxes(draw: st.DrawFn) -> tuple[Square, tuple[float, ...]]:
    """An image and a box of whole pixels in it that is wide enough for two decimals."""
    width, height = draw(sides), draw(sides)
    step = max(width, height) / 100
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x1, y1 = draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))
    assume(x1 - x0 > step and y1 - y0 > step)
    return Square(width, height), (float(x0), float(y0), float(x1), float(y1))


def rectangle(x: float, y: float, length: float, width: float, angle: float) -> tuple[float, ...]:
    along = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    across = np.array([-math.sin(angle), math.cos(angle)]) * width / 2
    middle = np.array([x, y])
    corners = [middle - along - across, middle + along - across]
    corners += [middle + along + across, middle - along + across]
    return tuple(np.concatenate(corners).tolist())


def test_by_hand() -> None:
    # 200 x 101 pixels: the square has 200, (200 - 101) // 2 = 49 rows lie above.
    square = Square(200, 101)
    assert (square.side, square.left, square.top) == (200, 0, 49)
    placed = square.place((10, 20, 50, 61))
    assert placed.numbers == (0.05, 0.34, 0.25, 0.55)  # (20 + 49) / 200 = 0.345 to even
    assert not placed.clamped
    assert square.place((10, 20, 50, 61), decimals=3).numbers == (0.05, 0.345, 0.25, 0.55)
    assert square.to_pixels((0.05, 0.345, 0.25, 0.55)) == pytest.approx((10, 20, 50, 61))


@given(images_with_boxes())
def test_round_trip_of_all_digits_is_exact(case: tuple[Square, tuple[float, ...]]) -> None:
    square, box = case
    assert square.to_pixels(square.place(box, decimals=None).numbers) == pytest.approx(
        box, abs=1e-9
    )


@given(images_with_boxes(), st.integers(2, 4))
def test_round_trip_through_text_stays_within_half_a_step(
    case: tuple[Square, tuple[float, ...]], decimals: int
) -> None:
    square, box = case
    text = box_text(square.place(box, decimals).numbers, decimals)
    back = square.to_pixels(read_box(text))
    assert np.abs(np.subtract(back, box)).max() <= square.side * 0.5 * 10.0**-decimals + 1e-9
    (found,) = parse_answer(text, "box").objects
    assert found.numbers == read_box(text)


@given(images_with_boxes())
def test_quarter_turns_of_an_even_difference_move_boxes_exactly(
    case: tuple[Square, tuple[float, ...]],
) -> None:
    square, (x0, y0, x1, y1) = case
    assume((square.width - square.height) % 2 == 0)
    turned = Square(square.height, square.width)  # clockwise: (x, y) becomes (H - y, x)
    there = turned.place((square.height - y1, x0, square.height - y0, x1), None).numbers
    u0, v0, u1, v1 = square.place((x0, y0, x1, y1), None).numbers
    assert there == pytest.approx((1 - v1, u0, 1 - v0, u1))


def test_a_quarter_turn_of_an_odd_difference_moves_boxes_by_one_pixel() -> None:
    square, turned = Square(10, 7), Square(7, 10)
    u0, v0, u1, v1 = square.place((0, 0, 10, 7), None).numbers
    there = turned.place((0, 0, 7, 10), None).numbers
    assert np.subtract(there, (1 - v1, u0, 1 - v0, u1)) == pytest.approx([-0.1, 0, -0.1, 0])


@given(
    st.floats(60, 140), st.floats(60, 140), st.floats(20, 60), st.floats(10, 50), st.floats(0, 3.2)
)
def test_oriented_boxes_keep_their_corners(
    x: float, y: float, length: float, width: float, angle: float
) -> None:
    square = Square(200, 200)
    corners = rectangle(x, y, length, width, angle)
    numbers = square.place(corners, None).numbers
    found = {tuple(c) for c in np.round(corners_of(square.to_pixels(numbers)), 6).tolist()}
    assert found == {tuple(c) for c in np.round(corners_of(corners), 6).tolist()}
    # whatever corner the annotation begins with, and whichever way round, there is one spelling
    points = corners_of(corners)
    for shift in range(4):
        for way in (1, -1):
            again = np.roll(points, shift, axis=0)[::way].ravel()
            assert square.place(again, None).numbers == pytest.approx(numbers, abs=1e-9)


@given(
    st.floats(60, 140), st.floats(60, 140), st.floats(20, 60), st.floats(10, 50), st.floats(0, 3.2)
)
def test_order_of_corners(x: float, y: float, length: float, width: float, angle: float) -> None:
    ordered = corner_order(corners_of(rectangle(x, y, length, width, angle)))
    distances = np.hypot(*ordered.T)
    assert distances[0] <= distances.min() + 1e-6
    beyond = ordered[1:] - ordered[0]
    angles = np.arctan2(beyond[:, 1], beyond[:, 0])
    assert (np.diff(angles) > 0).all()
    assert -math.pi / 2 < angles[0] < angles[-1] < math.pi


@given(
    st.floats(60, 140), st.floats(60, 140), st.floats(20, 60), st.floats(10, 50), st.floats(0, 3.2)
)
def test_a_quarter_turn_of_an_oriented_box_is_the_box_of_the_turned_image(
    x: float, y: float, length: float, width: float, angle: float
) -> None:
    square = Square(200, 200)
    corners = corners_of(rectangle(x, y, length, width, angle))
    turned = np.stack([200 - corners[:, 1], corners[:, 0]], axis=1)
    there = corners_of(square.place(turned.ravel(), None).numbers)
    here = corners_of(square.place(corners.ravel(), None).numbers)
    expected = corner_order(np.stack([1 - here[:, 1], here[:, 0]], axis=1))
    assert there == pytest.approx(expected, abs=1e-9)


def test_equally_near_corners() -> None:
    # a square on its corner, its left and its upper corner at the same distance: the upper one wins
    ordered = corner_order(np.array([(2.0, 1.0), (3.0, 2.0), (2.0, 3.0), (1.0, 2.0)]))
    assert ordered.tolist() == [[2, 1], [3, 2], [2, 3], [1, 2]]


def test_what_lies_outside_is_cut_off_and_told() -> None:
    placed = Square(100, 100).place((-10, 20, 50, 60))
    assert placed.numbers == (0.0, 0.2, 0.5, 0.6)
    assert placed.clamped
    assert Square(100, 100).place(rectangle(5, 50, 20, 10, 0.5)).clamped


@pytest.mark.parametrize(
    ("box", "word"),
    [
        ((10, 10, 10, 20), "has no area"),
        ((20, 10, 10, 20), "ends before it begins"),
        ((10, 10, 10.2, 20), "steps of 0.01"),
        ((120, 10, 130, 20), "has no area in steps"),
        ((0, 0, 10, 0, 5, 0, 2, 0), "has no area"),
        ((0, 0, 10, 10, 10, 0, 0, 10), "has no area"),
        ((0, 0, 30, 0, 10, 10, 0, 30), "is not convex"),
        ((0, 0, 10), "four coordinates"),
        ((0, 0, float("nan"), 10), "no number"),
    ],
)
def test_no_boxes(box: tuple[float, ...], word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        Square(100, 100).place(box)
    assert "\n" not in str(caught.value)


def test_text() -> None:
    two = boxes_text([(0, 0, 0.5, 1), (0.25, 0.25, 0.5, 0.5)])
    assert two == "[0.00,0.00,0.50,1.00;0.25,0.25,0.50,0.50]"
    with pytest.raises(ValueError, match="from 0 to 1"):
        box_text((0, 0, 0.5, 1.2))
    for wrong in ("[0.1,0.2]", "[a,b,c,d]", "", "[0.1,0.1,0.1,0.5]", "[0.1,0.1,1.1,0.5]"):
        with pytest.raises(ValueError, match="box"):
            read_box(wrong)
    with pytest.raises(ValueError, match="at least one pixel"):
        Square(0, 5)


def test_padding_not_undone_moves_boxes() -> None:
    # the failure that people report: a box read as shares of the image instead of the square
    square = Square(200, 100)
    numbers = square.place((0, 0, 100, 100)).numbers
    naive = np.multiply(numbers, (200, 100, 200, 100))
    assert naive.tolist() == [0, 25, 100, 75]
    assert square.to_pixels(numbers) == (0, 0, 100, 100)
