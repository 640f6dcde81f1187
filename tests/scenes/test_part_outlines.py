"""Edges and rings of parts, by hand."""

from __future__ import annotations

import numpy as np
import shapely

from mfnet_lite.scenes.part_outlines import (
    NO_PART,
    Edges,
    corners_of,
    edges_of,
    polygons_of,
    signed_areas,
)


def haloed(array, below=1):
    """A map with pixels of no part around it, and the same as owners."""
    values = np.pad(np.array(array), ((1, below + 1), (1, below + 1)), constant_values=NO_PART)
    return values, values[:-1, :-1]


def test_corners():
    values = np.pad([[1, 1, 2], [1, 1, 2], [3, 3, 3]], 1, constant_values=NO_PART)
    assert corners_of(values).astype(int).tolist() == [
        [1, 0, 1, 1],
        [0, 0, 0, 0],
        [1, 0, 1, 1],
        [1, 0, 0, 1],
    ]
    checks = np.pad([[1, 2], [2, 1]], 1, constant_values=NO_PART)
    assert corners_of(checks)[1, 1]


def test_a_pixel_has_four_edges_with_the_pixel_on_the_left():
    values, owners = haloed([[5]])
    edges = edges_of(values, owners, row=10, col=20)
    assert sorted(map(tuple, edges.ends.tolist())) == [
        (20, 10, 21, 10),
        (20, 11, 20, 10),
        (21, 10, 21, 11),
        (21, 11, 20, 11),
    ]
    assert edges.owner.tolist() == [5] * 4
    assert edges.corner.all()


def test_rings_that_touch_at_a_point_stay_apart():
    ring = [[0, 0, 0, 0], [0, NO_PART, 0, 0], [0, 0, NO_PART, 0], [0, 0, 0, 0]]
    values, owners = haloed(ring)
    numbers, polygons = polygons_of(edges_of(values, owners, 0, 0))
    assert numbers.tolist() == [0]
    assert len(polygons[0].interiors) == 2
    assert polygons[0].is_valid
    assert polygons[0].area == 14


def test_an_outer_ring_that_meets_itself_becomes_ring_and_hole():
    hook = [[0, 0, 0], [0, NO_PART, 0], [0, 0, NO_PART]]
    values, owners = haloed(hook)
    _, (polygon,) = polygons_of(edges_of(values, owners, 0, 0))
    assert polygon.is_valid
    assert len(polygon.interiors) == 1
    assert polygon.area == 7


def test_neighbours_agree_where_a_third_begins():
    values, owners = haloed([[0, 0], [1, 2]])
    _, polygons = polygons_of(edges_of(values, owners, 0, 0))
    assert (1, 1) in polygons[0].exterior.coords
    assert shapely.coverage_is_valid(polygons)


def test_signed_areas():
    points = np.array([[0, 0], [2, 0], [2, 1], [0, 1], [5, 5], [5, 6], [6, 5]], float)
    assert signed_areas(points, np.array([0, 4])).tolist() == [2.0, -0.5]
    assert len(signed_areas(np.zeros((0, 2)), np.zeros(0, int))) == 0


def test_no_edge():
    numbers, polygons = polygons_of(Edges.joined([]))
    assert len(numbers) == len(polygons) == 0
