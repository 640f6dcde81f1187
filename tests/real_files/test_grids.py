"""Files that do not lie upon each other, and places written in ways of their own: situations of public threads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import Affine
from torch import nn

from mfnet_lite.rasters import WholeTiles, check_dataset, open_dataset, raster_info, write_raster
from mfnet_lite.rasters.io import quiet
from mfnet_lite.scenes.predict import predict_scene
from tests.real_files.makers import SHORT, call, three_tiles, tif

N = 32
RNG = np.random.default_rng(0)


class Roofs(nn.Module):
    """Class 1 where the heights are above a tenth of the scale, or the image is bright."""

    def forward(self, sample):
        x = sample.get("dsm", sample.get("optical"))[:, :1]
        return torch.cat([0.1 - x, x - 0.1], dim=1)


def image(size: int = N) -> np.ndarray:
    return RNG.integers(1, 255, (3, size, size), np.uint8)


def labels(size: int = N) -> np.ndarray:
    return RNG.integers(0, 2, (size, size), np.uint8)


def heights(size: int = N, roof: float = 8.0) -> np.ndarray:
    """Flat ground at 100 m with a roof in the middle."""
    dsm = np.full((size, size), 100.0, np.float32)
    dsm[size // 3 : size // 2, size // 3 : size // 2] += roof
    return dsm


def dataset(root: Path, **dsm) -> Path:
    def write(folder: Path, name: str, _: int) -> None:
        tif(folder / "image" / name, image())
        tif(folder / "label" / name, labels())
        if dsm:
            tif(folder / "dsm" / name, **dsm)

    return three_tiles(root, write, {"classes": ["ground", "roof"]})


@pytest.mark.parametrize(
    ("situation", "dsm", "words"),
    [
        (
            "half the resolution",
            {"array": heights(N // 2), "transform": Affine(0.5, 0, 500_000, 0, -0.5, 5_800_000)},
            "16 x 16 pixels, expected 32 x 32",
        ),
        (
            "the whole town beside each tile",
            {"array": heights(N * 3), "transform": Affine(0.25, 0, 499_992, 0, -0.25, 5_800_008)},
            "96 x 96 pixels, expected 32 x 32",
        ),
        (
            "written from the lowest row up",
            {"array": heights()[::-1], "transform": Affine(0.25, 0, 500_000, 0, 0.25, 5_799_992)},
            "lies up to 32.00 pixels off",
        ),
        (
            "five metres further east",
            {"array": heights(), "transform": Affine(0.25, 0, 500_005, 0, -0.25, 5_800_000)},
            "lies up to 20.00 pixels off",
        ),
        ("the neighbouring zone", {"array": heights(), "crs": "EPSG:25833"}, "is in EPSG:25833"),
    ],
)
def test_elevations_of_another_grid_are_refused_by_every_command(tmp_path, situation, dsm, words):
    """azavea/raster-vision#1739, pubgeo/pubgeo#16, OSGeo/gdal#6946, xcube-dev/xcube#604."""
    root = dataset(tmp_path / "d", **dsm)
    report = check_dataset(root)
    assert len(report.problems) == 3, situation
    trained = call("train", root, "--out", tmp_path / "run", *SHORT)
    assert trained.exit_code == 1
    assert words in trained.stderr
    assert "resample it" in trained.stderr
    assert not (tmp_path / "run" / "config.json").exists()
    tile = open_dataset(root).tiles("test")[0]
    with pytest.raises(ValueError, match="resample it"):
        WholeTiles([tile])[0]
    with pytest.raises(ValueError, match="resample it"):
        predict_scene(Roofs(), dict(tile.files), tmp_path / "m.tif", device="cpu", progress=False)
    assert not (tmp_path / "m.tif").exists()


def test_a_later_image_of_another_place_is_refused_when_trained_and_scored(tmp_path):
    """microsoft/PlanetaryComputer#492, justchenhao/BIT_CD#4."""
    moved = Affine(0.25, 0, 500_005, 0, -0.25, 5_800_000)
    for k in range(3):
        tif(tmp_path / "A" / f"{k}.tif", image())
        tif(tmp_path / "B" / f"{k}.tif", image(), transform=moved)
        tif(tmp_path / "label" / f"{k}.tif", labels())
    result = call("train", tmp_path, "--out", tmp_path / "run", *SHORT)
    assert result.exit_code == 1
    assert "lies up to 20.00 pixels off" in result.stderr
    assert all("up to 20.00 pixels" in p.problem for p in check_dataset(tmp_path).problems)


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:25832+7837",
        'PROJCS["UTM32",GEOGCS["GRS80",DATUM["unknown",SPHEROID["GRS80",6378137,298.257222101]],'
        'PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
        'PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",9],'
        'PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],'
        'PARAMETER["false_northing",0],UNIT["metre",1]]',
    ],
)
def test_the_same_horizontal_system_is_accepted(tmp_path, crs):
    """OSGeo/gdal#14887, OSGeo/grass#7336, weecology/DeepForest#592."""
    root = dataset(tmp_path / "d", array=heights(), crs=crs)
    assert check_dataset(root).ok
    sample = WholeTiles(open_dataset(root).tiles("test"))[0]
    assert sample["dsm"][0, N // 3, N // 3] == pytest.approx(8 / 30, abs=0.01)


def test_messages_about_systems_are_short(tmp_path):
    """OSGeo/gdal#14901: a local system is named, not spelled out."""
    local = 'LOCAL_CS["site grid of the surveyors",UNIT["metre",1]]'
    root = dataset(tmp_path / "d", array=heights(), crs=local)
    for problem in check_dataset(root).problems:
        assert "site grid" in problem.problem
        assert len(str(problem)) - len(str(problem.file)) < 300


@pytest.mark.parametrize(
    ("crs", "transform", "metres"),
    [
        ("EPSG:2263", Affine(0.25, 0, 1e6, 0, -0.25, 2e5), 0.25 * 1200 / 3937),
        ("EPSG:4326", Affine(1e-5, 0, 25, 0, -1e-5, 60), 0.5566),
        ("EPSG:3857", Affine(0.5, 0, 1e6, 0, -0.5, 8_399_738), 0.25),
        ('LOCAL_CS["site",UNIT["foot",0.3048]]', Affine(1, 0, 0, 0, -1, 0), 0.3048),
    ],
)
def test_pixels_are_as_wide_as_they_are_on_the_ground(tmp_path, crs, transform, metres):
    """geolens-io/geolens#939 and #963, OurPlanscape/Planscape#4152, opengeos/leafmap#429."""
    path = tif(tmp_path / "a.tif", image(), crs=crs, transform=transform)
    assert raster_info(path).gsd == pytest.approx(metres, rel=2e-3)


def test_the_stated_width_reaches_training_and_map(tmp_path):
    """azavea/raster-vision#708: images without georeference, 0.1 m stated."""
    from PIL import Image

    size = 700  # 70 m at 0.1 m a pixel: a hall of 30 m stands on the ground; at 0.25 m it would be the ground
    dsm = np.full((size, size), 100.0, np.float32)
    dsm[200:500, 200:500] += 8
    root = tmp_path / "d"
    for split in ("train", "test"):
        for folder in ("image", "label", "dsm"):
            (root / split / folder).mkdir(parents=True)
        Image.fromarray(np.full((size, size, 3), 90, np.uint8)).save(root / split / "image/a.png")
        Image.fromarray((dsm > 104).astype(np.uint8)).save(root / split / "label/a.png")
        write_raster(root / split / "dsm" / "a.tif", dsm)
    (root / "dataset.json").write_text(json.dumps({"classes": ["ground", "hall"], "gsd_m": 0.1}))
    tile = open_dataset(root).tiles("test")[0]
    seen = WholeTiles([tile])[0]["dsm"][0, 350, 350]
    assert seen == pytest.approx(8 / 30, abs=0.02)
    run = tmp_path / "run"
    assert call("train", root, "--out", run, *SHORT).exit_code == 0
    assert json.loads((run / "config.json").read_text())["gsd"] == 0.1
    maps = {}
    for name, gsd in (("stated", 0.1), ("assumed", None)):
        out = predict_scene(
            Roofs(), {"dsm": tile.files["dsm"]}, tmp_path / f"{name}.tif", gsd=gsd, device="cpu",
            progress=False,
        )  # fmt: skip
        with quiet(), rasterio.open(out) as source:
            maps[name] = float((source.read(1) == (dsm > 104)).mean())
    assert maps["stated"] > 0.99
    result = call(
        "predict", run, "--optical", tile.files["optical"], "--dsm", tile.files["dsm"],
        "--out", tmp_path / "m.tif", "--device", "cpu",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "does not say how wide" not in result.stderr


def test_tiles_of_two_resolutions_are_scaled_by_their_own(tmp_path):
    """torchgeo/torchgeo#74, orthoseg/orthoseg#144: the score is that of the map; both remark on the width."""
    root = dataset(tmp_path / "d", array=heights())
    wide = Affine(1, 0, 500_000, 0, -1, 5_800_000)
    hill = heights(96) + np.linspace(0, 40, 96, dtype=np.float32)
    tif(root / "test" / "image" / "c.tif", image(96), transform=wide)
    tif(root / "test" / "label" / "c.tif", labels(96), transform=wide)
    path = tif(root / "test" / "dsm" / "c.tif", hill, transform=wide)
    tile = open_dataset(root).tiles("test")[0]
    scored = WholeTiles([tile])[0]["dsm"][0].numpy()
    alone = tmp_path / "alone"
    for folder, name in (("image", "optical"), ("label", "label"), ("dsm", "dsm")):
        (alone / folder).mkdir(parents=True)
        source = tile.label if name == "label" else tile.files[name]
        (alone / folder / "c.tif").write_bytes(source.read_bytes())
    own = WholeTiles(open_dataset(alone).tiles())[0]["dsm"][0].numpy()
    assert np.array_equal(scored, own)
    run = tmp_path / "run"
    assert call("train", root, "--out", run, *SHORT).exit_code == 0
    assert "are 1 m wide, those of the training were 0.25 m" in call("evaluate", run, root).stderr
    mapped = call(
        "predict",
        run,
        "--optical",
        tile.files["optical"],
        "--dsm",
        path,
        "--out",
        tmp_path / "m.tif",
    )
    assert " NEW.tif --res 0.25" in mapped.stderr


def test_ground_control_points_and_rational_polynomials_reach_the_map(tmp_path):
    """rasterio/rasterio#1988, torchgeo/torchgeo#3009, cogeotiff/rio-tiler#817, corteva/rioxarray#837."""
    points = [
        GroundControlPoint(r, c, 9 + 1e-5 * c, 50 - 1e-5 * r)
        for r, c in ((0, 0), (0, N), (N, 0), (N, N))
    ]
    rpcs = RPC(
        height_off=0, height_scale=1, lat_off=50, lat_scale=1, line_den_coeff=[1.0] + [0.0] * 19,
        line_num_coeff=[0.0] * 20, line_off=16, line_scale=16, long_off=9, long_scale=1,
        samp_den_coeff=[1.0] + [0.0] * 19, samp_num_coeff=[0.0] * 20, samp_off=16, samp_scale=16,
    )  # fmt: skip
    profile = {"driver": "GTiff", "height": N, "width": N, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "gcp.tif", "w", **profile, gcps=points, crs="EPSG:4326") as out:
        out.write(image())
    with rasterio.open(tmp_path / "rpc.tif", "w", **profile, rpcs=rpcs) as out:
        out.write(image())
    for name in ("gcp", "rpc"):
        made = predict_scene(
            Roofs(), {"optical": tmp_path / f"{name}.tif"}, tmp_path / f"{name}_map.tif",
            device="cpu", progress=False,
        )  # fmt: skip
        info = raster_info(made)
        if name == "gcp":
            assert [(p.row, p.col, p.x, p.y) for p in info.gcps] == [
                (p.row, p.col, p.x, p.y) for p in points
            ]
            assert info.crs.to_epsg() == 4326
        else:
            assert info.rpcs is not None
            assert (info.rpcs.lat_off, info.rpcs.long_off) == (50, 9)
