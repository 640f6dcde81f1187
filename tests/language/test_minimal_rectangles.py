"""The smallest rectangle around pixels: by hand, against all angles, at any place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.draw import polygon

from mfnet_lite.language.minimal_rectangles import minimal_rectangle


def area(corners: np.ndarray) -> float:
    a, b = corners[1] - corners[0], corners[2] - corners[1]
    return float(np.hypot(*a) * np.hypot(*b))


@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_it_covers_every_pixel_and_no_angle_does_better(mask: np.ndarray) -> None:
    if not mask.any():
        with pytest.raises(ValueError, match="empty mask"):
            minimal_rectangle(mask)
        return
    corners = minimal_rectangle(mask)
    along, across = corners[1] - corners[0], corners[3] - corners[0]
    assert abs(np.dot(along, across)) < 1e-9  # right angles
    rows, cols = np.nonzero(mask)
    points = np.array(
        [(c + i, r + j) for r, c in zip(rows, cols, strict=True) for i in (0, 1) for j in (0, 1)]
    )
    u, v = ((points - corners[0]) @ side / (side @ side) for side in (along, across))
    assert u.min() > -1e-9
    assert v.min() > -1e-9
    assert max(u.max(), v.max()) < 1 + 1e-9
    for angle in np.radians(np.arange(90)):
        c, s = np.cos(angle), np.sin(angle)
        turned = points @ np.array([(c, -s), (s, c)])
        assert area(corners) <= np.prod(np.ptp(turned, axis=0)) + 1e-6


def test_a_single_pixel_and_a_tilted_block() -> None:
    one = np.zeros((3, 3), dtype=bool)
    one[1, 2] = True
    assert sorted(minimal_rectangle(one).tolist()) == [[2, 1], [2, 2], [3, 1], [3, 2]]
    mask = np.zeros((60, 60), dtype=bool)
    angle = np.radians(30)
    turn = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    corners = np.array([(-20, -6), (20, -6), (20, 6), (-20, 6)]) @ turn + 30
    mask[polygon(corners[:, 1], corners[:, 0], mask.shape)] = True
    found = minimal_rectangle(mask)
    sides = [np.hypot(*(found[k + 1] - found[k])) for k in (0, 1)]
    assert max(sides) == pytest.approx(40, abs=2)
    assert min(sides) == pytest.approx(12, abs=2)
