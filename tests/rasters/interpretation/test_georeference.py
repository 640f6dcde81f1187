"""Coordinate systems by what their numbers mean, and how well points place a raster."""

from __future__ import annotations

import numpy as np
import pytest
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine

from mfnet_lite.rasters.interpretation.georeference import (
    crs_name,
    misfit_of_points,
    misplaced_by,
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
