"""Change maps of pairs of GeoTIFFs: equal to one pass, in place, whatever the order of the dates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import Affine
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.nets import ChangeDetector, SamPyramid
from mfnet_lite.rasters.write import write_raster
from mfnet_lite.sam import build_sam
from mfnet_lite.scenes.predict import predict_scene
from tests.small_sam import FOUR_LEVELS

PLACE = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)
GREY = ((0, 0, 0), (255, 255, 255))


def detector() -> ChangeDetector:
    torch.manual_seed(0)
    return ChangeDetector(SamPyramid(build_sam(FOUR_LEVELS, seed=0)), fine=8).eval()


@pytest.fixture
def dates(tmp_path: Path) -> dict[str, Path]:
    """Two images of 90 × 70 pixels; the later one has a block without data."""
    rng = np.random.default_rng(0)
    images = {name: rng.integers(1, 256, (3, 90, 70), np.uint8) for name in ("before", "after")}
    images["after"][:, 20:26, 30:41] = 0
    where = {"crs": "EPSG:25832", "transform": PLACE}
    return {
        name: write_raster(tmp_path / f"{name}.tif", x, nodata=0, **where)
        for name, x in images.items()
    }


def written(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


def test_one_window_is_one_pass(dates: dict[str, Path], tmp_path: Path) -> None:
    model, settings = detector(), {"device": "cpu", "progress": False, "palette": GREY}
    # random heads lean to one side: put the threshold at the median
    pair = {}
    for name, path in dates.items():
        with rasterio.open(path) as source:
            pair[name] = torch.from_numpy(source.read() / np.float32(255))[None]
    with torch.no_grad():
        middle = model(pair)[0, 1].median()
        model.net.change.bias -= middle
        logits = model(pair)[0]
    out = predict_scene(model, dates, tmp_path / "map.tif", window=96, **settings)
    labels, expected = written(out), logits.argmax(0).numpy()
    hole = np.zeros_like(labels, dtype=bool)
    hole[20:26, 30:41] = True
    assert np.array_equal(labels == 255, hole)
    assert (labels == expected)[~hole].mean() > 0.999
    assert 0.4 < expected.mean() < 0.6
    with rasterio.open(out) as source:
        assert source.transform == PLACE
        assert source.colormap(1)[1][:3] == GREY[1]
    swapped = {"before": dates["after"], "after": dates["before"]}
    back = predict_scene(model, swapped, tmp_path / "back.tif", window=96, **settings)
    assert (written(back) == labels).mean() > 0.999


def test_windows_and_panels_change_no_pixel(dates: dict[str, Path], tmp_path: Path) -> None:
    settings = {"window": 32, "stride": 16, "device": "cpu", "progress": False}
    whole = predict_scene(detector(), dates, tmp_path / "whole.tif", **settings)
    parts = predict_scene(detector(), dates, tmp_path / "parts.tif", panel=1, batch=3, **settings)
    assert np.array_equal(written(whole), written(parts))


def test_dates_on_two_grids_are_refused(dates: dict[str, Path], tmp_path: Path) -> None:
    moved = write_raster(
        tmp_path / "moved.tif",
        np.ones((3, 90, 70), np.uint8),
        crs="EPSG:25832",
        transform=Affine(0.5, 0, 400_001, 0, -0.5, 5_700_000),
    )
    with pytest.raises(ValueError, match=r"moved\.tif lies up to 2\.00 pixels off"):
        predict_scene(
            detector(), dates | {"after": moved}, tmp_path / "map.tif", device="cpu", progress=False
        )


def test_the_command_wants_both_dates_and_averages_over_flips(tmp_path: Path) -> None:
    from mfnet_lite import world

    def call(*arguments: object, code: int = 0) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == code, result.output
        return result.output

    pairs, run = tmp_path / "pairs", tmp_path / "run"
    world.write_pairs(pairs, tiles=2, size=64, seed=0, quiet=True)
    settings = ("--steps", 1, "--size", 32, "--batch", 2, "--device", "cpu", "--val-fraction", 0)
    words = ("--no-symmetric", "--no-semantic", "--no-adaptor", "--changed-weight", 3)
    call("train", pairs, "--model", "sam_cd", "--out", run, *settings, *words)
    before = next(iter(sorted(pairs.rglob("A/*.tif"))))
    after = before.parent.parent / "B" / before.name
    out = tmp_path / "map.tif"
    said = call("predict", run, "--before", before, "--out", out, "--device", "cpu", code=1)
    assert "no raster was given for after; add --after FILE" in " ".join(said.split())
    both = ("--before", before, "--after", after)
    call("predict", run, *both, "--out", out, "--device", "cpu", "--flips")
    assert written(out).shape == (64, 64)
    assert '"flips": true' in call("evaluate", run, pairs, "--json", "--flips", "--device", "cpu")
