"""Objects in training from the command line: masks of a dataset, training with them, and the mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import read_raster

SMALL = ["--steps", "3", "--size", "32", "--batch", "2", "--device", "cpu", "--sensors", "optical"]
UNET = ["--width", "2", "--depth", "2"]
LOOSE = [
    "--points",
    "3",
    "--quality",
    "0",
    "--stability",
    "0.3",
    "--min-area",
    "9",
    "--device",
    "cpu",
]


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("objects") / "world"
    assert call("world", "make", path, "--tiles", 3, "--size", 64, "--seed", 1).exit_code == 0
    return path


@pytest.fixture(scope="module")
def maps(folder) -> Path:
    out = folder.parent / "maps"
    result = call("masks", folder, "--out", out, *LOOSE)
    assert result.exit_code == 0, result.output
    assert "1 training tiles" in result.stdout
    return out


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model.safetensors")


def test_masks_of_a_dataset_are_those_of_its_scenes(folder, maps, tmp_path):
    (tile,) = sorted((folder / "train" / "image").glob("*.tif"))
    assert call("masks", tile, "--out", tmp_path, *LOOSE).exit_code == 0
    for kind in ("objects", "boundaries"):
        one = read_raster(tmp_path / f"{kind}.tif")
        other = read_raster(maps / kind / tile.name)
        assert (one.array == other.array).all()
        assert one.transform == other.transform
    assert not (maps / "unfinished").exists()
    made = (maps / "objects" / tile.name).stat().st_mtime_ns
    assert call("masks", folder, "--out", maps, *LOOSE).exit_code == 0  # there already: not again
    assert (maps / "objects" / tile.name).stat().st_mtime_ns == made
    result = call("masks", folder, "--out", maps, *LOOSE, "--min-area", "10")
    assert result.exit_code == 1
    assert "made with another settings" in result.stderr


def test_training_with_objects_is_another_training(folder, maps, tmp_path):
    runs = {}
    for name, extra in {
        "plain": (),
        "zero": ("--objects", maps, "--object-weight", 0, "--boundary-weight", 0),
        "sam": ("--objects", maps, "--object-weight", 5, "--boundary-weight", 0.5),
        "perfect": ("--objects", "instances"),
    }.items():
        result = call("train", folder, "--out", tmp_path / name, *SMALL, *UNET, *extra)
        assert result.exit_code == 0, result.output
        runs[name] = weights(tmp_path / name)["head.weight"]
    assert torch.equal(runs["plain"], runs["zero"])
    assert not torch.equal(runs["plain"], runs["sam"])
    assert not torch.equal(runs["plain"], runs["perfect"])
    told = json.loads((tmp_path / "sam" / "config.json").read_text())["train"]
    assert (told["objects"], told["object_weight"], told["boundary_weight"]) == ("maps", 5, 0.5)
    told = json.loads((tmp_path / "perfect" / "config.json").read_text())["train"]
    assert (told["objects"], told["object_weight"]) == ("instances", 1.0)
    # prediction needs neither SAM nor maps
    result = call("evaluate", tmp_path / "sam", folder, "--json", "--device", "cpu")
    assert 0 <= json.loads(result.stdout)["OA"] <= 1
    again = call(
        "train", folder, "--out", tmp_path / "sam", *SMALL, *UNET, "--resume", "--objects", maps
    )
    assert again.exit_code == 1
    assert "object_weight was 5.0 and is now 1.0" in again.stderr


def test_unetformer(folder, tmp_path):
    run = tmp_path / "run"
    result = call(
        "train", folder, "--model", "unetformer", "--encoder", "test_resnet", "--width", 16,
        "--out", run, *SMALL, "--objects", "instances",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "trained unetformer on optical" in result.stdout
    assert call("evaluate", run, folder, "--device", "cpu").exit_code == 0
    # trained weights are in the run: those of timm are fetched for a training only
    config = json.loads((run / "config.json").read_text())
    config["options"]["pretrained"] = True
    (run / "config.json").write_text(json.dumps(config))
    assert call("evaluate", run, folder, "--device", "cpu").exit_code == 0


def test_mistakes(folder, tmp_path):
    for extra, words in (
        (("--object-weight", 1), "--object-weight needs maps of objects; make them with"),
        (("--objects", tmp_path), "has no map of objects in"),
        (("--objects", "objects"), "has no map of objects beside"),
        (("--objects", "instances", "--boundary-weight", -1), "must not be negative"),
    ):
        result = call("train", folder, "--out", tmp_path / "run", *SMALL, *UNET, *extra)
        assert result.exit_code == 1, result.output
        assert words in result.stderr
    for encoder, words in (
        ("resnet17", "cannot build the encoder 'resnet17'"),
        ("test_vit", "none at"),
    ):
        result = call(
            "train",
            folder,
            "--out",
            tmp_path / "run",
            *SMALL,
            "--model",
            "unetformer",
            "--encoder",
            encoder,
        )
        assert result.exit_code == 1
        assert words in result.stderr


def test_change_detection_has_a_loss_of_its_own(tmp_path):
    assert (
        call("world", "make", tmp_path / "pairs", "--tiles", 2, "--size", 64, "--pairs").exit_code
        == 0
    )
    result = call(
        "train", tmp_path / "pairs", "--model", "sam_cd", "--out", tmp_path / "run", "--steps", 1,
        "--size", 64, "--device", "cpu", "--objects", "instances",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "--objects does not fit sam_cd" in result.stderr
    result = call("masks", tmp_path / "pairs", "--out", tmp_path / "maps")
    assert result.exit_code == 1
    assert "has no sensor 'optical'" in result.stderr
