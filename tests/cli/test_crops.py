"""``train --jitter`` and ``--quarter-turns``: each does one thing, a run remembers both, the authors' has neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.cli.crops import CropOptions, training_crops
from mfnet_lite.nets.registry import make_config
from mfnet_lite.rasters import open_dataset
from mfnet_lite.runs.run_config import load_config

SMALL = ("--steps", 2, "--size", 32, "--batch", 2, "--device", "cpu", "--sensors", "optical")
UNET = ("--width", 2, "--depth", 2)


def call(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("crops") / "world"
    assert call("world", "make", path, "--tiles", 3, "--size", 64, "--seed", 1).exit_code == 0
    return path


def trained(folder: Path, out: Path, *extra: object) -> Path:
    result = call("train", folder, "--out", out, *SMALL, *UNET, *extra)
    assert result.exit_code == 0, result.output
    return out


def settings(run: Path) -> dict[str, object]:
    return json.loads((run / "config.json").read_text(encoding="utf-8"))["train"]


def test_a_run_remembers_what_its_crops_went_through(folder, tmp_path):
    told, heads = {}, {}
    for name, extra in {
        "neither": ("--jitter", 0, "--no-quarter-turns"),
        "turned": ("--jitter", 0, "--quarter-turns"),
        "jittered": ("--jitter", 0.3, "--no-quarter-turns"),
        "authors": ("--recipe", "authors"),
        "usual": (),
    }.items():
        run = trained(folder, tmp_path / name, *extra)
        told[name] = tuple(settings(run)[key] for key in ("light", "quarter_turns"))
        heads[name] = load_file(run / "model.safetensors")["head.weight"]
    assert told == {
        "neither": (0, False),
        "turned": (0, True),
        "jittered": (0.3, False),
        "authors": (0, False),
        "usual": (0, True),
    }
    assert not torch.equal(heads["neither"], heads["turned"])
    assert not torch.equal(heads["neither"], heads["jittered"])


def test_crops_are_as_bright_as_their_tiles_without_jitter(folder, tmp_path):
    run = load_config(trained(folder, tmp_path / "run", "--jitter", 0))
    tiles = open_dataset(folder, val_fraction=0.0).tiles("train")

    def values(**options: object) -> list[torch.Tensor]:
        crops = training_crops(tiles, [], run, CropOptions(**options).settled("default", 0.0))
        return [crops[k]["optical"] for k in range(12)]

    plain = values(jitter=0.0, quarter_turns=False)
    turned, jittered = (
        values(jitter=0.0, quarter_turns=True),
        values(jitter=0.2, quarter_turns=False),
    )
    moved = 0
    for before, after, other in zip(plain, turned, jittered, strict=True):
        quarters = [torch.rot90(before, k, dims=(-2, -1)) for k in range(4)]
        assert any(torch.equal(after, each) for each in quarters)
        moved += not torch.equal(after, before)
        assert not torch.equal(other, before)
    assert moved


def test_a_run_goes_on_with_the_same_changes_only(folder, tmp_path):
    out = trained(folder, tmp_path / "run", "--jitter", 0, "--no-quarter-turns")
    again = ("train", folder, "--out", out, *SMALL, *UNET, "--resume", "--jitter", 0)
    refused = call(*again)
    assert refused.exit_code == 1
    assert "quarter_turns was False and is now True" in refused.stderr
    other = call(*again[:-1], 0.25, "--no-quarter-turns")
    assert "jitter was 0.0 and is now 0.25" in other.stderr
    assert call(*again, "--no-quarter-turns").exit_code == 0
    # a run of an earlier version: crops were turned where they were jittered
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["train"]["quarter_turns"]
    path.write_text(json.dumps(config), encoding="utf-8")
    assert call(*again, "--no-quarter-turns").exit_code == 0
    assert "quarter_turns was False and is now True" in call(*again).stderr


@pytest.mark.parametrize("option", ["--jitter=0.3", "--jitter=0.1"])
def test_the_authors_recipe_has_none_of_it(folder, tmp_path, option):
    result = call("train", folder, "--out", tmp_path / "run", *SMALL, "--recipe", "authors", option)
    assert result.exit_code == 1
    assert "--jitter is no part of --recipe authors" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("model", "jitter"), [("unet", 0.0), ("mfnet", 0.0), ("sam_cd", 0.0), ("gopt", 0.25)]
)
def test_each_network_has_a_jitter_of_its_own(model, jitter):
    assert CropOptions().settled("default", make_config(model, {}).jitter).jitter == jitter
    assert CropOptions(jitter=0.1).settled("default", jitter).jitter == 0.1
