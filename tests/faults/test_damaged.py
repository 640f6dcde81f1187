"""Damaged files, in the short form: the right result or one sentence."""

from __future__ import annotations

import pytest
import torch

from scripts.faults.damage import Damage, JsonDamage
from scripts.faults.files import targets, try_target
from scripts.faults.verdict import Fault, judge

ROWS = {
    "GeoTIFF, image of a scene": 10,
    "GeoTIFF, heights of a scene": 6,
    "GeoTIFF, label": 4,
    "GeoTIFF, map to outline": 10,
    "weights of a run": 15,
    "state of a training": 40,
    "delta": 40,
    "config.json of a run": 15,
    "dataset.json, opened": 20,
    "dataset.json, evaluated": 3,
}


# GDAL opens some damaged images without their place, and says so
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("name", ROWS)
def test_damaged_files(name, inputs, out):
    every = targets(inputs, out)
    assert list(every) == list(ROWS)
    ends = try_target(every[name], ROWS[name], random_seed=1)
    assert 0 < ends.total() <= ROWS[name]


def test_a_damage_that_nobody_notices_is_a_fault(inputs, out, monkeypatch):
    monkeypatch.setattr("mfnet_lite.tuning.delta.read_tensors", lambda path: (_loaded(path), {}))
    with pytest.raises(Fault, match=r"delta\.safetensors with Damage"):
        try_target(targets(inputs, out)["delta"], 60, random_seed=0)


def _loaded(path):
    from safetensors.torch import load_file

    return {name: torch.nan_to_num(value) for name, value in load_file(path).items()}


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (Damage("cut", 0.5, 1), b"0123"),
        (Damage("flip", 0.0, 0), b"11234567"),
        (Damage("zeros", 0.5, 2), b"0123\0\0" + b"67"),
        (Damage("noise", 0.5, 9, b"ab"), b"0123ab67"),
        (Damage("lost", 0.25, 2), b"014567"),
        (Damage("doubled", 0.25, 2), b"0123234567"),
    ],
    ids=lambda value: value.kind if isinstance(value, Damage) else "",
)
def test_what_a_damage_does(damage, expected):
    assert damage.apply(b"01234567") == expected


def test_values_of_json_are_exchanged():
    assert JsonDamage(0.0, None, gone=False).apply(b'{"a": {"b": 1}}') == b'{"a": null}'
    assert JsonDamage(0.9, None, gone=True).apply(b'{"a": {"b": 1}}') == b'{"a": {}}'


@pytest.mark.parametrize(
    ("code", "errors"),
    [
        (1, "Traceback (most recent call last):\nerror: a sentence about it"),
        (3, "error: a sentence about it"),
        (1, ""),
        (1, "error: a sentence about it\nerror: and another sentence"),
        (1, "error: unforeseen KeyError (1)"),
    ],
    ids=["traceback", "code", "silent", "two", "unforeseen"],
)
def test_what_is_a_fault(code, errors):
    with pytest.raises(Fault):
        judge(code, errors, "call")
    assert judge(0, "", "call") == ""
    assert judge(1, "note: a\nerror: a sentence about it", "call") == "a sentence about it"
