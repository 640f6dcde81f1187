"""MFNet on the command line: train, evaluate, predict, describe; and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import write_raster
from mfnet_lite.runs.folder import load_run
from mfnet_lite.sam import SamConfig, build_sam

SIZES = SamConfig(
    image_size=64, patch_size=8, width=16, depth=2, heads=2, window=4, global_blocks=(1,)
)
FEW = ["--steps", "2", "--batch", "1", "--size", "32", "--device", "cpu", "--val-fraction", "0"]


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(result, *words: str) -> None:
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    for word in words:
        assert word in lines[0]


def write_backbone(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    torch.save(build_sam(SIZES).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("mfnet") / "world"
    assert call("world", "make", path, "--tiles", 2, "--size", 64, "--seed", 1).exit_code == 0
    return path


@pytest.fixture(scope="module")
def run(folder) -> Path:
    backbone = write_backbone(folder.parent / "sam.pth", 0)
    out = folder.parent / "run"
    result = call(
        "train", folder, "--model", "mfnet", "--backbone", backbone, "--tuning", "lora",
        "--rank", 2, "--sensors", "optical,dsm", "--out", out, *FEW,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "weights, " in result.stdout
    return out


def test_sensors_may_be_withheld_in_training(folder, run, tmp_path):
    backbone = folder.parent / "sam.pth"
    result = call(
        "train", folder, "--model", "mfnet", "--backbone", backbone, "--rank", 2, "--sensor-dropout",
        0.4, "--out", tmp_path / "run", *FEW,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert load_run(tmp_path / "run")[1].sensor_dropout == 0.4
    result = call("train", folder, "--sensor-dropout", 0.4, "--out", tmp_path / "unet", *FEW)
    refused(result, "--sensor-dropout is no option of unet, it belongs to gopt, mfnet")


def test_the_run_rebuilds_its_network(run):
    config, model = load_run(run)
    assert config.options["tuning"] == "lora"
    assert config.options["rank"] == 2
    assert config.options["fusion"] == "dfm"
    assert config.window == config.size == 32
    assert len(config.base) == 64
    names = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert names
    assert all(name.startswith("encoder.image_encoder.") for name in names)
    from safetensors.torch import load_file

    saved = load_file(run / "model.safetensors")
    assert not names & saved.keys()
    assert all(torch.equal(model.state_dict()[name], value) for name, value in saved.items())


def test_scores_and_maps_with_and_without_a_sensor(run, folder, tmp_path):
    both = json.loads(call("evaluate", run, folder, "--json", "--device", "cpu").stdout)
    one = json.loads(call("evaluate", run, folder, "--json", "--sensors", "optical").stdout)
    assert 0 <= both["OA"] <= 1
    assert sum(r["pixels"] for r in one["per_class"].values()) >= sum(
        r["pixels"] for r in both["per_class"].values()
    )
    tile = next((folder / "test" / "image").glob("*.tif"))
    height = folder / "test" / "dsm" / tile.name
    full = call("predict", run, "--optical", tile, "--dsm", height, "--out", tmp_path / "a.tif")
    assert full.exit_code == 0, full.output
    assert "9 windows of 32" in full.stdout
    assert "MiB of memory" in full.stdout
    assert "note" not in full.stderr
    part = call("predict", run, "--optical", tile, "--out", tmp_path / "b.tif")
    assert part.exit_code == 0, part.output
    assert "note: no raster was given for dsm; the map is made from optical alone" in part.stderr
    only_dsm = call("predict", run, "--dsm", height, "--out", tmp_path / "c.tif")
    assert only_dsm.exit_code == 0, only_dsm.output
    refused(call("predict", run, "--out", tmp_path / "d.tif"), "no raster was given")
    with rasterio.open(tmp_path / "a.tif") as a, rasterio.open(tmp_path / "b.tif") as b:
        assert not np.array_equal(a.read(1), b.read(1))


def test_the_maps_of_the_three_votes_differ_only_in_their_windows(run, folder, tmp_path):
    tile = next((folder / "test" / "image").glob("*.tif"))
    height = folder / "test" / "dsm" / tile.name
    for blend, number in (("smooth", 25), ("sum", 25), ("authors", 64)):
        result = call(
            "predict", run, "--optical", tile, "--dsm", height, "--out", tmp_path / f"{blend}.tif",
            "--window", 32, "--stride", 8, "--blend", blend,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert f"{number} windows" in result.stdout
    refused(
        call("predict", run, "--optical", tile, "--out", tmp_path / "x.tif", "--blend", "max"),
        "smooth, sum, authors",
    )


def test_info_describes_a_run(run, tmp_path):
    text = call("info", run).stdout
    for word in (
        "mfnet",
        "tuning lora",
        "rank 2",
        "optical (3 bands)",
        "dsm (1 band)",
        "trained of",
    ):
        assert word in text
    refused(call("info", tmp_path), "config.json")


def test_another_base_is_refused(run, folder, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    config = json.loads((copy / "config.json").read_text())
    config["options"]["backbone"] = str(write_backbone(tmp_path / "other.pth", 1))
    (copy / "config.json").write_text(json.dumps(config))
    refused(call("evaluate", copy, folder), "other frozen weights", "other.pth", "train again")
    refused(call("predict", copy, "--optical", "x.tif", "--out", "y.tif"), "other frozen weights")


def test_mistakes(folder, tmp_path):
    def start(*options: object):
        return call("train", folder, "--model", "mfnet", "--out", tmp_path / "r", *FEW, *options)

    refused(start("--width", 8), "--width is no option of mfnet", "unet")
    refused(start("--size", 100), "--size 100", "multiple of 8", "96 or 104")
    refused(start("--tuning", "lorra"), "tuning is 'lorra', expected", "mmlora")
    refused(start("--fusion", "add"), "fusion is 'add', expected")
    refused(start("--backbone", "sam.bin"), "sam.bin")
    refused(call("train", folder, "--rank", 4, "--out", tmp_path / "r"), "--rank", "mfnet")
    refused(start("--sensors", "radar"), "radar")
    assert not (tmp_path / "r").exists()


def test_a_network_that_needs_all_sensors_says_so(folder, tmp_path):
    out = tmp_path / "unet"
    made = call("train", folder, "--out", out, *FEW, "--width", 2, "--depth", 2)
    assert made.exit_code == 0, made.output
    refused(call("evaluate", out, folder, "--sensors", "optical"), "unet needs all of optical, dsm")
    refused(call("evaluate", out, folder, "--sensors", "optical,sar"), "not on sar")


def test_bands_are_chosen_once_and_remembered(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        image = rng.integers(1, 255, (4, 64, 64), dtype=np.uint8)
        write_raster(tmp_path / "d" / split / "image" / "a.tif", image)
        write_raster(tmp_path / "d" / split / "label" / "a.tif", (image[3] > 128).astype(np.uint8))
    out = tmp_path / "run"
    options = ["--width", 2, "--depth", 2, "--bands", "4,1"]
    assert call("train", tmp_path / "d", "--out", out, *FEW, *options).exit_code == 0
    config, _ = load_run(out)
    assert config.channels == {"optical": 2}
    assert config.sensor_infos()["optical"].select == (4, 1)
    assert call("evaluate", out, tmp_path / "d").exit_code == 0
    image = tmp_path / "d" / "test" / "image" / "a.tif"
    assert call("predict", out, "--optical", image, "--out", tmp_path / "m.tif").exit_code == 0


def test_other_pixels_than_those_of_the_training_are_remarked(run, folder, tmp_path):
    tile = next((folder / "test" / "image").glob("*.tif"))
    with rasterio.open(tile) as source:
        coarse = source.read()[:, ::2, ::2]
        t = source.transform  # spelled out: affine's operators differ between its versions
        twice = rasterio.Affine(2 * t.a, 2 * t.b, t.c, 2 * t.d, 2 * t.e, t.f)
        place = {"crs": source.crs, "transform": twice}
    path = write_raster(tmp_path / "coarse.tif", coarse, **place)
    result = call("predict", run, "--optical", path, "--out", tmp_path / "m.tif")
    assert result.exit_code == 0, result.output
    assert "0.5 m wide, those of the training were 0.25 m" in result.stderr
    assert "coarse.tif NEW.tif --res 0.25" in result.stderr
