"""``dataset.json``: keys that nothing reads are told where they look like others; bands are checked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mfnet_lite.cli.predict import _described
from mfnet_lite.rasters import check_dataset, open_dataset
from mfnet_lite.rasters.readers.dataset_json import misspelt_keys, read_json, sensor_from_json
from mfnet_lite.rasters.tiles import SensorInfo

SCENES = Path(__file__).resolve().parents[3] / "data" / "scenes"


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


BANDS = ("RGB", "3", "", True, 0, -3, 2.5, [], {}, [3, 2, 1], ["R", None])
"""What says neither how many bands there are nor what they are called."""


@pytest.mark.parametrize("bands", BANDS, ids=repr)
def test_bands_are_a_number_or_names(tmp_path, bands):
    """Before, text and fractions were ignored, true was one band, and numbers in a list passed for names."""
    path = tmp_path / "dataset.json"
    told = re.escape(json.dumps(bands))
    path.write_text(json.dumps({"sensors": {"sar": {"bands": bands}}}))
    with pytest.raises(
        ValueError, match=rf"json has {told} as bands of the sensor sar: expected how many"
    ):
        read_json(tmp_path)
    path.write_text(json.dumps({"image_bands": bands}))
    with pytest.raises(
        ValueError, match=rf"json has {told} for image_bands: expected how many .* names"
    ):
        read_json(tmp_path)


@pytest.mark.parametrize(
    ("bands", "count", "names"),
    [(None, None, ()), (3, 3, ()), (3.0, 3, ()), (["R", "G"], 2, ("R", "G"))],
)
def test_what_bands_say(tmp_path, bands, count, names):
    path = tmp_path / "dataset.json"
    for stated in ({"sensors": {"optical": {"bands": bands}}}, {"image_bands": bands}):
        path.write_text(json.dumps(stated))
        sensor = sensor_from_json("optical", "image", read_json(tmp_path))
        assert (sensor.bands, sensor.names) == (count, names)


@pytest.mark.parametrize("bands", ["3,2,1", "321"])
def test_a_string_is_no_choice_of_bands(bands):
    with pytest.raises(
        ValueError, match=r"bands of optical must be numbers .* such as \(4, 1, 2\)"
    ):
        open_dataset(SCENES, optical_bands=bands)
