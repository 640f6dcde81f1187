from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from rasterio.transform import Affine
from rich.console import Console

from mfnet_lite.rasters import Problem, check_dataset, read_raster, write_raster
from mfnet_lite.rasters.check import inspection
from mfnet_lite.rasters.interpretation import missing
from mfnet_lite.rasters.scan import file_strips


def printed(report) -> str:
    console = Console(width=200, file=io.StringIO())
    report.render(console)
    return console.file.getvalue()


def damage(path, change=None, **facts):
    """Rewrite a file with other pixels or another georeference."""
    raster = read_raster(path)
    array = raster.array if change is None else change(raster.array.copy())
    facts.setdefault("nodata", raster.nodata)
    write_raster(path, array, raster, **facts)


def put(value, count):
    def change(array):
        array.reshape(-1)[-count:] = value
        return array

    return change


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("fault", ["none", "missing", "empty"])
def test_heights_are_read_through_once(dataset, monkeypatch, fault):
    """The pass that looks for undeclared nodata counts what the check reports as well."""
    path = dataset / "train" / "dsm" / "t0.tif"
    if fault != "none":
        damage(path, put(np.nan, 3) if fault == "missing" else lambda a: np.full_like(a, -9999))
    read = []

    def counted(source, *pixels):
        read.append(source.name)
        return file_strips(source, *pixels)

    for module in (missing, inspection):
        monkeypatch.setattr(module, "file_strips", counted)
    report = check_dataset(dataset)
    assert read.count(str(path)) == 1
    words = {"none": [], "missing": ["3 pixels are NaN"], "empty": ["holds no valid pixel"]}
    found = [problem.problem for problem in report.problems]
    assert all(any(word in line for line in found) for word in words[fault])
    assert len(found) == len(words[fault])


def test_good_dataset(dataset):
    report = check_dataset(dataset)
    assert report.ok
    assert len(report.rows) == 7
    first = report.rows[0]
    assert (first.split, first.tile, first.size, first.crs) == (
        "train",
        "t0",
        (40, 48),
        "EPSG:25832",
    )
    assert first.bands == {"optical": "4 x uint8", "dsm": "1 x float32"}
    totals = report.counts()
    assert sum(totals["train"].values()) == 5 * 40 * 48
    assert totals["train"][255] == 5 * 4 * 48
    text = printed(report)
    for word in ("t0", "40 x 48", "EPSG:25832", "4 x uint8", "90.0 %", "building", "nothing wrong"):
        assert word in text


FAULTS = {
    "missing partner": ("dsm/t1.tif", lambda p: p.unlink(), "image/t1.tif", "no dsm"),
    "orphan": ("image/t1.tif", lambda p: p.unlink(), "dsm/t1.tif", "no optical"),
    "no label": ("label/t1.tif", lambda p: p.unlink(), "image/t1.tif", "no label"),
    "truncated": ("image/t1.tif", cut, "image/t1.tif", "cannot be read"),
    "truncated label": ("label/t1.tif", cut, "label/t1.tif", "cannot be read"),
    "no raster": ("dsm/t1.tif", lambda p: p.write_text("x"), "dsm/t1.tif", "cannot be read"),
    "nan": ("dsm/t1.tif", lambda p: damage(p, put(np.nan, 7)), "dsm/t1.tif", "7 pixels are NaN"),
    "nodata": (
        "dsm/t1.tif",
        lambda p: damage(p, put(-9999, 5), nodata=-1),
        "dsm/t1.tif",
        "5 pixels lie outside -500 to 9000 m",
    ),
    "label value": (
        "label/t1.tif",
        lambda p: damage(p, put(9, 3)),
        "label/t1.tif",
        "unknown label value: 9 (3 px)",
    ),
    "label colours": (
        "label/t1.tif",
        lambda p: damage(p, lambda a: np.concatenate([a, a + 1, a])),
        "label/t1.tif",
        "wrong band count: expected one band of class values, got 3 that differ",
    ),
    "shifted": (
        "dsm/t1.tif",
        lambda p: damage(p, transform=Affine(0.25, 0, 500_100.1, 0, -0.25, 5_800_000)),
        "dsm/t1.tif",
        "misaligned grid: up to 0.40 pixels",
    ),
    "other pixels": (
        "label/t1.tif",
        lambda p: damage(p, transform=Affine(0.26, 0, 500_100, 0, -0.25, 5_800_000)),
        "label/t1.tif",
        "misaligned grid: up to 1.92 pixels",
    ),
    "size": (
        "dsm/t1.tif",
        lambda p: damage(p, lambda a: a[:, :-1]),
        "dsm/t1.tif",
        "39 x 48 pixels instead of 40 x 48",
    ),
    "crs": (
        "dsm/t1.tif",
        lambda p: damage(p, crs="EPSG:25833"),
        "dsm/t1.tif",
        "EPSG:25833 instead of EPSG:25832",
    ),
    "bands": (
        "image/t1.tif",
        lambda p: damage(p, lambda a: a[:3]),
        "image/t1.tif",
        "3 bands, expected 4",
    ),
    "dsm bands": (
        "dsm/t1.tif",
        lambda p: damage(p, lambda a: np.concatenate([a, a])),
        "dsm/t1.tif",
        "2 bands, expected 1",
    ),
    "16 bit": (
        "image/t1.tif",
        lambda p: damage(p, lambda a: a.astype(np.uint16)),
        "image/t1.tif",
        "uint16 and its range is not known",
    ),
    "empty": (
        "dsm/t1.tif",
        lambda p: damage(p, put(-9999, 40 * 48)),
        "dsm/t1.tif",
        "no valid pixel",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_with_file_and_remedy(dataset, fault):
    name, damaging, told, problem = FAULTS[fault]
    damaging(dataset / "train" / name)
    report = check_dataset(dataset)
    assert not report.ok
    assert [found.file for found in report.problems] == [dataset / "train" / told]
    assert problem in report.problems[0].problem
    assert report.problems[0].remedy
    text = printed(report)
    assert f"train/{told}" in text
    assert "1 problem" in text


def test_several_faults_are_all_told(dataset):
    for name in ("truncated", "label value"):
        where, damaging, *_ = FAULTS[name]
        damaging(dataset / "test" / where.replace("t1", "s0"))
    (dataset / "train" / "dsm" / "t0.tif").unlink()
    assert len(check_dataset(dataset).problems) == 3


def test_labels_without_georeference_are_fine(dataset):
    for path in dataset.glob("*/label/*.tif"):
        write_raster(path, read_raster(path).array)
    assert check_dataset(dataset).ok


def test_missing_labels_and_empty_folders(dataset, tmp_path):
    for path in (dataset / "train" / "label").iterdir():
        path.unlink()
    assert "has no labels" in check_dataset(dataset).problems[0].problem
    empty = tmp_path / "empty"
    (empty / "image").mkdir(parents=True)
    assert "no complete tile" in check_dataset(empty).problems[0].problem
    report = check_dataset(tmp_path / "nowhere")
    assert "is no folder" in report.problems[0].problem
    assert not report.ok
    assert "nowhere" in printed(report)


def test_folders_that_are_missing_or_empty(dataset):
    stated = json.loads((dataset / "dataset.json").read_text())
    declared = {"sensors": {"optical": {"folder": "image"}, "dsm": {"folder": "dsm"}}}
    (dataset / "dataset.json").write_text(json.dumps(stated | declared))
    assert check_dataset(dataset).ok
    for path in (dataset / "test" / "label").iterdir():
        path.unlink()
    (problem,) = check_dataset(dataset).problems
    assert (problem.file, problem.problem) == (
        dataset / "test" / "label",
        "the folder label/ holds no raster",
    )
    (dataset / "test" / "label").rmdir()  # a test set without labels promises none
    assert check_dataset(dataset).ok
    shutil.rmtree(dataset / "test" / "dsm")
    report = check_dataset(dataset)
    (problem,) = report.problems
    assert problem.file == dataset / "test" / "dsm"
    assert "the split test has no rasters of the sensor dsm" in problem.problem
    assert "sensor dsm is left out: test has no dsm/" in report.notes
    shutil.rmtree(dataset / "train" / "dsm")
    (problem,) = check_dataset(dataset).problems
    assert problem.file == dataset / "dataset.json"
    assert "declares the sensor dsm, which no split has" in problem.problem


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("classes", "road", "a list of names"),
        ("classes", ["road", 1], "a list of names"),
        ("palette", 5, "a list of colours"),
        ("palette", [[0, 0, 256]], "a list of colours"),
        ("palette", [[0, 0]], "a list of colours"),
        ("ignore_index", "x", "a whole number"),
        ("label_offset", True, "a whole number"),
        ("gsd_m", "abc", "metres per pixel"),
        ("gsd_m", 0, "metres per pixel"),
        ("image_scale", [1], "a number above 0"),
        ("sensors", ["dsm"], "descriptions by name"),
        ("sensors", {"dsm": 3}, "descriptions by name"),
        ("sensors", {"dsm": {"scale": "x"}}, "descriptions by name"),
        ("sensors", {"dsm": {"unit": 5}}, "descriptions by name"),
    ],
)
def test_what_dataset_json_must_hold(dataset, key, value, expected):
    stated = json.loads((dataset / "dataset.json").read_text())
    (dataset / "dataset.json").write_text(json.dumps(stated | {key: None}))
    assert check_dataset(dataset).ok
    (dataset / "dataset.json").write_text(json.dumps(stated | {key: value}))
    (problem,) = check_dataset(dataset).problems
    assert problem.file == dataset / "dataset.json"
    assert problem.problem.startswith(f"has {json.dumps(value)} for {key}: expected {expected}")
    assert problem.remedy == "correct it"


def test_a_sentence_without_remedy_is_all_problem(dataset):
    (problem,) = check_dataset(dataset, "foo").problems
    assert problem.problem == "unknown kind 'foo'"
    assert "available: auto, folder, pairs" in problem.remedy
    alone = Problem.from_sentence(dataset, f"{dataset} is odd")
    assert (alone.problem, alone.remedy, str(alone)) == ("is odd", "", f"{dataset}: is odd")


def test_truncated_label_of_a_dataset_without_json(dataset):
    (dataset / "dataset.json").unlink()
    cut(dataset / "train" / "label" / "t1.tif")
    report = check_dataset(dataset)
    assert not report.ok
    assert "t1.tif" in printed(report)


@pytest.mark.parametrize(
    "name",
    [
        "ign_ortho_lidar",
        "rstoolbox_sen2",
        "loveda",
        "vaihingen_tile",
        "change_levir",
        "change_dsifn",
    ],
)
def test_real_tiles_are_in_order(realdata, name):
    report = check_dataset(realdata / name)
    assert report.ok, report.problems
    stated = realdata / name / "dataset.json"
    if stated.is_file():
        for split, counts in json.loads(stated.read_text())["pixels_per_class"].items():
            assert report.counts()[split] == {int(k): v for k, v in counts.items()}


@pytest.mark.parametrize(("value", "words"), [(255, "white roofs"), (0, "black shadows")])
def test_a_declared_value_inside_the_picture_is_remarked(tmp_path, value, words):
    """Roofs as white as what is declared as nodata are neither trained nor scored: the check says how many."""
    place = {
        "crs": "EPSG:25832",
        "transform": Affine(0.25, 0, 4e5, 0, -0.25, 5.7e6),
        "nodata": value,
    }
    image = np.full((3, 40, 50), 100, np.uint8)
    image[:, :, :5] = value  # a frame is what was not flown
    label = np.arange(2000, dtype=np.uint8).reshape(40, 50) % 2
    for name in "ab":
        write_raster(tmp_path / f"image/{name}.tif", image, **place)
        write_raster(tmp_path / f"label/{name}.tif", label)
    (tmp_path / "dataset.json").write_text('{"classes": ["ground", "roof"]}')
    assert not any("declares nodata" in note for note in check_dataset(tmp_path).notes)
    for name, side in (("a", 10), ("b", 20)):
        roofed = image.copy()
        roofed[:, 10 : 10 + side, 20:30] = value
        write_raster(tmp_path / f"image/{name}.tif", roofed, **place)
    (note,) = (note for note in check_dataset(tmp_path).notes if "declares nodata" in note)
    assert f"a.tif declares nodata {value}, which up to 10.0 % of its pixels" in note
    assert f"if they are {words}, rio edit-info --unset-nodata FILE (and 1 more file)" in note


@pytest.mark.parametrize(
    ("value", "named"), [(-9999, "-9999"), (-3.4028234663852886e38, "-3.4028234663852886e+38")]
)
def test_the_value_to_declare_is_named(dataset, value, named):
    path = dataset / "train" / "dsm" / "t0.tif"
    damage(path, put(value, 30), nodata=None)
    told = [problem for problem in check_dataset(dataset).problems if problem.file == path]
    assert any(f"rio edit-info --nodata {named} FILE" in problem.remedy for problem in told)
