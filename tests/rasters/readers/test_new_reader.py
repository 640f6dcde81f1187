"""A new format is one file and one line: a toy reader goes the way that CONTRIBUTING describes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import (
    READERS,
    DatasetInfo,
    LabelCoding,
    Reader,
    SensorInfo,
    TileSet,
    check_dataset,
    detect_kind,
    open_dataset,
    write_raster,
)
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import choose_sensors, gather, rasters_in
from mfnet_lite.utils.labels import IGNORE_INDEX

# What would be mfnet_lite/rasters/readers/toy.py: tiles in one folder, told apart by the ends of their names.
CLASSES = ("ground", "roof")
SENSORS = {"optical": SensorInfo("optical", bands=3), "laser": SensorInfo("laser", unit="cm")}
ENDS = {"optical": "_rgb", "laser": "_laser", "label": "_classes"}


def is_toy(root: Path) -> bool:
    return any(root.glob("*_laser.tif"))


def open_toy(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
) -> TileSet:
    root = Path(root)
    described = choose_sensors(root, SENSORS, sensors)
    coding = LabelCoding(2, values={1: 0, 2: 1, 0: IGNORE_INDEX}, classes=CLASSES)
    info = DatasetInfo(CLASSES, adapt(coding, read_json(root), root), described, source="toy")
    found = {
        name: {stem.removesuffix(end): p for stem, p in rasters_in(root).items() if stem.endswith(end)}
        for name, end in ENDS.items()
    }  # fmt: skip
    tiles, problems = gather({name: found[name] for name in described}, found["label"], info)
    splits, incomplete = {"train": tiles[1:], "test": tiles[:1]}, {"train": problems}
    return finished(*(root, "toy", info, splits, incomplete), seed=seed, val_fraction=val_fraction)


# The line of the table.
TOY = Reader("toy", is_toy, open_toy, "*_laser.tif (toy)")


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """Four tiles as their publisher would hand them out; heights in centimetres."""
    monkeypatch.setitem(READERS, TOY.name, TOY)
    rng = np.random.default_rng(0)
    for name in "abcd":
        label = rng.integers(0, 3, (32, 32), np.uint8)
        laser = (10_000 + 800 * (label == 2)).astype(np.int32)
        where = tmp_path / "toy"
        write_raster(where / f"{name}_rgb.tif", rng.integers(1, 255, (3, 32, 32), np.uint8))
        write_raster(where / f"{name}_laser.tif", laser)
        write_raster(where / f"{name}_classes.tif", label)
    return tmp_path / "toy"


def test_it_is_recognised_and_read(toy):
    assert detect_kind(toy) == "toy"
    data = open_dataset(toy)
    assert (data.kind, data.info.sensors["laser"].kind) == ("toy", "elevation")
    assert {split: len(tiles) for split, tiles in data.splits.items()} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    assert list(open_dataset(toy, sensors=["laser"]).tiles("test")[0].files) == ["laser"]


def test_the_check_reads_it_and_lists_what_is_missing(toy):
    report = check_dataset(toy)
    assert report.ok, report.problems
    assert report.counts()["test"][IGNORE_INDEX] > 0
    (toy / "b_laser.tif").unlink()
    (problem,) = check_dataset(toy).problems
    assert "missing partner: no laser of this name" in problem.problem


def test_dataset_json_is_honoured(toy):
    (toy / "dataset.json").write_text(json.dumps({"label_values": {"0": "roof"}}))
    counts = check_dataset(toy).counts()["test"]
    assert set(counts) == {0, 1}


def test_the_message_that_nothing_matches_names_it(toy, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"\*_laser\.tif \(toy\)"):
        open_dataset(tmp_path / "empty")


def test_the_command_line_trains_and_scores_with_it(toy, tmp_path):
    def call(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    tiny = (
        *("--model", "unet", "--sensors", "optical,laser", "--width", 2, "--depth", 1),
        *("--size", 16, "--batch", 2, "--steps", 2, "--device", "cpu"),
    )
    call("train", toy, "--out", tmp_path / "run", *tiny)
    scores = json.loads(call("evaluate", tmp_path / "run", toy, "--kind", "toy", "--json"))
    assert set(scores["per_class"]) == set(CLASSES)
