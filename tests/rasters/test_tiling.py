from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.rasters import Window, window_positions, windows


@pytest.mark.parametrize(
    ("height", "width", "stride", "official", "distinct"),
    [
        (600, 500, 32, 304, 108),
        (600, 500, 128, 20, 12),
        (2563, 1934, 32, 4941, 3996),
        (6000, 6000, 128, 2209, 2116),
        (256, 256, 32, 64, 1),
    ],
)
def test_golden_counts(height, width, stride, official, distinct):
    ours = windows(height, width, 256, stride)
    theirs = windows(height, width, 256, stride, official=True)
    assert (len(theirs), len(ours)) == (official, distinct)
    assert set(theirs) == set(ours)
    assert len(set(ours)) == len(ours)


@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    size=st.integers(1, 40),
    data=st.data(),
    official=st.booleans(),
)
def test_every_pixel_is_covered_and_none_outside(height, width, size, data, official):
    stride = data.draw(st.integers(1, size))
    votes = np.zeros((height, width), int)
    for window in windows(height, width, size, stride, official):
        assert window == window.inside(height, width)
        assert (window.height, window.width) == (min(size, height), min(size, width))
        votes[window.slices] += 1
    assert votes.min() >= 1


def test_rectangular_windows():
    assert windows(10, 20, (5, 20), 5) == [Window(0, 0, 5, 20), Window(5, 0, 5, 20)]


def test_hanging_window_is_cut():
    assert Window(-2, 5, 4, 10).inside(8, 8) == Window(0, 5, 2, 3)
    assert Window(20, 0, 4, 4).inside(8, 8).height == 0


@pytest.mark.parametrize(("length", "size", "stride"), [(0, 4, 2), (5, 0, 1), (5, 4, 5), (5, 4, 0)])
def test_refusals(length, size, stride):
    with pytest.raises(ValueError, match="expected"):
        window_positions(length, size, stride)
