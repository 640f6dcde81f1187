"""The value of a file that means "not labelled", and the index by which samples say so."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rich.console import Console

from mfnet_lite.rasters import RandomCrops, WholeTiles, check_dataset, open_dataset, write_raster

NAMES = ["water", "forest", "road"]
VALUES = np.arange(48, dtype=np.uint8).reshape(6, 8) % 4
RED, GREEN, BLUE, WHITE, BLACK = [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]
PLACE = {"crs": "EPSG:25832", "transform": rasterio.Affine(0.25, 0, 5e5, 0, -0.25, 5.8e6)}
FROM_1 = {0: 255, 1: 0, 2: 1, 3: 2}
"""What a sample holds for each value where 1 to 3 are the classes and 0 is not labelled."""


def put(root: Path, label: np.ndarray, stated: dict, name: str = "a") -> None:
    write_raster(root / "image" / f"{name}.tif", np.full((3, 6, 8), 90, np.uint8), **PLACE)
    write_raster(root / "label" / f"{name}.tif", label, **PLACE)
    (root / "dataset.json").write_text(json.dumps(stated))


def expect(root: Path, wanted: dict[int, int], ignored: int, values: np.ndarray = VALUES) -> None:
    """Every value of the file became the wanted index, in whole tiles and crops, and was counted so."""
    data = open_dataset(root, val_fraction=0)
    assert data.info.ignore_index == ignored
    right = np.vectorize(wanted.get)(values)
    np.testing.assert_array_equal(WholeTiles(data.tiles())[0]["label"], right)
    crops = RandomCrops(data.tiles()[:1], 8, cache=True, flips=False, length=1)
    np.testing.assert_array_equal(crops[0]["label"][:6], right)
    report = check_dataset(root, progress=False)
    assert not report.problems
    assert report.counts()["all"] == dict(zip(*np.unique(right, return_counts=True), strict=True))


@pytest.mark.parametrize(
    "how",
    [
        {"label_offset": -1},
        {"label_values": {"1": "water", "2": "forest", "3": "road"}},
        {"label_values": {"water": 1, "forest": 2, "road": 3}},
        {"label_values": {"0": "ignore", "1": 0, "2": 1, "3": 2}},
        {"label_values": {"1": 0, "2": "forest"}, "label_unknown": "road"},
        {"label_values": {"2": "forest", "3": "road"}, "label_unknown": "water"},
    ],
)
def test_an_ignored_0_is_not_the_first_class(tmp_path, how):
    put(tmp_path, VALUES, {"classes": NAMES, "ignore_index": 0} | how)
    expect(tmp_path, FROM_1, 255)


def test_without_names_the_classes_are_as_many(tmp_path):
    put(tmp_path, VALUES, {"ignore_index": 0, "label_values": {"1": 0, "2": 1, "3": 2}})
    expect(tmp_path, FROM_1, 255)
    put(tmp_path, VALUES, {"ignore_index": 0, "label_offset": -1})
    expect(tmp_path, FROM_1, 255)


def test_classes_by_other_values_and_an_ignored_1(tmp_path):
    named = {"0": "road", "2": "forest", "3": "water"}
    put(tmp_path, VALUES, {"classes": NAMES, "ignore_index": 1, "label_values": named})
    expect(tmp_path, {0: 2, 1: 255, 2: 1, 3: 0}, 255)
    put(tmp_path, VALUES, {"classes": NAMES, "ignore_index": 2, "label_offset": -1})
    expect(tmp_path, {0: 255, 1: 0, 2: 255, 3: 2}, 255)


def test_a_threshold_and_an_ignored_0_or_1(tmp_path):
    for void in (0, 1):
        stated = {"classes": ["no", "yes"], "label_threshold": 2, "ignore_index": void}
        put(tmp_path, VALUES, stated)
        expect(tmp_path, {0: 0, 1: 0, 2: 1, 3: 1} | {void: 255}, 255)


PALETTE = {"classes": NAMES, "palette": [RED, GREEN, BLUE], "ignore_index": 0}


def test_colours_and_an_ignored_0(tmp_path):
    painted = np.array([BLACK, RED, GREEN, BLUE], np.uint8)[VALUES].transpose(2, 0, 1)
    put(tmp_path, painted, PALETTE)
    expect(tmp_path, FROM_1, 255)


@pytest.mark.parametrize("void", [(0, 0, 0), (9, 9, 9)])
def test_colour_tables_and_an_ignored_0(tmp_path, void):
    table = {0: void, 1: tuple(RED), 2: tuple(BLUE), 3: tuple(GREEN)}
    put(tmp_path, VALUES, PALETTE)
    with rasterio.open(tmp_path / "label" / "a.tif", "r+") as file:
        file.write_colormap(1, table)
    expect(tmp_path, {0: 255, 1: 0, 2: 2, 3: 1}, 255)


def test_files_in_colours_beside_files_of_values(tmp_path):
    put(tmp_path, VALUES % 3, PALETTE)
    put(
        tmp_path,
        np.array([RED, GREEN, BLUE], np.uint8)[VALUES % 3].transpose(2, 0, 1),
        PALETTE,
        "b",
    )
    tiles = open_dataset(tmp_path, val_fraction=0).tiles()
    by_value, by_colour = (sample["label"].numpy() for sample in WholeTiles(tiles))
    np.testing.assert_array_equal(by_value, np.where(VALUES % 3 == 0, 255, VALUES % 3))
    np.testing.assert_array_equal(by_colour, VALUES % 3)


SAME = {0: 0, 1: 1, 2: 2, 3: 3}


@pytest.mark.parametrize(
    ("how", "painted"),
    [
        ({}, False),
        ({"label_values": {"0": 0, "1": 1, "2": 2, "3": 3}}, False),
        ({"palette": [WHITE, RED, GREEN, BLUE]}, False),  # only says how maps are drawn
        ({"palette": [BLACK, RED, GREEN, BLUE]}, True),
    ],
)
def test_a_background_of_0_may_be_left_out_as_a_class(tmp_path, how, painted):
    colours = np.array([BLACK, RED, GREEN, BLUE], np.uint8)
    label = colours[VALUES].transpose(2, 0, 1) if painted else VALUES
    put(tmp_path, label, {"classes": ["background", *NAMES], "ignore_index": 0} | how)
    expect(tmp_path, SAME, 0)
    shown = io.StringIO()
    check_dataset(tmp_path, progress=False).render(Console(file=shown, width=100))
    assert shown.getvalue().count("not labelled") == 1
    assert "0 background (not labelled)" in shown.getvalue()


def test_indices_beyond_the_classes_stay(tmp_path):
    named = {"0": 0, "1": 1, "2": 2}
    for how in ({}, {"label_values": named}, {"label_values": named | {"3": 3}}):
        put(tmp_path, VALUES, {"classes": NAMES, "ignore_index": 3} | how)
        expect(tmp_path, SAME, 3)


def test_label_values_go_before_ignore_index(tmp_path):
    mask = (VALUES > 1) * np.uint8(255)
    stated = {"label_values": {"0": 0, "255": 1}, "ignore_index": 255}
    put(tmp_path, mask, stated)
    expect(tmp_path, {0: 0, 255: 1}, 255, mask)


def test_one_value_of_a_class_that_is_ignored_as_well(tmp_path):
    named = {"0": "water", "1": "water", "2": "forest", "3": "road"}
    put(tmp_path, VALUES, {"classes": NAMES, "ignore_index": 0, "label_values": named})
    with pytest.raises(ValueError, match=r'has 0 as ignore_index.* write "0": "ignore" there, or'):
        open_dataset(tmp_path)
    named["0"] = "ignore"
    put(tmp_path, VALUES, {"classes": NAMES, "ignore_index": 0, "label_values": named})
    expect(tmp_path, {0: 255, 1: 0, 2: 1, 3: 2}, 255)
