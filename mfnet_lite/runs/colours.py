"""Colours of a map's classes."""

from __future__ import annotations

import colorsys

from mfnet_lite.rasters.raster import Colour

ISPRS_COLOURS: tuple[Colour, ...] = (
    (255, 255, 255),
    (0, 0, 255),
    (0, 255, 255),
    (0, 255, 0),
    (255, 255, 0),
    (255, 0, 0),
)


def colours_for(classes: int, palette: tuple[Colour, ...] | None = None) -> tuple[Colour, ...]:
    """Return a dataset's own colours, ISPRS's for six classes, or evenly spread hues.

    Example:
        >>> colours_for(2)
        ((217, 54, 54), (54, 217, 217))
    """
    if palette is not None and len(palette) >= classes:
        return tuple(palette[:classes])
    if classes == len(ISPRS_COLOURS):
        return ISPRS_COLOURS
    spread = (colorsys.hsv_to_rgb(c / classes, 0.75, 0.85) for c in range(classes))
    return tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in spread)
