"""Overlap of boxes by hand, and against a count of points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.metrics.polygons import intersection_and_union, pairwise_iou

DIAMOND = (1.0, 0.0, 2.0, 1.0, 1.0, 2.0, 0.0, 1.0)


def test_by_hand() -> None:
    assert intersection_and_union((0, 0, 4, 2), (2, 1, 6, 5)) == (2, 22)
    assert intersection_and_union((0, 0, 1, 1), (1, 0, 2, 1)) == (0, 2)
    assert intersection_and_union((0, 0, 1, 1), (3, 3, 4, 4)) == (0, 2)
    assert intersection_and_union((0, 0, 2, 2), DIAMOND) == (2, 4)
    # the diamond and the left half of the square
    assert intersection_and_union(DIAMOND, (0, 0, 1, 2)) == (1, 3)
    assert intersection_and_union(DIAMOND, (5, 5, 6, 6)) == (0, 3)
    # a square in a square turned by 45 degrees: a regular octagon
    r = math.sqrt(2)
    turned = (0, -r, r, 0, 0, r, -r, 0)
    assert intersection_and_union((-1, -1, 1, 1), turned)[0] == pytest.approx(8 * (r - 1))
    with pytest.raises(ValueError, match="got 6"):
        intersection_and_union((0, 0, 1, 1, 2, 2), (0, 0, 1, 1))


def test_the_way_round_does_not_matter() -> None:
    backwards = tuple(np.reshape(DIAMOND, (4, 2))[::-1].ravel().tolist())
    assert intersection_and_union(DIAMOND, backwards) == (2, 2)
    assert pairwise_iou([DIAMOND, backwards], [DIAMOND]).tolist() == [[1], [1]]
    assert pairwise_iou([], [DIAMOND]).shape == (0, 1)


def rectangle(x: float, y: float, length: float, width: float, angle: float) -> np.ndarray:
    along = np.array([math.cos(angle), math.sin(angle)]) * length / 2
    across = np.array([-math.sin(angle), math.cos(angle)]) * width / 2
    return np.array([x, y]) + np.array(
        [-along - across, along - across, along + across, across - along]
    )


def inside(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    along, across = corners[1] - corners[0], corners[3] - corners[0]
    u, v = (((points - corners[0]) @ side) / (side @ side) for side in (along, across))
    return (u >= 0) & (u <= 1) & (v >= 0) & (v <= 1)


spots = st.tuples(
    st.floats(3, 7), st.floats(3, 7), st.floats(1, 5), st.floats(1, 5), st.floats(0, 3.2)
)


@given(spots, spots)
def test_against_a_count_of_points(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    one, other = rectangle(*a), rectangle(*b)
    grid = np.stack(np.meshgrid(*[np.arange(0, 10, 0.05) + 0.025] * 2), axis=-1).reshape(-1, 2)
    hits = inside(grid, one), inside(grid, other)
    common, union = intersection_and_union(one.ravel().tolist(), other.ravel().tolist())
    assert common == pytest.approx((hits[0] & hits[1]).sum() * 0.05**2, abs=0.6)
    assert union == pytest.approx((hits[0] | hits[1]).sum() * 0.05**2, abs=1.0)
    back = intersection_and_union(other.ravel().tolist(), one.ravel().tolist())
    assert (common, union) == pytest.approx(back, abs=1e-9)
