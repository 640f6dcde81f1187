"""Keys of ``dataset.json`` that nothing reads: told where they look like others, else left alone."""

from __future__ import annotations

import json

import pytest

from mfnet_lite.cli.predict import _described
from mfnet_lite.rasters import check_dataset
from mfnet_lite.rasters.readers.dataset_json import misspelt_keys
from mfnet_lite.rasters.tiles import SensorInfo


@pytest.mark.parametrize(
    ("stated", "note"),
    [
        (
            {"sensors": {"dsm": {"units": "cm"}}},
            "dataset.json has 'units' in the sensor dsm, which nothing reads; did you mean 'unit'?",
        ),
        (
            {"imagescale": 0.5},
            "dataset.json has 'imagescale', which nothing reads; did you mean 'image_scale'?",
        ),
        (
            {"label_treshold": 128},
            "dataset.json has 'label_treshold', which nothing reads; did you mean 'label_threshold'?",
        ),
        ({"gsd": 0.2}, "dataset.json has 'gsd', which nothing reads; did you mean 'gsd_m'?"),
    ],
)
def test_a_misspelt_key_is_told_once(dataset, stated, note):
    assert misspelt_keys(stated) == (note,)
    path = dataset / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | stated))
    report = check_dataset(dataset)
    assert [line for line in report.notes if "nothing reads" in line] == [note]


@pytest.mark.parametrize(
    "stated",
    [
        {"source": "a survey", "seed": 3, "crs": "EPSG:25832", "label_source": "by hand"},
        {"author": "us", "date": "2024-05-01", "sensors": {"dsm": {"unit": "cm", "camera": "x"}}},
        {"gsd_m": 0.2, "pixel_size": "20 cm"},
    ],
)
def test_other_keys_are_free(stated):
    assert misspelt_keys(stated) == ()


def test_a_scene_is_described_by_a_misspelt_sensor(tmp_path, capsys):
    infos = {"optical": SensorInfo("optical"), "dsm": SensorInfo("dsm")}
    path = tmp_path / "scene.json"
    path.write_text('{"sensors": {"dms": {"unit": "cm"}, "dtm": {"unit": "m"}}}')
    found, _ = _described(infos, path)
    assert found["dsm"].unit is None
    expected = (
        "note: scene.json has the sensor 'dms', which the run does not use; did you mean 'dsm'?\n"
    )
    assert capsys.readouterr().err == expected
    path.write_text('{"sensors": {"dsm": {"unit": "cm"}, "dms": {"units": "m"}}}')
    found, _ = _described(infos, path)
    assert found["dsm"].unit == "cm"
    assert capsys.readouterr().err.count("note:") == 1  # of the key; the sensor is there
