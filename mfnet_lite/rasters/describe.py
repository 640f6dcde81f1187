"""What ``dataset.json`` says, read with tolerance: every key may be missing, others may be there.

Keys: ``classes`` [names], ``palette`` [[r, g, b], …], ``ignore_index`` (255), ``label_offset`` (0),
``sensors`` {name: {folder, bands, dtype, unit, scale}}, ``image_bands`` [names], ``image_scale``,
``gsd_m``, ``source``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.labels import LabelCoding
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.scan import label_values
from mfnet_lite.rasters.tiles import OPTICAL, SensorInfo


def read_json(root: Path) -> dict[str, Any]:
    """``dataset.json`` of a folder, or nothing.

    Args:
        root: The dataset.

    Returns:
        Its keys; empty without the file.

    Raises:
        ValueError: Not a JSON object.
    """
    path = root / "dataset.json"
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON ({error}); correct or remove it") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} holds a {type(content).__name__}, expected an object with keys such as "
            "classes and palette; correct or remove it"
        )
    return content


def sensor_from_json(name: str, folder: str, stated: Mapping[str, Any]) -> SensorInfo:
    """What ``dataset.json`` says about a sensor, tolerating missing and additional keys.

    Args:
        name: The sensor.
        folder: Its folder.
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
    scale = own.get("scale", stated.get("image_scale") if name == OPTICAL else None)
    return SensorInfo(
        name=name,
        folder=folder,
        bands=count,
        names=names,
        dtype=own.get("dtype"),
        unit=own.get("unit"),
        scale=None if scale is None else float(scale),
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
    """
    notes: list[str] = []
    names = [str(name) for name in (classes or stated.get("classes") or ())]
    palette = stated_palette(stated)
    if palette and labels and raster_info(labels[0]).bands >= 3:
        colours = dict(zip(palette, range(len(palette)), strict=True))
        colours.setdefault((0, 0, 0), ignore)
        names = names or [f"class {i}" for i in range(len(palette))]
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
