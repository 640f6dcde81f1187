"""Coordinate systems by what their numbers mean, and widths of pixels from geodesy's textbook values."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform as warp

from mfnet_lite.rasters.interpretation.georeference import (
    crs_name,
    misfit_of_points,
    misplaced_by,
    pixel_width,
    same_horizontal,
    transform_of_points,
    vertical_unit,
)

UTM32 = CRS.from_epsg(25832)
UNNAMED = CRS.from_wkt(
    'PROJCS["UTM32",GEOGCS["GRS80",DATUM["unknown",SPHEROID["GRS80",6378137,298.257222101]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",9],PARAMETER["scale_factor",0.9996],'
    'PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1]]'
)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (CRS.from_user_input("EPSG:25832+7837"), True),  # with a vertical part
        (CRS.from_epsg(5972), True),  # another compound, of a national realisation of ETRS89
        (UNNAMED, True),
        (CRS.from_string("+proj=utm +zone=32 +ellps=GRS80 +units=m +no_defs"), True),
        (CRS.from_wkt(UTM32.to_wkt(version="WKT1_ESRI")), True),
        (CRS.from_epsg(32632), False),  # the same projection of another named datum
        (CRS.from_epsg(25833), False),
        (CRS.from_string("+proj=utm +zone=32 +ellps=GRS80 +units=us-ft +no_defs"), False),
        (CRS.from_epsg(4258), False),
    ],
    ids=str,
)
def test_what_is_the_same_horizontal_system(other, same):
    assert same_horizontal(UTM32, other) is same
    assert same_horizontal(other, UTM32) is same


def test_degrees_with_and_without_height():
    assert same_horizontal(CRS.from_epsg(4326), CRS.from_epsg(4979))
    assert not same_horizontal(CRS.from_epsg(4326), CRS.from_epsg(4258))


def test_names_are_short():
    assert crs_name(None) == "none"
    assert crs_name(UTM32) == "EPSG:25832"
    assert crs_name(CRS.from_user_input("EPSG:25832+7837")) == "EPSG:25832+7837"
    long = CRS.from_wkt(UNNAMED.to_wkt().replace("UTM32", "x" * 200))
    assert len(crs_name(long)) <= 60


def test_vertical_unit():
    assert vertical_unit(UTM32) is vertical_unit(None) is None
    assert vertical_unit(CRS.from_user_input("EPSG:25832+7837")) == "metre"
    assert vertical_unit(CRS.from_user_input("EPSG:2263+6360")) == "US survey foot"


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


def test_the_scale_of_web_mercator_is_that_of_the_sphere():
    place = square(1.0, 1e6, 8.4e6 + 50)
    for crs in ("EPSG:3857", "EPSG:3857+5773"):
        width, _ = pixel_width(place, CRS.from_user_input(crs), 100, 100)
        assert width == pytest.approx(1 / np.cosh(8.4e6 / 6_378_137), rel=1e-12)


def test_without_a_system_the_numbers_are_taken_for_metres_and_not_trusted():
    assert pixel_width(square(0.1, 0, 0), None, 5, 5) == (pytest.approx(0.1), False)


def points(bend: float, size: int = 100, per_side: int = 5) -> list[GroundControlPoint]:
    """Of pixels of 10 m whose rows are bent: by ``bend`` pixels between the middle and the sides."""
    places = [(r, c) for r in range(per_side) for c in range(per_side)]
    step = size / (per_side - 1)
    return [
        GroundControlPoint(
            r * step, c * step, 5e5 + 10 * c * step, 5e6 - 10 * (r * step - bend * (c / 2 - 1) ** 2)
        )
        for r, c in places
    ]


def test_how_far_a_transform_misses_points():
    # of the parabola's values 1, 1/4, 0, 1/4, 1 the best line takes the mean, 1/2
    bent = points(8)
    assert misfit_of_points(bent, transform_of_points(bent)) == pytest.approx(4)
    away = Affine(10, 0, 5e5 + 30, 0, -10, 5e6 - 40)
    assert misfit_of_points(points(0), away) == pytest.approx(5)
    assert misfit_of_points(points(0), Affine(10, 20, 0, 10, 20, 0)) == np.inf


@pytest.mark.parametrize(("bend", "told"), [(0, None), (0.9, None), (1.2, "0.6"), (40, "20.0")])
def test_points_that_one_transform_cannot_place(bend, told):
    found = misplaced_by(points(bend))
    assert (found is None) is (told is None)
    if told:
        assert (
            f"by 25 ground control points that one affine transform misses by up to {told}" in found
        )
    assert misplaced_by([]) is None
