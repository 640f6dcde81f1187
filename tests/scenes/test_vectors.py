"""Vector files of maps: attributes, coordinates, faults; read back by GDAL."""

from __future__ import annotations

import json

import numpy as np
import pyogrio.raw
import pytest
import rasterio
import shapely
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.transform import Affine

from mfnet_lite.rasters.write import write_raster
from mfnet_lite.scenes.map_rows import MAP_DIGEST
from mfnet_lite.scenes.object_scores import SCORES_DIGEST, scores_digest, table_of
from mfnet_lite.scenes.vector_files import BATCH
from mfnet_lite.scenes.vectors import class_names, write_vectors

PLACE = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)
MAP = np.array(
    [
        [0, 0, 0, 0, 255],
        [0, 1, 1, 0, 255],
        [0, 1, 1, 0, 2],
        [0, 0, 0, 0, 2],
    ],
    np.uint8,
)


def read(path):
    """Header, and rows of attributes with the polygon under ``shape``."""
    meta, _, shapes, columns = pyogrio.raw.read(path)
    rows = [dict(zip(meta["fields"], values, strict=True)) for values in zip(*columns, strict=True)]
    for row, wkb in zip(rows, shapes, strict=True):
        row["shape"] = shapely.from_wkb(wkb)
    return meta, sorted(rows, key=lambda row: row[meta["fields"][0]])


@pytest.fixture
def class_map(tmp_path):
    return write_raster(tmp_path / "map.tif", MAP, crs="EPSG:25832", transform=PLACE, nodata=255)


def named(path):
    with rasterio.open(path, "r+") as file:
        file.update_tags(CLASSES="0 road; 1 low plants, trees; 2 car")


@pytest.mark.parametrize("name", ["out.gpkg", "out.geojson", "out.JSON"])
def test_class_map(class_map, tmp_path, name):
    named(class_map)
    done = write_vectors(class_map, tmp_path / name)
    assert (done.polygons, done.small, done.confidence) == (3, 0, None)
    meta, rows = read(tmp_path / name)
    assert CRS.from_user_input(meta["crs"]) == CRS.from_epsg(25832)
    assert list(meta["fields"]) == ["class", "name", "area_m2"]
    assert [(r["class"], r["name"], r["area_m2"]) for r in rows] == [
        (0, "road", 12 * 0.25),
        (1, "low plants, trees", 1.0),
        (2, "car", 0.5),
    ]
    assert rows[1]["shape"].bounds == (400_000.5, 5_699_998.5, 400_001.5, 5_699_999.5)
    assert len(rows[0]["shape"].interiors) == 1
    assert rows[1]["shape"].exterior.is_ccw
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["map.tif", name])


def test_geojson_names_its_system(class_map, tmp_path):
    write_vectors(class_map, tmp_path / "out.geojson")
    text = json.loads((tmp_path / "out.geojson").read_text(encoding="utf-8"))
    assert text["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::25832"
    assert len(text["features"]) == 3


@pytest.mark.parametrize("name", ["out.gpkg", "out.geojson"])
def test_without_a_coordinate_system(tmp_path, name):
    path = write_raster(tmp_path / "plates.tif", MAP, nodata=255)
    done = write_vectors(path, tmp_path / name)
    assert done.crs is None
    meta, rows = read(tmp_path / name)
    assert [row["area_px"] for row in rows] == [12, 4, 2]
    assert rows[1]["shape"].bounds == (1, 1, 3, 3)
    assert "pixels" in rows[0]["coordinates"]
    if name == "out.gpkg":
        assert meta["crs"] is None
    else:
        assert "crs" not in json.loads((tmp_path / name).read_text(encoding="utf-8"))


def test_min_area_and_omit(class_map, tmp_path):
    done = write_vectors(class_map, tmp_path / "a.gpkg", min_area=1, omit=[0])
    assert (done.polygons, done.small) == (1, 1)
    assert [row["class"] for row in read(tmp_path / "a.gpkg")[1]] == [1]


@pytest.mark.parametrize("name", ["none.gpkg", "none.geojson"])
def test_no_polygon_at_all(class_map, tmp_path, name):
    assert write_vectors(class_map, tmp_path / name, min_area=1e6).polygons == 0
    meta, rows = read(tmp_path / name)
    assert rows == []
    assert name.endswith("json") or list(meta["fields"]) == ["class", "area_m2"]


def test_confidence_beside_is_found_and_scaled(class_map, tmp_path):
    steps = np.full(MAP.shape, 200, np.uint8)
    steps[1:3, 1:3] = [[250, 125], [255, 255]]
    path = write_raster(
        tmp_path / "map_confidence.tif", steps, crs="EPSG:25832", transform=PLACE, nodata=255
    )
    with rasterio.open(path, "r+") as file:
        file.scales = (1 / 250,)
    done = write_vectors(class_map, tmp_path / "out.gpkg")
    assert done.confidence == path
    rows = read(tmp_path / "out.gpkg")[1]
    assert [row["confidence"] for row in rows] == pytest.approx([0.8, 0.75, 0.8])


def tag(path, name, value):
    with rasterio.open(path, "r+") as file:
        file.update_tags(**{name: value})


def test_the_confidence_of_another_map_is_refused(class_map, tmp_path):
    place = {"crs": "EPSG:25832", "transform": PLACE, "nodata": 255}
    beside = write_raster(tmp_path / "map_confidence.tif", np.full(MAP.shape, 9, np.uint8), **place)
    other = write_raster(tmp_path / "other.tif", np.full(MAP.shape, 7, np.uint8), **place)
    tag(beside, MAP_DIGEST, "0")
    with pytest.raises(ValueError, match=r"map_confidence\.tif was not made with .*map\.tif"):
        write_vectors(class_map, tmp_path / "a.gpkg")  # a map that does not say what it is
    assert write_vectors(class_map, tmp_path / "a.gpkg", confidence=beside).confidence == beside
    tag(class_map, MAP_DIGEST, "0")
    assert write_vectors(class_map, tmp_path / "a.gpkg").confidence == beside
    assert write_vectors(class_map, tmp_path / "a.gpkg", confidence=other).confidence == other
    tag(class_map, MAP_DIGEST, "1")
    for chosen in (None, beside):
        with pytest.raises(ValueError, match=r"map_confidence\.tif was"):
            write_vectors(class_map, tmp_path / "a.gpkg", confidence=chosen)


def test_object_map(tmp_path):
    path = write_raster(
        tmp_path / "objects.tif",
        np.array([[1, 1, 0, 3], [0, 0, 0, 0], [1, 70_000, 70_000, 0]], np.int32),
        crs="EPSG:25832",
        transform=PLACE,
        descriptions=["object, 0 = none"],
    )
    scores = np.full(70_001, np.nan)
    scores[[1, 3]] = 0.9, 0.25
    (tmp_path / "scores.csv").write_text(table_of(scores), encoding="utf-8")
    write_vectors(path, tmp_path / "out.gpkg")
    meta, rows = read(tmp_path / "out.gpkg")
    assert list(meta["fields"]) == ["object", "area_m2", "score"]
    assert [row["object"] for row in rows] == [1, 1, 3, 70_000]
    assert np.allclose([row["score"] for row in rows], [0.9, 0.9, 0.25, np.nan], equal_nan=True)
    tag(path, SCORES_DIGEST, scores_digest(table_of(scores)))
    write_vectors(path, tmp_path / "out.gpkg")
    tag(path, SCORES_DIGEST, scores_digest(table_of(scores[:4])))
    with pytest.raises(ValueError, match="belongs to another object map"):
        write_vectors(path, tmp_path / "out.gpkg")


def test_geopackage_in_batches_is_one_layer(tmp_path):
    size = int(np.ceil(np.sqrt(BATCH * 1.2)))
    board = (np.indices((size, size)).sum(0) % 2).astype(np.uint8)
    path = write_raster(tmp_path / "board.tif", board, crs="EPSG:25832", transform=PLACE)
    done = write_vectors(path, tmp_path / "out.gpkg", window=100)
    assert done.polygons == size**2
    assert len(read(tmp_path / "out.gpkg")[1]) == size**2
    assert list(pyogrio.list_layers(tmp_path / "out.gpkg")[:, 0]) == ["out"]


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson"])
def test_rasterio_burns_the_same_map_again(tmp_path, name):
    """Outlines run along the edges of pixels; other libraries take a coordinate for the middle of one."""
    values = np.random.default_rng(4).integers(0, 5, (37, 41)).astype(np.uint8)
    values[10:20, 5:25] = 2
    turned = Affine(0.433, -0.25, 400_000, -0.25, -0.433, 5_700_000)  # by 30 degrees
    path = write_raster(tmp_path / "map.tif", values, crs="EPSG:25832", transform=turned)
    write_vectors(path, tmp_path / name)
    shapes = [(row["shape"], row["class"]) for row in read(tmp_path / name)[1]]
    burnt = rasterize(shapes, values.shape, fill=99, transform=turned, dtype="uint8")
    np.testing.assert_array_equal(burnt, values)


def test_simplified_neighbours_share_borders(tmp_path):
    rng = np.random.default_rng(0)
    array = np.kron(rng.integers(0, 3, (9, 9)), np.ones((7, 7))).astype(np.uint8)
    array[rng.random(array.shape) < 0.1] = 1
    path = write_raster(tmp_path / "map.tif", array, crs="EPSG:25832", transform=PLACE)
    for name in ("a.gpkg", "a.geojson"):
        write_vectors(path, tmp_path / name, simplify=1.5, window=20)
        rows = read(tmp_path / name)[1]
        shapes = np.array([row["shape"] for row in rows], object)
        assert shapely.coverage_is_valid(shapes)
        assert sum(row["area_m2"] for row in rows) == pytest.approx(array.size * 0.25)
        assert shapely.area(shapes).sum() == pytest.approx(array.size * 0.25)


def test_mistakes_in_one_sentence(class_map, tmp_path):
    heights = write_raster(tmp_path / "dsm.tif", MAP.astype(np.float32))
    bands = write_raster(tmp_path / "rgb.tif", np.stack([MAP] * 3))
    negative = write_raster(tmp_path / "negative.tif", MAP.astype(np.int16) - 3)
    small = write_raster(tmp_path / "small.tif", MAP[:2])
    sure = write_raster(tmp_path / "sure.tif", MAP, descriptions=["confidence"])
    out = tmp_path / "out.gpkg"
    for arguments, options, words in (
        ((heights, out), {}, "holds float32, expected whole numbers"),
        ((bands, out), {}, "has 3 bands, expected a map of one band"),
        ((sure, out), {}, "holds the confidence of a map, expected classes or objects"),
        ((negative, out), {}, "holds the value -3"),
        ((class_map, tmp_path / "out.shp"), {}, "a name ending in .gpkg"),
        ((class_map, out), {"min_area": -1}, "min_area must be 0 or a positive number, got -1"),
        ((class_map, out), {"simplify": float("nan")}, "simplify must be 0 or a positive"),
        ((class_map, out), {"confidence": bands}, "expected one: the confidence"),
        ((class_map, out), {"confidence": small}, "resize it, in Python"),
    ):
        with pytest.raises(ValueError, match=words):
            write_vectors(*arguments, **options)
        assert not out.exists()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_vectors(tmp_path / "no.tif", out)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("bend", [0.0, 3.0])
def test_ground_control_points_place_a_map_only_where_they_fit(tmp_path, bend):
    control = [
        GroundControlPoint(10 * r, 10 * c, 5e5 + 5 * c, 5e6 - 5 * r + 0.5 * bend * (c - 1) ** 2)
        for r in range(3)
        for c in range(3)
    ]
    path, out = tmp_path / "map.tif", tmp_path / "map.geojson"
    profile = {"driver": "GTiff", "height": 20, "width": 20, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, gcps=control, crs="EPSG:25832") as target:
        target.write(np.ones((1, 20, 20), np.uint8))
    if bend:
        with pytest.raises(
            ValueError, match=r"map\.tif is placed by 9 .* up to 2\.0 pixels.*gdalwarp -tps"
        ):
            write_vectors(path, out)
        assert not out.exists()
    else:
        write_vectors(path, out)
        (feature,) = json.loads(out.read_text())["features"]
        assert feature["properties"]["area_m2"] == pytest.approx(100)
        x, y = np.array(feature["geometry"]["coordinates"][0]).T
        assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((5e5, 500_010, 4_999_990, 5e6))


def test_an_existing_file_stays_until_the_new_one_is_whole(class_map, tmp_path):
    out = tmp_path / "out.gpkg"
    write_vectors(class_map, out)
    before = out.read_bytes()
    negative = write_raster(tmp_path / "negative.tif", MAP.astype(np.int16) - 3)
    with pytest.raises(ValueError, match="holds the value"):
        write_vectors(negative, out)
    assert out.read_bytes() == before
    write_vectors(class_map, out, omit=[0])
    assert len(read(out)[1]) == 2


def test_names_of_classes():
    assert class_names({}) == {}
    assert class_names({"CLASSES": "0 a; b; 1 c 2 d; 10 e"}) == {0: "a; b", 1: "c 2 d", 10: "e"}


def test_what_gdal_cannot_write_is_one_sentence(class_map, tmp_path, monkeypatch):
    def full(*_, **__):
        raise pyogrio.errors.FeatureError("database or disk is full")

    monkeypatch.setattr(pyogrio.raw, "write", full)
    out = tmp_path / "out.gpkg"
    with pytest.raises(OSError, match=r"out.gpkg cannot be written \(database or disk is full\)"):
        write_vectors(class_map, out)
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
