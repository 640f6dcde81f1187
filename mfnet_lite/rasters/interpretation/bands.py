"""Which bands of a file are data, in which order, and which one says where there is data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mfnet_lite.rasters.interpretation.missing import alpha_is_mask
from mfnet_lite.rasters.io import open_raster, raster_info, read_window
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.tiles import SensorInfo
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.utils.counted_nouns import counted

RED_GREEN_BLUE = ("red", "green", "blue")
COLOURS = {
    "red": "red", "green": "green", "blue": "blue", "r": "red", "g": "green", "b": "blue",
    "nir": "near infrared", "ir": "near infrared", "near infrared": "near infrared",
}  # fmt: skip
"""Words for bands in descriptions."""
OPACITY = ("a", "alpha", "opacity", "mask")
"""Words in descriptions for a band that is no measurement."""
CORNER = 8  # pixels along the side of what is looked at for a collar; no shadow is so evenly black


@dataclass(frozen=True)
class Bands:
    """The bands of a file that a sensor takes.

    Attributes:
        bands: Numbers counted from 1, in the order of the sample.
        alpha: Number of the band whose zeros mean "no data here", or None.
        notes: What was decided, as predicates of a sentence whose subject is the file.
    """

    bands: tuple[int, ...]
    alpha: int | None = None
    notes: tuple[str, ...] = ()


def is_named(sensor: SensorInfo, band: int) -> bool:
    """Whether the dataset's own list of bands says that a band is a measurement, whatever the file calls it.

    Only where bands are chosen by number: MFNet's street images hold the thermal channel where a PNG has opacity.

    Args:
        sensor: What the dataset says.
        band: Number counted from 1.

    Returns:
        True if it does.
    """
    if sensor.select is None or len(sensor.names) < band:
        return False
    return sensor.names[band - 1].lower() not in OPACITY


def choose_bands(
    path: str | Path, sensor: SensorInfo, info: RasterInfo | None = None, most: int | None = None
) -> Bands:
    """Choose the bands of a file.

    A band that is marked as opacity and holds nothing but 0 and the largest value is no measurement but a mask;
    with grey values in it (the near infrared, which most writers mark as opacity) it is a band. Bands that the
    file calls red, green and blue in another order are put in this one.

    Args:
        path: The file.
        sensor: What the dataset says; stated numbers are taken as they are.
        info: Its header, if it has been read.
        most: Take the first so many of the bands where none are stated, as a view does; None takes all.

    Returns:
        The bands.

    Raises:
        ValueError: A band which the file lacks.
    """
    path = Path(path)
    info = raster_info(path) if info is None else info
    alpha: int | None = None
    notes: tuple[str, ...] = ()
    if sensor.select is not None:
        bands = tuple(sensor.select)
        if max(bands) > info.bands:
            raise ValueError(
                f"{path} has {counted(info.bands, 'band')}, but bands {bands} were asked for: "
                f"choose from 1 to {info.bands}"
            )
        marked = info.alpha
        if marked is not None and marked not in bands and not is_named(sensor, marked):
            mask, hides = alpha_is_mask(path, marked)
            alpha, notes = (marked if mask and hides else None), _transparent(mask and hides)
    else:
        bands, alpha, notes = _all_bands(path, sensor, info, most)
    return Bands(bands, alpha, (*notes, *_collar(path, sensor, info, alpha)))


def _all_bands(
    path: Path, sensor: SensorInfo, info: RasterInfo, most: int | None
) -> tuple[tuple[int, ...], int | None, tuple[str, ...]]:
    """Every band that is a measurement, or the first ones, red, green and blue in this order."""
    bands = tuple(range(1, info.bands + 1))
    alpha: int | None = None
    notes: tuple[str, ...] = ()
    if info.alpha is not None and info.bands > 1:
        mask, hides = alpha_is_mask(path, info.alpha)
        if mask:
            bands = tuple(band for band in bands if band != info.alpha)
            alpha, notes = (info.alpha if hides else None), _transparent(hides)
        elif info.alpha in bands[:most]:
            notes = (
                f"marks band {info.alpha} as opacity, which holds grey values: it is read as a band",
            )
    first = _names(info)
    if not sensor.is_image or first in ((), RED_GREEN_BLUE):
        return bands[:most], alpha, notes
    called = f"calls its first bands {', '.join(first)}"
    if set(first) == set(RED_GREEN_BLUE):
        bands = (*(first.index(role) + 1 for role in RED_GREEN_BLUE), *bands[3:])
        called += (
            ": they are read as red, green, blue; "
            "name the bands (--bands of train and masks) if its words are wrong"
        )
    else:
        called += ": they are read in this order; others are named with --bands of train and masks"
    return bands[:most], alpha, (*notes, called)


def _names(info: RasterInfo) -> tuple[str, ...]:
    """What a file calls its first three bands, by description or else by colour interpretation; empty if nothing."""
    roles = tuple(info.roles[:3])
    if set(roles) == set(RED_GREEN_BLUE):
        words = [(word or "").strip().lower() for word in info.descriptions[:3]]
        # GDAL gives every three bytes the roles red, green, blue; a description is somebody's word.
        if not all(words) or not set(words) & set(COLOURS):
            return roles
        return tuple(COLOURS.get(word, word) for word in words)
    words = [(word or "").strip().lower() for word in info.descriptions[:3]]
    if len(words) == 3 and all(words) and set(words) & set(COLOURS):
        return tuple(COLOURS.get(word, word) for word in words)
    return ()


def _transparent(hides: bool) -> tuple[str, ...]:
    return (
        (
            "is transparent in places, which count as no data and are neither trained, scored nor mapped",
        )
        if hides
        else ()
    )


def _collar(path: Path, sensor: SensorInfo, info: RasterInfo, alpha: int | None) -> tuple[str, ...]:
    """A remark on corners that are black or white throughout while nothing is declared as missing."""
    if not sensor.is_image or alpha is not None or any(v is not None for v in info.nodatas):
        return ()
    if info.dtype not in ("uint8", "uint16") or info.bands < 3 or sensor.nodata is not None:
        return ()
    if min(info.height, info.width) < 2 * CORNER:
        return ()
    with open_raster(path) as source:
        # Other formats decode all of an image for each of its corners.
        if source.driver != "GTiff" or source.mask_flag_enums[0][0].name == "per_dataset":
            return ()
        for value, word in ((0, "black"), (int(np.iinfo(info.dtype).max), "white")):
            if not any((read_window(source, path, w) == value).all() for w in _corners(info)):
                continue
            # Every n-th pixel is enough to say how much it is.
            shape = (info.bands, min(info.height, 512), min(info.width, 512))
            share = float((source.read(out_shape=shape) == value).all(axis=0).mean())
            return (
                f"has a corner of pure {word} and {share:.0%} such pixels, which count as data: if nothing was "
                f"imaged there, declare it (rio edit-info --nodata {value})",
            )
    return ()


def _corners(info: RasterInfo) -> list[Window]:
    bottom, right = info.height - CORNER, info.width - CORNER
    return [Window(row, col, CORNER, CORNER) for row in (0, bottom) for col in (0, right)]
