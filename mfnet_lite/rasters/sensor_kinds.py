"""What a sensor measures, in one word, decided once: everything else asks the word and never the sensor's name.

Two of the words change how a file is read. ``optical`` sensors are images: divided by full reflectance, read in the
order red, green, blue, and deciding where a map has data. ``elevation`` sensors are heights: turned into metres and
scaled by tile. All others are measurements that are stretched by tile.
"""

from __future__ import annotations

from typing import Literal, get_args

from mfnet_lite.rasters.interpretation.units import metres_per_unit

SensorKind = Literal["optical", "elevation", "radar", "thermal", "other"]
SENSOR_KINDS: tuple[SensorKind, ...] = get_args(SensorKind)

KIND_OF_NAME: dict[str, SensorKind] = {
    **dict.fromkeys(("optical", "before", "after"), "optical"),
    # in English, German (dom, dgm) and French (mns, mnt, mnh)
    **dict.fromkeys(
        (
            *("dsm", "ndsm", "dem", "dtm", "dhm", "chm"),
            *("height", "heights", "elevation", "altitude"),
            *("dom", "ndom", "dgm", "mns", "mnt", "mnh"),
        ),
        "elevation",
    ),
    **dict.fromkeys(("sar", "radar", "s1", "sentinel1"), "radar"),
    **dict.fromkeys(("thermal", "tir", "lst"), "thermal"),
}
"""Names of sensors that tell what they measure, in small letters."""


def kind_of(name: str, unit: str | None = None) -> SensorKind:
    """What a sensor measures where nobody states it.

    Args:
        name: The sensor's name.
        unit: Unit of its values, if stated; a unit of length makes any sensor an elevation.

    Returns:
        One of :data:`SENSOR_KINDS`.

    Example:
        >>> kind_of("DSM"), kind_of("nir"), kind_of("laser", "cm")
        ('elevation', 'other', 'elevation')
    """
    if metres_per_unit(unit or "") is not None:
        return "elevation"
    return KIND_OF_NAME.get(name.lower(), "other")
