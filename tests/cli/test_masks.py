"""``mfnet-lite masks`` from a GeoTIFF to two, and its mistakes in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mfnet_lite import world
from mfnet_lite.cli import app
from mfnet_lite.rasters import read_raster, write_raster


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    optical = world.make_scene(3, size=96).optical
    return write_raster(tmp_path_factory.mktemp("masks") / "scene.tif", optical, crs="EPSG:32632")


def call(*arguments: object):
    return CliRunner().invoke(app, ["masks", *(str(a) for a in arguments)])


def test_masks(scene: Path, tmp_path: Path) -> None:
    loose = ["--points", 4, "--quality", 0, "--stability", 0.3, "--min-area", 9]
    result = call(scene, "--out", tmp_path, *loose, "--tile", 64, "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert "objects.tif" in result.stdout
    objects = read_raster(tmp_path / "objects.tif")
    assert objects.crs is not None
    assert objects.crs.to_epsg() == 32632
    ids, edges = objects.array[0], read_raster(tmp_path / "boundaries.tif").array[0]
    assert ids.shape == edges.shape == (96, 96)
    assert ids.max() > 1
    assert np.array_equal(np.unique(edges), [0, 1])
    assert not ids[edges == 1].any()
    assert f"({ids.max()} objects)" in result.stdout


def test_nothing_found_is_said(scene: Path, tmp_path: Path) -> None:
    result = call(scene, "--out", tmp_path, "--points", 2, "--quality", 1, "--device", "cpu")
    assert result.exit_code == 0
    assert "no object was found; lower --quality" in result.stderr


def test_mistakes(scene: Path, tmp_path: Path) -> None:
    for arguments, words in (
        ((scene.with_name("none.tif"), "--out", tmp_path), "does not exist"),
        ((scene, "--out", tmp_path, "--preset", "best"), "available: sam, authors, small"),
        ((scene, "--out", tmp_path, "--bands", "1,9,2"), "choose from 1 to 4"),
        ((scene, "--out", tmp_path, "--backbone", "vit_x"), "vit_x"),
    ):
        result = call(*arguments)
        assert result.exit_code == 1
        assert words in result.stderr
        assert "Traceback" not in result.output
