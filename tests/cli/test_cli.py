"""The command line: from an empty folder to a map, and one sentence for each mistake."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from typer.testing import CliRunner

import mfnet_lite
from mfnet_lite.cli import app
from mfnet_lite.rasters import read_raster, write_raster
from mfnet_lite.scenes.map_areas import Area, areas_of

SMALL = ["--steps", "3", "--size", "32", "--batch", "2", "--width", "2", "--depth", "2"]


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "world"
    assert call("world", "make", path, "--tiles", 3, "--size", 64, "--seed", 1).exit_code == 0
    return path


@pytest.fixture(scope="module")
def run(folder) -> Path:
    out = folder.parent / "run"
    result = call("train", folder, "--out", out, *SMALL, "--device", "cpu")
    assert result.exit_code == 0, result.output
    return out


def only(folder: Path) -> Path:
    return next(iter(sorted(folder.glob("*.tif"))))


def refused(result, *words: str) -> None:
    """Exit code 1, nothing raised, and one line on stderr that begins with error."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]
    assert "Traceback" not in result.output


def test_info():
    result = call("info")
    assert result.exit_code == 0
    for word in ("torch", "device", "cache", "unet", "weights vit_b"):
        assert word in result.stdout


def test_version():
    result = call("--version")
    assert (result.exit_code, result.stdout) == (0, f"mfnet-lite {mfnet_lite.__version__}\n")
    assert "segmentation models" in call("--help").stdout


def test_data_check(folder, tmp_path):
    assert call("data", "check", folder).exit_code == 0
    broken = shutil.copytree(folder, tmp_path / "broken")
    only(broken / "test" / "dsm").unlink()
    result = call("data", "check", broken)
    assert result.exit_code == 1
    assert "dsm" in result.stderr


def test_run_folder(run):
    config = json.loads((run / "config.json").read_text())
    assert config["channels"]["dsm"] == 1
    assert config["classes"][1] == "building"
    assert config["train"]["steps"] == 3
    assert config["versions"]["torch"]
    assert len(config["dataset"]["tiles"]["train"]) == 1
    names = {p.name for p in run.iterdir()}
    assert names == {"config.json", "model.safetensors", "state.pt", "log.csv", "summary.json"}


def test_evaluate(run, folder):
    result = call("evaluate", run, folder, "--json", "--device", "cpu")
    assert result.exit_code == 0, result.output
    scores = json.loads(result.stdout)
    assert 0 <= scores["OA"] <= 1
    assert set(scores) >= {"OA", "mF1", "mIoU", "per_class"}
    assert scores["per_class"]["building"]["pixels"] > 0
    defined = [row["IoU"] for row in scores["per_class"].values() if row["IoU"] is not None]
    assert scores["mIoU"] == pytest.approx(sum(defined) / len(defined))
    authors = json.loads(call("evaluate", run, folder, "--json", "--convention", "authors").stdout)
    assert "clutter" not in authors["averaged_classes"]
    assert authors["OA"] == scores["OA"]
    assert "mIoU" in call("evaluate", run, folder).stdout


def test_tiles_of_the_training_are_not_called_test(run, folder, tmp_path):
    trained = json.loads((run / "config.json").read_text())["dataset"]["tiles"]["train"]
    undivided = tmp_path / "undivided"
    for source in sorted(folder.glob("*/*/*.tif")):
        target = undivided / source.parent.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    result = call("evaluate", run, undivided, "--json", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["split"] == "all"
    assert f"warning: {len(trained)} of 3 tiles bear the names" in result.stderr
    assert "all, 3 tiles" in call("evaluate", run, undivided).stdout
    clean = call("evaluate", run, folder, "--json")
    assert json.loads(clean.stdout)["split"] == "test"
    assert "warning" not in clean.stderr
    assert "warning: 1 of 1 tiles" in call("evaluate", run, folder, "--split", "train").stderr
    # the same names in another place are other tiles
    for path in sorted((folder / "train").glob("*/*.tif")):
        new = folder.parent / "twice" / "test" / path.parent.name / path.name
        new.parent.mkdir(parents=True, exist_ok=True)
        raster = read_raster(path)  # other pixels, else they would be known by their content
        write_raster(new, raster.array[..., ::-1], raster, nodata=raster.nodata)
    shutil.copytree(folder / "train", folder.parent / "twice" / "train")
    shutil.copy(folder / "dataset.json", folder.parent / "twice")
    assert "warning" not in call("evaluate", run, folder.parent / "twice").stderr
    assert "warning" in call("evaluate", run, folder.parent / "twice", "--split", "val").stderr


def test_predict(run, folder, tmp_path):
    out = tmp_path / "map.tif"
    tile = only(folder / "test" / "image")
    result = call(
        "predict",
        run,
        "--optical",
        tile,
        "--dsm",
        folder / "test" / "dsm" / tile.name,
        "--out",
        out,
    )
    assert result.exit_code == 0, result.output
    with rasterio.open(out) as made, rasterio.open(tile) as source:
        assert made.shape == source.shape
        assert made.crs == source.crs
        assert made.transform == source.transform
        assert made.colormap(1)[1][:3] == (0, 0, 255)


def test_side_of_areas_changes_no_pixel(run, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    place = {"crs": "EPSG:25832", "transform": Affine(0.25, 0, 4e5, 0, -0.25, 5.7e6)}
    write_raster(tmp_path / "top.tif", rng.integers(0, 255, (3, 40, 600), "uint8"), **place)
    write_raster(tmp_path / "dsm.tif", rng.random((40, 600), "float32"), **place)
    scene = ["--optical", tmp_path / "top.tif", "--dsm", tmp_path / "dsm.tif", "--device", "cpu"]
    made = []

    def counted(height: int, width: int, side: int) -> list[Area]:
        found = areas_of(height, width, side)
        made.append(len(found))
        return found

    monkeypatch.setattr("mfnet_lite.scenes.predict.areas_of", counted)
    for number, side in enumerate(([], ["--area", 200])):
        outs = ["--out", tmp_path / f"{number}.tif", "--confidence", tmp_path / f"{number}_c.tif"]
        result = call("predict", run, *scene, *outs, *side)
        assert result.exit_code == 0, result.output
    assert made == [1, 3]  # 256, 256 and 88 columns
    one, three = (read_raster(tmp_path / f"{number}_c.tif").array for number in (0, 1))
    assert len(np.unique(one)) > 1
    assert np.array_equal(one, three)
    assert call("predict", run, *scene, "--out", tmp_path / "n.tif", "--area", 0).exit_code == 2


def test_predict_with_confidence_to_polygons(run, folder, tmp_path):
    tile = only(folder / "test" / "image")
    scene = ["--optical", tile, "--dsm", folder / "test" / "dsm" / tile.name]
    out, sure = tmp_path / "map.tif", tmp_path / "map_confidence.tif"
    result = call("predict", run, *scene, "--out", out, "--confidence", sure, "--cog")
    assert result.exit_code == 0, result.output
    assert f"wrote {out} and {sure}: " in result.stdout
    digests = set()
    for path in (out, sure):
        with rasterio.open(path) as made:
            assert made.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            digests.add(made.tags()["MAP_DIGEST"])
    assert len(digests) == 1  # made together
    result = call("vectors", out, "--out", tmp_path / "map.geojson")
    assert result.exit_code == 0, result.output
    features = json.loads((tmp_path / "map.geojson").read_text(encoding="utf-8"))["features"]
    said = [feature["properties"] for feature in features]
    with rasterio.open(out) as made:
        labels = made.read(1)
    assert {each["class"] for each in said} == set(np.unique(labels)) - {255}
    assert all(each["name"] and 0 < each["confidence"] <= 1 for each in said)


def test_settings_the_advice_names_exist(folder, tmp_path):
    command = ["train", folder, *SMALL, "--device", "cpu"]
    given = ["--warmup", "2", "--clip", "0.5"]
    assert call(*command, "--out", tmp_path / "a", *given).exit_code == 0
    settings = json.loads((tmp_path / "a" / "config.json").read_text())["train"]
    assert (settings["warmup"], settings["clip"]) == (2, 0.5)
    refused(call(*command, "--out", tmp_path / "b", "--clip", "-1"), "clip must not be negative")
    assert call(*command, "--out", tmp_path / "c", "--recipe", "authors").exit_code == 0
    settings = json.loads((tmp_path / "c" / "config.json").read_text())["train"]
    assert (settings["warmup"], settings["clip"]) == (0, 0)


def test_resume_continues(folder, tmp_path):
    arguments = ["train", folder, "--out", tmp_path / "r", *SMALL, "--save-every", "1"]
    assert call(*arguments).exit_code == 0
    refused(call(*arguments), "already holds a run", "--resume")
    assert call(*arguments, "--resume").exit_code == 0
    refused(call(*arguments, "--resume", "--scaling", "robust"), "scaling was ground")


def test_mistakes_are_one_sentence(run, folder, tmp_path):
    out = tmp_path / "x"
    refused(call("train", tmp_path / "none", "--out", out), "is no folder")
    refused(call("train", folder, "--out", out, "--model", "vnet"), "vnet", "unet")
    refused(call("train", folder, "--out", out, "--sensors", "radar"), "radar")
    refused(call("train", folder, "--out", out, "--steps", "0"), "steps")
    refused(call("train", folder, "--out", out, "--recipe", "best"), "recipe")
    refused(call("evaluate", tmp_path, folder), "config.json")
    refused(call("evaluate", run, folder, "--split", "dev"), "dev")
    refused(call("evaluate", run, folder, "--convention", "isprs"), "convention")
    tile = only(folder / "test" / "image")
    refused(call("predict", run, "--optical", tile, "--out", out), "--dsm FILE")
    refused(call("predict", run, "--optical", tile, "--dsm", tile, "--out", out), "3 bands of dsm")
    refused(call("predict", run, "--sensor", "dsm", "--out", out), "NAME=FILE")
    refused(call("predict", run, "--optical", tile, "--out", out, "--window", 0), "--window")
    refused(call("evaluate", run, folder, "--window", 0), "--window must be at least 1")
    refused(call("world", "make", folder), "empty")
    assert not out.exists()


def test_the_world_has_parameters(tmp_path):
    size = ("--tiles", 1, "--size", 64)
    for name, parameters in {
        "usual": (),
        "night": ("--parameter", "domain=night", "--parameter", "noise=0"),
    }.items():
        assert call("world", "make", tmp_path / name, *size, *parameters).exit_code == 0
    usual, night = (
        read_raster(next((tmp_path / name).glob("*/image/*.tif"))).array
        for name in ("usual", "night")
    )
    assert night.mean() < 0.7 * usual.mean()
    refused(
        call("world", "make", tmp_path / "x", "--parameter", "fog=1"),
        "'fog=1' is not NAME=VALUE",
        "haze",
    )
    refused(
        call("world", "make", tmp_path / "x", "--parameter", "haze"), "'haze' is not NAME=VALUE"
    )
    refused(
        call("world", "make", tmp_path / "x", "--parameter", "haze=thick"),
        "haze wants a number",
        "thick",
    )
    refused(
        call("world", "make", tmp_path / "x", "--parameter", "haze=2"), "haze must lie in [0, 1]"
    )
    assert not (tmp_path / "x").exists()


def test_devices_and_places_that_do_not_exist(run, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    out, tile = tmp_path / "x", only(folder / "test" / "image")
    scene = ["predict", run, "--optical", tile, "--dsm", folder / "test" / "dsm" / tile.name]
    for device, words in (("gpu", "unknown device"), ("cuda", "no device 'cuda'")):
        for command in (
            ["train", folder, "--out", out, *SMALL],
            ["evaluate", run, folder],
            [*scene, "--out", out / "map.tif"],
            ["masks", tile, "--out", out],
        ):
            refused(call(*command, "--device", device), words, "auto")
    assert not out.exists()
    file = tmp_path / "file"
    file.write_text("x")
    for place, words in ((file, "choose another"), (file / "x", "a part of this path is a file")):
        for command in (
            ["train", folder, "--out", place, *SMALL, "--device", "cpu"],
            ["masks", tile, "--out", place, "--points", "1"],
        ):
            refused(call(*command), str(file), words.split()[-1])
    refused(call("world", "make", file / "x", "--tiles", 3, "--size", 64), "a part of this path")
    refused(call(*scene, "--out", file / "map.tif"), "choose another path")
    assert file.read_text() == "x"


def test_pairs_from_end_to_end(tmp_path):
    pairs, run = tmp_path / "pairs", tmp_path / "run"
    assert call("world", "make", pairs, "--tiles", 3, "--size", 64, "--pairs").exit_code == 0
    trained = call("train", pairs, "--out", run, *SMALL, "--device", "cpu")
    assert trained.exit_code == 0, trained.output
    scored = call("evaluate", run, pairs, "--json", "--device", "cpu")
    assert set(json.loads(scored.stdout)["per_class"]) == {"unchanged", "changed"}
    before = only(pairs / "test" / "A")
    dates = "--before", before, "--after", pairs / "test" / "B" / before.name
    mapped = call("predict", run, *dates, "--out", tmp_path / "m.tif", "--device", "cpu")
    assert mapped.exit_code == 0, mapped.output
    assert set(np.unique(read_raster(tmp_path / "m.tif").array)) <= {0, 1}


@pytest.mark.slow
def test_a_mistake_ends_a_process_with_one_sentence(tmp_path):
    command = [sys.executable, "-m", "mfnet_lite.cli", "train", "nowhere", "--out", "run"]
    wrong = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: nowhere is no folder")
    assert "Traceback" not in wrong.stderr
