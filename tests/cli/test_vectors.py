"""``mfnet-lite masks`` and ``mfnet-lite vectors`` one after the other, and mistakes in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio.raw
import pytest
import shapely
from rasterio.transform import Affine
from typer.testing import CliRunner

from mfnet_lite import world
from mfnet_lite.cli import app
from mfnet_lite.rasters import read_raster, write_raster
from mfnet_lite.rasters.io import open_raster


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    scene = write_raster(
        folder / "scene.tif",
        world.make_scene(3, size=96).optical,
        crs="EPSG:32632",
        transform=Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000),
    )
    loose = ["--points", 4, "--quality", 0, "--stability", 0.3, "--min-area", 9, "--tile", 64]
    result = call("masks", scene, "--out", folder, *loose, "--device", "cpu", "--cog")
    assert result.exit_code == 0, result.output
    return folder


def test_masks_write_scores_and_cloud_optimised_maps(masks):
    ids = read_raster(masks / "objects.tif").array[0]
    lines = (masks / "scores.csv").read_text().splitlines()
    assert lines[0] == "object,score"
    assert len(lines) == ids.max() + 1
    scores = [float(line.split(",")[1]) for line in lines[1:]]
    assert all(0 <= score <= 1.5 for score in scores)
    assert len(set(scores)) > 1
    for name in ("objects.tif", "boundaries.tif"):
        with open_raster(masks / name) as file:
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_objects_to_polygons(masks):
    out = masks / "objects.gpkg"
    result = call("vectors", masks / "objects.tif", "--out", out)
    assert result.exit_code == 0, result.output
    meta, _, shapes, columns = pyogrio.raw.read(out)
    assert f"wrote {out}: {len(shapes)} polygons" in result.stdout
    assert list(meta["fields"]) == ["object", "area_m2", "score"]
    ids = read_raster(masks / "objects.tif").array[0]
    assert set(columns[0]) == set(np.unique(ids)) - {0}
    assert np.isfinite(columns[2]).all()
    assert shapely.area(shapely.from_wkb(shapes)).sum() == pytest.approx(columns[1].sum())


def test_options(tmp_path):
    array = np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((8, 8), np.uint8))
    array[3, 3] = 2
    path = write_raster(tmp_path / "map.tif", array)
    out = tmp_path / "map.geojson"
    more = ["--min-area", 2, "--simplify", 1, "--omit", "0,3"]
    result = call("vectors", path, "--out", out, *more)
    assert result.exit_code == 0, result.output
    assert f"{path} has no coordinate system; coordinates are pixels" in result.stderr
    assert f"wrote {out}: 2 polygons, 1 smaller one left out" in result.stdout
    write_raster(tmp_path / "map_confidence.tif", np.full((16, 16), 0.5, np.float32))
    result = call("vectors", path, "--out", out)
    assert "confidence is the mean of" in result.stderr
    assert '"confidence": 0.5' in out.read_text()


def test_mistakes(masks, tmp_path):
    objects = masks / "objects.tif"
    for arguments, words in (
        ((tmp_path / "none.tif", "--out", "a.gpkg"), "does not exist"),
        ((objects, "--out", tmp_path / "a.shp"), "expected a name ending in .gpkg"),
        ((objects, "--out", tmp_path / "a.gpkg", "--min-area", -1), "--min-area must be 0"),
        ((objects, "--out", tmp_path / "a.gpkg", "--simplify", "nan"), "--simplify must be 0"),
        ((objects, "--out", tmp_path / "a.gpkg", "--omit", "roads"), "whole numbers such as 0,4"),
        ((masks / "scene.tif", "--out", tmp_path / "a.gpkg"), "expected a map of one band"),
    ):
        result = call("vectors", *arguments)
        assert result.exit_code == 1
        assert words in result.stderr
        assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
    result = call("masks", masks, "--out", tmp_path / "x", "--cog", "--device", "cpu")
    assert result.exit_code == 1
    assert "--cog is for the maps of a scene" in result.stderr


def test_packages_that_are_missing(masks, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "shapely", None)
    result = call("vectors", masks / "objects.tif", "--out", tmp_path / "a.gpkg")
    assert result.exit_code == 1
    assert (
        'need the package shapely, which is not installed; run `pip install "mfnet-lite[vectors]"`'
        in (result.stderr)
    )
