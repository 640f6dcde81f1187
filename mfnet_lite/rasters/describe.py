"""What ``dataset.json`` says, read with tolerance: every key may be missing, others may be there.

Keys: ``classes`` [names], ``palette`` [[r, g, b], …], ``ignore_index`` (255), ``label_offset`` (0),
``sensors`` {name: {folder, bands, dtype, unit, scale, nodata, tags}}, ``image_bands`` [names],
``image_scale``, ``gsd_m``, ``source``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.labels import LabelCoding
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.scan import label_values
from mfnet_lite.rasters.tiles import OPTICAL, PICTURES, SensorInfo


def read_json(root: Path) -> dict[str, Any]:
    """``dataset.json`` of a folder, or nothing.

    Args:
        root: The dataset.

    Returns:
        Its keys; empty without the file.

    Raises:
        ValueError: Not a JSON object, or a key we read holds something else than it should.
    """
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
        and all(isinstance(entry.get(key, ""), str | None) for key in ("folder", "dtype", "unit"))
        for entry in entries
    )


def _is_positive(value: Any) -> bool:
    return _is_number(value) and 0 < value < float("inf")


def _lists(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(of(entry) for entry in value)


EXPECTED: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "classes": ('a list of names like ["road", "tree"]', _lists(lambda v: isinstance(v, str))),
    "palette": (
        "a list of colours like [[0, 0, 255], [0, 255, 0]], each of three numbers from 0 to 255",
        _lists(_is_colour),
    ),
    "ignore_index": ("a whole number", _is_integer),
    "label_offset": ("a whole number", _is_integer),
    "gsd_m": ("metres per pixel, a number above 0", _is_positive),
    "image_scale": ("a number above 0", _is_positive),
    "sensors": (
        'descriptions by name like {"dsm": {"folder": "dsm", "unit": "m"}}, a scale above 0, '
        'a number as nodata, "apply" or "ignore" as tags',
        _are_sensors,
    ),
}
"""Of each key that is read: what it must be, in words and as a test. Other keys are left alone."""


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
    named = isinstance(bands, Sequence) and not isinstance(bands, str)
    names = tuple(str(band) for band in bands) if named and bands else ()
    count = len(names) if names else (int(bands) if isinstance(bands, int) else None)
    scale = own.get("scale", stated.get("image_scale") if name in PICTURES else None)
    nodata = own.get("nodata")
    return SensorInfo(
        name=name,
        folder=folder,
        bands=count,
        names=names,
        dtype=own.get("dtype"),
        unit=own.get("unit"),
        scale=None if scale is None else float(scale),
        nodata=None if nodata is None else float(nodata),
        tags=own.get("tags"),
    )


def label_coding(
    stated: Mapping[str, Any],
    labels: Sequence[Path],
    classes: Sequence[str] | None,
    offset: int,
    ignore: int,
) -> tuple[tuple[str, ...], LabelCoding, list[str]]:
    """Classes and the coding of labels, from what is stated or else from the labels themselves.

    Args:
        stated: All of ``dataset.json``.
        labels: Label files, looked at where nothing is stated.
        classes: Names that override the stated ones.
        offset: Added to the values of labels.
        ignore: Index of pixels without a label.

    Returns:
        Names, coding, and notes on what was guessed.

    Raises:
        ValueError: One string instead of several names, or labels that are colours while there are
            not as many classes as colours.
    """
    if isinstance(classes, str):
        raise ValueError(f"classes is the string {classes!r}: expected a list of names; split it")
    notes: list[str] = []
    names = [str(name) for name in (classes or stated.get("classes") or ())]
    palette = stated_palette(stated)
    if palette and labels and raster_info(labels[0]).bands >= 3:
        colours = dict(zip(palette, range(len(palette)), strict=True))
        colours.setdefault((0, 0, 0), ignore)
        names = names or [f"class {i}" for i in range(len(palette))]
        if len(names) != len(palette):
            raise ValueError(
                f"dataset.json lists {len(palette)} colours in palette for {len(names)} classes, and "
                f"{labels[0]} is written in colours; list one colour per class"
            )
        return tuple(names), LabelCoding(len(names), ignore, colours=colours), notes
    if not names:
        seen = {v + offset for v in label_values(labels)} - {ignore, ignore + offset}
        names = [f"class {i}" for i in range(max((v for v in seen if v >= 0), default=1) + 1)]
        notes.append(
            f"no class names: counted {len(names)} classes from the label values; "
            "name them in dataset.json"
        )
    values: dict[int, int] = {}
    if offset:
        values = dict.fromkeys(range(-offset), ignore) | {ignore: ignore}
        values |= {index - offset: index for index in range(len(names))}
    return tuple(names), LabelCoding(len(names), ignore, values=values), notes


def stated_palette(stated: Mapping[str, Any]) -> tuple[Colour, ...] | None:
    """Colours of the classes as stated.

    Args:
        stated: All of ``dataset.json``.

    Returns:
        A colour per class, or None.
    """
    listed = stated.get("palette")
    if not listed:
        return None
    return tuple((int(c[0]), int(c[1]), int(c[2])) for c in listed)
