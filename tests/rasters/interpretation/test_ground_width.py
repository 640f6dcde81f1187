"""Widths of pixels from geodesy's textbook values."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform as warp

from mfnet_lite.rasters.interpretation.ground_width import (
    mercator_base,
    mercator_degrees,
    pixel_width,
)


def square(step: float, x: float, y: float) -> Affine:
    return Affine(step, 0, x, 0, -step, y)


@pytest.mark.parametrize(
    ("crs", "transform", "metres"),
    [
        ("EPSG:25832", square(0.25, 4e5, 5e6), 0.25),
        ("EPSG:2263", square(1.0, 1e6, 2e5), 1200 / 3937),  # US survey feet
        ("EPSG:4326", square(1e-5, 9, 60), 111_320e-5 * np.cos(np.radians(60))),
        # On the 60th parallel Web Mercator doubles every length.
        ("EPSG:3857", square(1.0, 1e6, 8_399_737.9), 0.5),
    ],
)
def test_width_of_a_pixel(crs, transform, metres):
    width, sure = pixel_width(transform, CRS.from_user_input(crs), 100, 100)
    assert sure
    assert width == pytest.approx(metres, rel=1e-3)


MERCATORS = ("EPSG:3395", "EPSG:3832", "EPSG:3994", "EPSG:5641", "ESRI:54004")
FEET = "+proj=merc +lon_0=20 +k=0.997 +ellps=bessel +units=us-ft"


@pytest.mark.parametrize("crs", [*MERCATORS, FEET, "EPSG:3395+5773"])
@pytest.mark.parametrize(("latitude", "turned"), [(60.17, False), (-17, True)])
def test_width_on_the_ellipsoid_of_mercator(crs, latitude, turned):
    """From the length of the arc: the parallel at 60.17 degrees is half as long as the equator."""
    system = CRS.from_user_input(crs)
    west, north = (
        values[0] for values in warp(CRS.from_epsg(4326), system, [24.9], [latitude])[:2]
    )
    (lon, lon_east), (lat, _) = warp(
        system, CRS.from_epsg(4326), [west, west + 1000], [north, north]
    )[:2]
    axis, inverse = (6_377_397.155, 299.1528128) if crs is FEET else (6_378_137.0, 298.257223563)
    squared = 2 / inverse - 1 / inverse**2
    sine, cosine = np.sin(np.radians(lat)), np.cos(np.radians(lat))
    metres = axis * cosine / np.sqrt(1 - squared * sine**2) * np.radians(lon_east - lon) / 1000
    place = (
        Affine(0, 1, west - 50, 1, 0, north - 50) if turned else square(1.0, west - 50, north + 50)
    )
    width, sure = pixel_width(place, system, 100, 100)
    assert sure
    assert width == pytest.approx(metres, rel=1e-5)
    if crs == "EPSG:3395" and not turned:
        assert width == pytest.approx(0.499, abs=5e-4)


MARS = (3_396_190.0, 3_376_200.0)  # semi-axes in metres


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("crs", ["IAU_2015:49990", "IAU_2015:49991", "IAU_2015:49992"])
def test_width_on_mars(crs, turn):
    """Of the sphere, of the ellipsoid with longitudes to the west, and with latitudes to the centre."""
    place = square(100.0, turn * 1e6 - 500, turn * 2e6 + 500)
    width, sure = pixel_width(place, CRS.from_user_input(crs), 10, 10)
    assert sure
    axis, drawn = (MARS[0], MARS[0]) if crs == "IAU_2015:49990" else MARS
    # EPSG's method 1026 draws an ellipsoid as the sphere that touches the equator from north to south
    latitude = np.arctan(np.sinh(2e6 / drawn))
    squared = 1 - (drawn / axis) ** 2
    parallel = axis * np.cos(latitude) / np.sqrt(1 - squared * np.sin(latitude) ** 2)
    assert width == pytest.approx(100 * parallel / drawn, rel=1e-6 if axis == drawn else 5e-3)


def test_width_on_a_small_moon():
    """A step of 100 kilometres leads several times round it."""
    deimos = CRS.from_user_input("+proj=merc +R=6200")
    width, sure = pixel_width(square(1.0, 1e4, 3000.5), deimos, 1, 1)
    assert sure
    assert width == pytest.approx(1 / np.cosh(3000 / 6200), rel=1e-9)


@pytest.mark.parametrize("edge", [0, np.pi * 6_378_137 - 100])
def test_width_where_coordinates_count_westwards_and_southwards(edge):
    """The same as eastwards and northwards, also across the 180th meridian."""
    widths = [
        pixel_width(
            square(1.0, edge, 5e6), CRS.from_user_input(f"+proj=merc +ellps=WGS84{more}"), 1, 1
        )
        for more in ("", " +axis=wsu")
    ]
    assert widths[0] == (pytest.approx(widths[1][0], rel=1e-6), widths[1][1])
    assert 0.7 < widths[0][0] < 0.8


def test_the_scale_of_web_mercator_is_that_of_the_sphere():
    place = square(1.0, 1e6, 8.4e6 + 50)
    for crs in ("EPSG:3857", "EPSG:3857+5773"):
        width, _ = pixel_width(place, CRS.from_user_input(crs), 100, 100)
        assert width == pytest.approx(1 / np.cosh(8.4e6 / 6_378_137), rel=1e-12)


def test_without_a_system_the_numbers_are_taken_for_metres_and_not_trusted():
    assert pixel_width(square(0.1, 0, 0), None, 5, 5) == (pytest.approx(0.1), False)


def test_mercator_stays_on_its_own_datum():
    paris = "+proj=merc +ellps=intl +towgs84=-87,-98,-121 +pm=2.33722917"
    for crs in ("EPSG:3857", "EPSG:3395", "+proj=merc +a=6378137 +b=6378137 +nadgrids=@null"):
        assert mercator_base(CRS.from_user_input(crs)) == CRS.from_epsg(4326)
    assert mercator_base(CRS.from_epsg(3001)) == CRS.from_epsg(4211)
    # one radian of longitude is one equatorial radius, and the equator is no degree off
    per_unit, latitude = mercator_degrees(CRS.from_user_input(paris), 1e6, 0)
    assert per_unit == pytest.approx(np.degrees(1 / 6_378_388), rel=1e-12)
    assert latitude == pytest.approx(0, abs=1e-12)
    westwards, _ = mercator_degrees(CRS.from_user_input("+proj=merc +axis=wnu"), 1e6, 0)
    assert westwards == pytest.approx(-np.degrees(1 / 6_378_137), rel=1e-12)
