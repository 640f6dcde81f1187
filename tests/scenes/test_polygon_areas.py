"""Areas in square metres: hand-computed and known ones."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from rasterio.crs import CRS
from rasterio.warp import transform

from mfnet_lite.scenes.polygon_areas import areas_on_ground, equal_area, metres_per_unit


def area(polygon, crs):
    return areas_on_ground(np.array([polygon], object), CRS.from_user_input(crs))[0]


def test_the_plane_is_taken_at_its_word():
    assert area(shapely.box(500_000, 5e6, 500_010, 5e6 + 3), "EPSG:32632") == pytest.approx(30)
    foot = 1200 / 3937  # New York, US survey feet
    assert area(shapely.box(0, 0, 10, 3), "EPSG:2263") == pytest.approx(30 * foot**2)


def test_degrees():
    # the whole ellipsoid WGS 84: 510,065,621.724 square kilometres
    whole = shapely.box(-180, -90, 180, 90)
    assert area(whole, "EPSG:4326") == pytest.approx(510_065_621.724e6, rel=1e-9)
    # a sphere: 4 pi r²
    sphere = CRS.from_proj4("+proj=longlat +R=6371000 +no_defs")
    assert area(whole, sphere) == pytest.approx(4 * np.pi * 6_371_000**2, rel=1e-9)
    # holes do not count
    ring = shapely.box(9, 48, 10, 49) - shapely.box(9.2, 48.2, 9.4, 48.4)
    parts = [shapely.box(9, 48, 10, 49), shapely.box(9.2, 48.2, 9.4, 48.4)]
    one, two = (area(part, "EPSG:4326") for part in parts)
    assert area(ring, "EPSG:4326") == pytest.approx(one - two)


def test_a_field_has_one_area_in_every_system():
    x, y = (
        np.array([600_000, 600_100, 600_100, 600_000]),
        np.array([5.4e6, 5.4e6, 5_400_100, 5_400_100]),
    )
    expected = area(shapely.Polygon(np.stack([x, y], 1)), "EPSG:32632")
    for crs in ("EPSG:4326", "EPSG:3857", "EPSG:4258"):
        moved = np.stack(transform(CRS.from_epsg(32632), CRS.from_user_input(crs), x, y)[:2], 1)
        # the grid's own scale is 0.9996 at the middle of the zone
        assert area(shapely.Polygon(moved), crs) == pytest.approx(expected, rel=1.5e-3)


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:3395", "EPSG:3994", "EPSG:3832"])
def test_mercator_goes_on_beyond_its_edge(crs):
    """Fields of 40 by 40 units at one latitude have one area, wherever they lie."""
    system = CRS.from_user_input(crs)
    edge = transform(CRS.from_epsg(4326), system, [179.999999], [-17])[0][0]
    y = transform(CRS.from_epsg(4326), system, [100], [-17])[1][0]
    fields = [
        shapely.box(x, y - 40, x + 40, y) for x in (edge - 3e6, edge - 40, edge - 20, edge + 10)
    ]
    found = areas_on_ground(np.array(fields, object), system)
    np.testing.assert_allclose(found, found[0], rtol=1e-7)
    if crs == "EPSG:3857":
        # of the ellipsoid: 1600 cos² 17° (1 - e²) / (1 - e² sin² 17°)²
        square = 1 - 0.0066943799901413165 * np.sin(np.radians(17)) ** 2
        expected = 1600 * np.cos(np.radians(17)) ** 2 * (1 - 0.0066943799901413165) / square**2
        assert found[2] == pytest.approx(expected, rel=1e-5)


ED50 = CRS.from_wkt(
    'PROJCS["ED50 / Mercator",GEOGCS["ED50",DATUM["European_Datum_1950",SPHEROID["International 1924",6378388,297]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4230"]],PROJECTION["Mercator_1SP"],'
    'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",0],PARAMETER["scale_factor",1],'
    'PARAMETER["false_easting",0],PARAMETER["false_northing",0],UNIT["metre",1]]'
)


@pytest.mark.parametrize(
    ("crs", "axis", "share"),
    [
        (ED50, 6_378_388.0, 1),
        ("+proj=merc +ellps=intl +towgs84=-87,-98,-121", 6_378_388.0, 1),
        ("+proj=merc +R=6371000", 6_371_000.0, 1),
        ("+proj=merc +ellps=WGS84 +axis=wsu", 6_378_137.0, 1),
        # Mars, with longitudes to the west and with latitudes to the centre
        ("IAU_2015:49991", 3_376_200.0, 1),
        ("IAU_2015:49992", 3_376_200.0, 1),
        # the web's map before it had a number: drawn as a sphere, measured on the ellipsoid, times 1 - e²
        (
            "+proj=merc +a=6378137 +b=6378137 +nadgrids=@null",
            6_378_137.0,
            1 - 0.0066943799901413165,
        ),
    ],
)
def test_mercator_is_measured_on_its_own_datum(crs, axis, share):
    """On the equator a square is as large as it is drawn, also across the seam, where another datum would leap."""
    edge = np.pi * axis
    for x in (0, 1e6, edge - 150, edge - 1, edge + 10):
        found = area(shapely.box(x, -150, x + 300, 150), crs)
        assert found == pytest.approx(300**2 * share, rel=1e-6)


def test_the_whole_map_is_no_leap():
    half = 20_037_508.342789244
    one = area(shapely.box(0, -1e6, 1e6, 1e6), "EPSG:3857")
    strip = area(shapely.box(-half, -1e6, half, 1e6), "EPSG:3857")
    assert strip == pytest.approx(one * 2 * half / 1e6, rel=1e-9)


def test_equal_area_is_that_of_proj():
    lonlat = np.array([[9.0, 48.0], [-70.0, -33.0], [0.0, 89.0]])
    cea = CRS.from_proj4("+proj=cea +datum=WGS84")
    expected = np.stack(transform(CRS.from_epsg(4326), cea, *lonlat.T)[:2], axis=1)
    assert np.allclose(equal_area(lonlat, 6378137.0, 298.257223563), expected, atol=1e-3)


def test_what_is_no_plane():
    assert metres_per_unit(CRS.from_epsg(4326)) is None
    assert metres_per_unit(CRS.from_epsg(3857)) is None
    assert metres_per_unit(CRS.from_epsg(3395)) is None
    assert metres_per_unit(CRS.from_epsg(25832)) == 1
