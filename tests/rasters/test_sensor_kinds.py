"""What a sensor measures: stated, or told by unit and name; and what follows from it."""

from __future__ import annotations

import ast
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mfnet_lite.rasters
from mfnet_lite.cli import app
from mfnet_lite.rasters import (
    SensorInfo,
    WholeTiles,
    check_dataset,
    interpret,
    open_folder,
    raster_info,
    write_raster,
)
from mfnet_lite.rasters.sensor_kinds import KIND_OF_NAME, SENSOR_KINDS, kind_of
from mfnet_lite.runs.folder import RunConfig


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("optical", "grey", "optical"),
        ("after", None, "optical"),
        ("DSM", None, "elevation"),
        ("laser", "us-ft", "elevation"),
        ("sar", "decibel", "radar"),
        ("thermal", "kelvin", "thermal"),
        ("nir", None, "other"),
    ],
)
def test_kind_by_unit_and_name(name, unit, kind):
    assert kind_of(name, unit) == SensorInfo(name, unit=unit).kind == kind
    assert set(KIND_OF_NAME.values()) | {"other"} == set(SENSOR_KINDS)


def state(dataset: Path, **sensors: dict[str, object]) -> None:
    about = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps(about | {"sensors": sensors}))


def test_dataset_json_states_it(dataset):
    (dataset / "train" / "dsm").rename(dataset / "train" / "scan")
    (dataset / "test" / "dsm").rename(dataset / "test" / "scan")
    assert open_folder(dataset).info.sensors["scan"].kind == "other"
    state(dataset, scan={"kind": "elevation"})
    opened = open_folder(dataset)
    assert opened.info.sensors["scan"].is_height
    tile = opened.tiles("train")[0]
    assert interpret(tile.files["scan"], tile.info.sensors["scan"]).limits == (-500, 9000)
    state(dataset, scan={"kind": "lidar"})
    with pytest.raises(ValueError, match="optical, elevation, radar, thermal or other as kind"):
        open_folder(dataset)


def test_a_sensor_that_is_stated_as_optical_is_an_image(dataset, tmp_path):
    path = write_raster(tmp_path / "nir.tif", np.full((1, 8, 8), 5000, np.uint16))
    with pytest.raises(ValueError, match=r'"sensors": {"nir": {"scale": 10000}}'):
        interpret(path, SensorInfo("nir"))
    with pytest.raises(ValueError, match=r'"image_scale": 10000'):
        interpret(path, SensorInfo("nir", kind="optical"))
    state(dataset, dsm={"kind": "optical"})
    about = json.loads((dataset / "dataset.json").read_text()) | {"image_scale": 200}
    (dataset / "dataset.json").write_text(json.dumps(about))
    opened = open_folder(dataset)
    assert opened.info.sensors["dsm"].scale == 200
    tile = opened.tiles("train")[0]
    assert WholeTiles([tile]).reader.deciding(tile) == ("optical", "dsm")


def test_the_kind_of_the_training_data_holds_where_nothing_else_is_stated():
    trained = SensorInfo("scan", kind="elevation")
    assert SensorInfo("scan").completed(trained).kind == "elevation"
    assert SensorInfo("scan", kind="radar").completed(trained).kind == "radar"
    assert SensorInfo("scan", unit="m").completed(SensorInfo("scan")).kind == "elevation"
    assert SensorInfo("scan").completed(SensorInfo("scan", unit="m")).kind == "elevation"


def test_runs_without_the_field_load():
    known = asdict(SensorInfo("dsm", unit="m")) | asdict(SensorInfo("dsm"))
    del known["kind"]
    run = RunConfig("unet", {}, {"dsm": 1}, {"dsm": known}, ("a", "b"), ())
    assert run.sensor_infos()["dsm"] == SensorInfo("dsm")
    stated = RunConfig("unet", {}, {"x": 1}, {"x": {"name": "x", "kind": "elevation"}}, ("a",), ())
    assert stated.sensor_infos()["x"].is_height


def test_a_new_sensor_needs_no_code(dataset, tmp_path):
    """A folder, two lines in dataset.json: then every command reads it, and the run remembers what it is."""

    def call(*arguments: object) -> None:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output

    rng = np.random.default_rng(0)
    for path in sorted(dataset.glob("*/image/*.tif")):
        lidar = (rng.random((1, 40, 48)) * 300).astype(np.int16)
        write_raster(path.parents[1] / "lidar" / path.name, lidar, raster_info(path))
    state(dataset, lidar={"kind": "elevation", "unit": "dm"})
    assert check_dataset(dataset, progress=False).ok
    run, tiny = tmp_path / "run", ("--width", 2, "--depth", 1, "--size", 16, "--batch", 1)
    options = ("--sensors", "optical,lidar", "--steps", 1, "--device", "cpu")
    call("train", dataset, "--out", run, "--model", "unet", *tiny, *options)
    sensors = json.loads((run / "config.json").read_text())["sensors"]
    assert {name: known["kind"] for name, known in sensors.items()} == {
        "optical": "optical",
        "lidar": "elevation",
    }
    call("evaluate", run, dataset, "--device", "cpu")
    image, lidar = (dataset / "test" / folder / "s0.tif" for folder in ("image", "lidar"))
    where = ("--out", tmp_path / "map.tif", "--device", "cpu")
    call("predict", run, "--optical", image, "--sensor", f"lidar={lidar}", *where)


def test_nothing_is_decided_by_the_name_of_a_sensor():
    """One sensor has a part of its own: ``--bands`` is said of the one that is called optical."""
    folder = Path(mfnet_lite.rasters.__file__).parent
    compared = {
        (path.name, side.value)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare) and not ast.unparse(node.left).endswith(".kind")
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and side.value in KIND_OF_NAME
    }
    assert compared == set()
