"""What ``dataset.json`` says, read with tolerance: every key may be missing, others may be there.

A key that nothing reads is left alone; one that looks like a key that is read, misspelt, gets a note.

Keys: ``classes`` [names], ``palette`` [[r, g, b], …], ``ignore_index`` (255), ``label_offset`` (0),
``sensors`` {name: {folder, bands, dtype, unit, scale, nodata, tags, kind}}, ``image_bands``, ``image_scale``,
``gsd_m``, ``source``; and, for labels that are written otherwise than as class indices, ``label_values``
{"255": 1, "7": "ignore", "3": "road"} (file value → class index, class name or not labelled; also the other way
round, {"road": 3}), ``label_threshold`` (two classes: class 1 from this value on) and ``label_unknown`` ("nearest"
known colour, "ignore", or a class: what a colour or value that is no class's becomes). Bands are [names] or how many
there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.labels.label_keys import is_whole
from mfnet_lite.rasters.sensor_kinds import SENSOR_KINDS
from mfnet_lite.rasters.tiles import OPTICAL, SensorInfo
from mfnet_lite.utils.fresh_folders import check_finished
from mfnet_lite.utils.misspellings import meant


def read_json(root: Path) -> dict[str, Any]:
    """``dataset.json`` of a folder, or nothing.

    Args:
        root: The dataset.

    Returns:
        Its keys; empty without the file.

    Raises:
        ValueError: Not a JSON object, or a key we read holds something else than it should, or the
            folder is unfinished.
    """
    check_finished(root)
    path = root / "dataset.json"
    return read_json_file(path) if path.is_file() else {}


def read_json_file(path: Path) -> dict[str, Any]:
    """What a file in the form of ``dataset.json`` says.

    Args:
        path: The file.

    Returns:
        Its keys.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a JSON object, or a key we read holds something else than it should.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: expected a dataset.json; check the path")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); correct or remove it") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} holds a {type(content).__name__}, expected an object with keys such as "
            "classes and palette; correct or remove it"
        )
    for key, value in content.items():
        if key in EXPECTED and value is not None:
            expected, fits = EXPECTED[key]
            if not fits(value):
                raise ValueError(
                    f"{path} has {json.dumps(value)} for {key}: expected {expected}; correct it"
                )
    for name, sensor in (content.get("sensors") or {}).items():
        bands = sensor.get("bands")
        if bands is not None and not _are_bands(bands):
            raise ValueError(
                f"{path} has {json.dumps(bands)} as bands of the sensor {name}: expected {BANDS}; correct it"
            )
    return {key: value for key, value in content.items() if value is not None}


def _is_number(value: Any) -> bool:
    # JSON's true would pass for 1
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


def _is_colour(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(_is_integer(v) and 0 <= v <= 255 for v in value)
    )


def _are_sensors(value: Any) -> bool:
    entries = value.values() if isinstance(value, dict) else [value]
    return all(
        isinstance(entry, dict)
        and (entry.get("scale") is None or _is_positive(entry["scale"]))
        and (entry.get("nodata") is None or _is_number(entry["nodata"]))
        and entry.get("tags") in (None, "apply", "ignore")
        and entry.get("kind") in (None, *SENSOR_KINDS)
        and all(isinstance(entry.get(key, ""), str | None) for key in ("folder", "dtype", "unit"))
        for entry in entries
    )


def _are_bands(value: Any) -> bool:
    """How many, or what they are called; numbers in a list would look like a choice, which nothing reads here."""
    if isinstance(value, list):
        return bool(value) and all(isinstance(name, str) for name in value)
    return _is_integer(value) and value > 0


def _are_values(value: Any) -> bool:
    """Either form of ``label_values``: by file value, or by class name."""
    if not isinstance(value, dict) or not value:
        return False
    if all(is_whole(key) for key in value):
        return all(
            isinstance(meant, str) or (_is_integer(meant) and meant >= 0)
            for meant in value.values()
        )
    return all(_is_integer(number) for number in value.values())


def _is_positive(value: Any) -> bool:
    return _is_number(value) and 0 < value < float("inf")


def _lists(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(of(entry) for entry in value)


BANDS = (
    'how many there are, or a list of their names like ["red", "green", "blue"] (which ones are read is said by '
    "--bands 3,2,1 or optical_bands)"
)
"""What ``bands`` of a sensor and ``image_bands`` must be, in words."""

EXPECTED: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "classes": ('a list of names like ["road", "tree"]', _lists(lambda v: isinstance(v, str))),
    "palette": (
        "a list of colours like [[0, 0, 255], [0, 255, 0]], each of three numbers from 0 to 255",
        _lists(_is_colour),
    ),
    "ignore_index": ("a whole number", _is_integer),
    "label_offset": ("a whole number", _is_integer),
    "label_values": (
        'the class of each value like {"0": 0, "255": 1, "7": "ignore"}, or the value of each class like '
        '{"road": 255}',
        _are_values,
    ),
    "label_threshold": ("a number", _is_number),
    "label_unknown": ('"nearest", "ignore" or the name of a class', lambda v: isinstance(v, str)),
    "gsd_m": ("metres per pixel, a number above 0", _is_positive),
    "image_scale": ("a number above 0", _is_positive),
    "image_bands": (BANDS, _are_bands),
    "sensors": (
        'descriptions by name like {"dsm": {"folder": "dsm", "unit": "m"}}, a scale above 0, '
        'a number as nodata, "apply" or "ignore" as tags, '
        f"{', '.join(SENSOR_KINDS[:-1])} or {SENSOR_KINDS[-1]} as kind",
        _are_sensors,
    ),
}
"""Of each key that is read: what it must be, in words and as a test. Other keys are left alone."""

READ = (*EXPECTED, "source", "label_source")
"""Every key that is read."""
READ_OF_SENSORS = ("folder", "bands", "dtype", "unit", "scale", "nodata", "tags", "kind")
"""Every key of a sensor that is read."""
FREE = ("crs", "seed")
"""Keys that our own datasets have and nothing reads."""
ALSO_MEANT = {"gsd": "gsd_m", "pixel_size": "gsd_m"}
"""Keys that are not spelt like those that they stand for."""


def misspelt_keys(stated: Mapping[str, Any], file: str = "dataset.json") -> tuple[str, ...]:
    """Name the keys that nothing reads though they look like keys that are read.

    Args:
        stated: What the file says, as :func:`read_json` gives it.
        file: Its name.

    Returns:
        A sentence per key; none for keys that resemble no other.

    Example:
        >>> misspelt_keys({"sensors": {"dsm": {"units": "cm"}}, "author": "us"})
        ("dataset.json has 'units' in the sensor dsm, which nothing reads; did you mean 'unit'?",)
    """
    notes = []
    sensors = stated.get("sensors") or {}
    of_sensors = ((f" in the sensor {name}", own, READ_OF_SENSORS) for name, own in sensors.items())
    for where, entries, known in (("", stated, READ), *of_sensors):
        for key in entries:
            probably = ALSO_MEANT.get(key) or meant(key, known)
            if key not in (*known, *FREE) and probably in known and probably not in entries:
                notes.append(
                    f"{file} has {key!r}{where}, which nothing reads; did you mean {probably!r}?"
                )
    return tuple(notes)


def sensor_from_json(name: str, folder: str | None, stated: Mapping[str, Any]) -> SensorInfo:
    """What ``dataset.json`` says about a sensor, tolerating missing and additional keys.

    Args:
        name: The sensor.
        folder: Its folder, if it has one of its own.
        stated: All of ``dataset.json``.

    Returns:
        The sensor.
    """
    sensors = stated.get("sensors")
    own = sensors.get(name, {}) if isinstance(sensors, Mapping) else {}
    own = own if isinstance(own, Mapping) else {}
    bands = own.get("bands", stated.get("image_bands") if name == OPTICAL else None)
    names = tuple(bands) if isinstance(bands, list) else ()
    count = len(names) or (None if bands is None else int(bands))
    scale, nodata = own.get("scale"), own.get("nodata")
    sensor = SensorInfo(
        name=name,
        folder=folder,
        bands=count,
        names=names,
        dtype=own.get("dtype"),
        unit=own.get("unit"),
        scale=None if scale is None else float(scale),
        nodata=None if nodata is None else float(nodata),
        tags=own.get("tags"),
        kind=own.get("kind") or "",
    )
    if scale is None and sensor.is_image and stated.get("image_scale") is not None:
        return replace(sensor, scale=float(stated["image_scale"]))
    return sensor
