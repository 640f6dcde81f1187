"""Masks of number plates, as people draw them: any value but 0 is plate, with three exceptions that are errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mfnet_lite.rasters.io import info_of, open_raster
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.label_files import LabelFile
from mfnet_lite.rasters.raster import valid_mask
from mfnet_lite.rasters.scan import LOSSY_SUFFIXES
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.utils.labels import IGNORE_INDEX


def read_plate_mask(path: Path) -> UInt8[np.ndarray, "height width"]:
    """Read a mask: 0 elsewhere, 1 plate, 255 where the file's own mask, nodata or alpha leaves it open.

    Plates may be white, a colour (also by a colour table), 1, or numbered. Where the highest value of 8 or
    16 bits occurs, soft edges are plate from the middle on; so are all JPEG files, whose saving blends.

    Args:
        path: The mask.

    Returns:
        ``(height, width)`` uint8.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Unreadable, 1 and 255 side by side, a JPEG of small values, or transparent elsewhere.
    """
    with open_raster(path, lying_down=True) as source:
        info = info_of(source, path)
        file = LabelFile.of(source, info, LabelCoding(2))
        array, mask = file.masked(source, Window(0, 0, info.height, info.width))
        usable = valid_mask(array, file.nodata, mask)
        if info.colours is not None and array.shape[0] == 1:
            table = np.zeros((int(array.max()) + 1, 3), dtype=np.uint8)
            for value in range(len(table)):
                table[value] = info.colours.get(value, (0, 0, 0))
            array = np.moveaxis(table[array[0]], -1, 0)
    grey = array[:3].max(axis=0)
    values = np.unique(grey[usable]).tolist()
    top = values[-1] if values else 0
    whole = np.iinfo(grey.dtype).max if np.issubdtype(grey.dtype, np.integer) else 255
    if path.suffix.lower() in LOSSY_SUFFIXES and 0 < top < 128:
        raise ValueError(
            f"{path} is a JPEG with values up to {top}: expected 0 elsewhere and 255 on plates, since its "
            "saving blends neighbours; export it as PNG"
        )
    if set(values) >= {1, whole} and len(values) <= 3:
        raise ValueError(
            f"{path} holds 1 and {whole}: expected 0 elsewhere and one value on plates; export it anew with "
            "pixels that do not count left transparent"
        )
    soft = path.suffix.lower() in LOSSY_SUFFIXES or top == whole
    plate = grey >= (whole + 1) // 2 if soft else grey > 0
    if not usable.all() and usable.any() and plate[usable].all():
        raise ValueError(
            f"{path} is transparent or nodata wherever there is no plate: expected 0 there, since such pixels "
            "do not count; export it without transparency"
        )
    return np.where(usable, plate, IGNORE_INDEX).astype(np.uint8)
