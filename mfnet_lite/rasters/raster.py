"""What we know about a raster: its header, its pixels, and which of them hold data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Num
from rasterio.crs import CRS
from rasterio.transform import Affine

Colour = tuple[int, int, int]
METRES_PER_DEGREE = 111_320.0  # one degree of latitude; good to 1 % everywhere


@dataclass(frozen=True)
class RasterInfo:
    """What the header of a raster says, without its pixels.

    Attributes:
        path: The file.
        bands: Number of bands.
        height: Rows.
        width: Columns.
        dtype: Type of the first band, such as ``"uint8"``.
        crs: Coordinate system, or None for plain pictures.
        transform: From (column, row) to coordinates, or None for plain pictures.
        nodata: Declared value of missing pixels, or None.
        colours: Colour table of band 1, value to (r, g, b), or None.
        descriptions: Names of the bands, None where unnamed.
    """

    path: Path
    bands: int
    height: int
    width: int
    dtype: str
    crs: CRS | None
    transform: Affine | None
    nodata: float | None
    colours: dict[int, Colour] | None
    descriptions: tuple[str | None, ...]

    @property
    def gsd(self) -> float | None:
        """Ground sampling distance in metres (the pixel's width), or None without georeference."""
        if self.transform is None:
            return None
        step = float(np.hypot(self.transform.a, self.transform.d))
        if self.crs is not None and self.crs.is_geographic:
            return step * METRES_PER_DEGREE
        return step


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels with the facts needed to write them back in the same place.

    Attributes:
        array: ``(bands, height, width)`` in the type of the file.
        crs: Coordinate system, or None.
        transform: Of *this* array (a windowed read has the window's own), or None.
        nodata: Declared value of missing pixels, or None.
        colours: Colour table of band 1, or None.
        descriptions: Names of the bands read.
        mask: The file's own mask (True = valid), or None if it has none.

    Example:
        >>> raster = Raster(np.array([[[1.0, -9999.0], [np.nan, 4.0]]]), nodata=-9999.0)
        >>> raster.valid.tolist()
        [[True, False], [False, True]]
    """

    array: Num[np.ndarray, "bands height width"]
    crs: CRS | None = None
    transform: Affine | None = None
    nodata: float | None = None
    colours: dict[int, Colour] | None = None
    descriptions: tuple[str | None, ...] = ()
    mask: Bool[np.ndarray, "height width"] | None = None

    @property
    def valid(self) -> Bool[np.ndarray, "height width"]:
        """Pixels which hold data.

        Not valid: a NaN or infinity in any band, nodata in *all* bands (0 in one band of a picture
        is a colour, 0 in all of them is the border of the flight), or a False of the file's mask.
        """
        return valid_mask(self.array, self.nodata, self.mask)


def valid_mask(
    array: Num[np.ndarray, "bands height width"],
    nodata: float | None,
    mask: Bool[np.ndarray, "height width"] | None = None,
) -> Bool[np.ndarray, "height width"]:
    """Mask of pixels holding data; the rule is told at :attr:`Raster.valid`.

    Args:
        array: ``(bands, height, width)``.
        nodata: Value of missing pixels or None.
        mask: A mask which came with the file, True = valid.

    Returns:
        ``(height, width)`` bool.
    """
    valid = np.ones(array.shape[1:], dtype=bool) if mask is None else mask.copy()
    if np.issubdtype(array.dtype, np.floating):
        valid &= np.isfinite(array).all(axis=0)
    if nodata is not None and not np.isnan(nodata):
        # A float32 file stores -3.4e38 rounded: compare in the type of the pixels.
        typed = np.asarray(nodata).astype(array.dtype) if _fits(nodata, array.dtype) else None
        if typed is not None:
            valid &= (array != typed).any(axis=0)
    return valid


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether a nodata value can occur in pixels of this type at all."""
    if np.issubdtype(dtype, np.floating):
        return True
    info = np.iinfo(dtype)
    return float(value).is_integer() and info.min <= value <= info.max
