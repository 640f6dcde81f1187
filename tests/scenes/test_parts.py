"""Parts found window by window: equal to polygonising the whole map at once, simplified without gaps."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.features import shapes
from shapely.geometry import shape

from mfnet_lite.scenes.parts import find_parts

MAPS = arrays(
    np.int64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.integers(-1, 2),
)


def parts(array, window, tolerance=0.0, weights=None):
    """Value, pixels, mean and polygon of every part."""
    found = find_parts(
        lambda w: array[w.slices],
        *array.shape,
        weigh=None if weights is None else lambda w: weights[w.slices],
        tolerance=tolerance,
        window=window,
    )
    return [
        row
        for some in found
        for row in zip(some.values, some.pixels, some.means, some.polygons, strict=True)
    ]


def polygons(found):
    return np.array([polygon for *_, polygon in found], object)


def fingerprints(found):
    return Counter((int(v), int(n), shapely.normalize(p).wkt) for v, n, _, p in found)


def at_once(array):
    """What GDAL makes of the whole map, without corners that only a neighbour has."""
    found = shapes(array.astype(np.int32), mask=array >= 0, connectivity=4)
    return Counter(
        (int(value), shapely.normalize(shapely.make_valid(shape(geometry))).wkt)
        for geometry, value in found
    )


def without_neighbours(polygon):
    """The polygon without points on straight lines."""

    def bare(ring):
        xy = shapely.get_coordinates(ring)[:-1]
        before, after = xy - np.roll(xy, 1, axis=0), np.roll(xy, -1, axis=0) - xy
        return xy[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]

    return shapely.Polygon(bare(polygon.exterior), [bare(hole) for hole in polygon.interiors])


@settings(deadline=None, max_examples=60)
@given(array=MAPS, window=st.integers(1, 8))
def test_equal_to_polygonising_at_once(array, window):
    found = parts(array, window)
    bare = Counter((int(v), shapely.normalize(without_neighbours(p)).wkt) for v, _, _, p in found)
    assert bare == at_once(array)
    assert all(polygon.area == pixels for _, pixels, _, polygon in found)
    assert fingerprints(found) == fingerprints(parts(array, 100))
    outlines = polygons(found)
    assert shapely.is_valid(outlines).all()
    assert (shapely.get_type_id(outlines) == shapely.GeometryType.POLYGON).all()
    assert shapely.coverage_is_valid(outlines)
    assert all(polygon.exterior.is_ccw for polygon in outlines)


@settings(deadline=None, max_examples=40)
@given(array=MAPS, window=st.integers(2, 8), tolerance=st.sampled_from([0.5, 1.0, 1.7, 5.0]))
def test_simplified_without_gaps_and_overlaps(array, window, tolerance):
    full = array + 1  # no pixel without a part
    found = parts(full, window, tolerance)
    outlines = polygons(found)
    assert len(found) == len(parts(full, window))
    assert shapely.is_valid(outlines).all()
    assert shapely.coverage_is_valid(outlines)
    assert shapely.area(outlines).sum() == pytest.approx(full.size)
    assert shapely.area(shapely.coverage_union_all(outlines)) == pytest.approx(full.size)
    holes = polygons(parts(array, window, tolerance))
    assert shapely.coverage_is_valid(holes)


def test_by_hand():
    array = np.array(
        [
            [1, 1, 1, 1, 1],
            [1, 2, 1, 3, 1],
            [1, 1, 2, 1, 1],
            [1, 1, 1, -1, 1],
        ]
    )
    for window in (1, 2, 3, 9):
        found = sorted(parts(array, window), key=lambda row: (row[0], row[1]))
        assert [(int(value), int(n)) for value, n, *_ in found] == [(1, 16), (2, 1), (2, 1), (3, 1)]
        ring = polygons(found)[0]
        # the two pixels of class 2 touch at a point, and so do the holes around them; the one without data
        # reaches the border of the map
        assert len(ring.interiors) == 3
        assert shapely.get_num_coordinates(ring.exterior) == 9


def test_u_shapes_join_at_many_borders():
    comb = np.zeros((20, 21), np.int64)
    comb[:18, 1::2] = 1  # teeth that hang together in the last rows only
    comb[18] = 1
    for window in (3, 4, 5, 50):
        values = sorted((int(v), int(n)) for v, n, *_ in parts(comb, window))
        assert values[-1] == (1, 10 * 18 + 21)
        assert values[:-1] == [(0, 18)] * 11 + [(0, 21)]
    assert fingerprints(parts(comb, 4)) == fingerprints(parts(comb, 50))


def test_simplifying_takes_the_steps_away_and_keeps_what_is_wide():
    array = np.tril(np.ones((40, 40), np.int64))
    array[20:30, 5:15] = 2
    steps = parts(array, 64)
    smooth = parts(array, 64, 1.0)
    count = [sum(shapely.get_num_coordinates(polygons(found))) for found in (steps, smooth)]
    assert count[1] < count[0] / 3
    assert [p.area for v, _, _, p in smooth if v == 2] == [100]


def test_means_leave_out_what_has_no_weight():
    array = np.array([[0, 0, 1, 1]] * 2)
    weights = np.array([[0.5, np.nan, np.nan, np.nan], [1.0, np.nan, np.nan, np.nan]])
    for window in (1, 2, 8):
        found = {int(v): mean for v, _, mean, _ in parts(array, window, weights=weights)}
        assert found[0] == 0.75
        assert np.isnan(found[1])


def test_nothing_but_nodata():
    assert parts(np.full((5, 7), -1), 3) == []
    assert parts(np.full((5, 7), -1), 3, 1.0) == []


def test_memory_holds_what_is_open_only():
    # finished parts come out while later rows have not been read
    array = np.arange(40 * 8).reshape(40, 8)
    read: list[int] = []

    def note(window):
        read.append(window.row + window.height)
        return array[window.slices]

    next(find_parts(note, 40, 8, window=4))
    assert max(read) <= 10
