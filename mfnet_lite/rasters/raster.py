"""What we know about a raster: its header, its pixels, and which of them hold data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Num
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.transform import Affine

from mfnet_lite.rasters.interpretation.georeference import transform_of_points
from mfnet_lite.rasters.interpretation.ground_width import pixel_width
from mfnet_lite.rasters.masked_arrays import split_mask

Colour = tuple[int, int, int]
HUGE = 1e30  # 3.4e38 and its neighbours, the largest numbers of a float32


@dataclass(frozen=True)
class RasterInfo:
    """What the header of a raster says, without its pixels.

    Attributes:
        path: The file.
        bands: Number of bands.
        height: Rows.
        width: Columns.
        dtype: Type of the first band, such as ``"uint8"``.
        crs: Coordinate system (of the ground control points, if these are all there is), or None for
            plain images.
        transform: From (column, row) to coordinates, or None for plain images.
        nodata: Value of missing pixels that band 1 declares, or None; :meth:`nodata_of` looks at any bands.
        colours: Colour table of band 1, value to (r, g, b), or None.
        descriptions: Names of the bands, None where unnamed.
        scales: Per band, what a pixel is multiplied with to give the quantity measured.
        offsets: Per band, what is added after that.
        units: Per band, the unit of the quantity, None where the file does not say.
        alpha: Number of the band that is marked as opacity, or None.
        roles: Per band, what the file calls its colour: ``red``, ``gray``, ``undefined`` …
        white_is_zero: Whether the file stores a negative: 0 is white.
        bits: Bits in use of each pixel where they are fewer than those of ``dtype``, or None.
        gcps: Ground control points of a scene that has no transform.
        rpcs: Rational polynomial coefficients of a satellite scene, or None.
        nodatas: Per band, the value of missing pixels that it declares, or None.
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
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    units: tuple[str | None, ...] = ()
    alpha: int | None = None
    roles: tuple[str, ...] = ()
    white_is_zero: bool = False
    bits: int | None = None
    gcps: tuple[GroundControlPoint, ...] = ()
    rpcs: RPC | None = None
    nodatas: tuple[float | None, ...] = ()

    def nodata_of(self, bands: Sequence[int] | None = None) -> float | None:
        """The value that means "missing" in all of some bands.

        Args:
            bands: Numbers counted from 1; None takes all.

        Returns:
            The value; None if none is declared, or several: then :func:`band_mask` tells.
        """
        chosen = self.nodatas if bands is None else [self.nodatas[band - 1] for band in bands]
        return shared_nodata(chosen)

    @property
    def place(self) -> Affine | None:
        """The transform, or the one that fits the ground control points; None for plain images."""
        return self.transform or transform_of_points(list(self.gcps))

    @property
    def gsd(self) -> float | None:
        """Ground sampling distance in metres (a pixel's width), or None without georeference."""
        return self._gsd()[0]

    def ground_sampling(self, known: float | None = None, measured: bool = False) -> float | None:
        """The pixel's width that counts.

        That is the file's own where it has a coordinate system, else as stated, else that of the file's own transform,
        else as measured in another file. The same rule holds in training, scoring and prediction, so that a tile is
        scaled alike in all of them.

        Args:
            known: Metres, of the whole dataset, or None.
            measured: Whether that was measured in another file of it, and not stated in ``dataset.json``.

        Returns:
            Metres; None if nothing says.
        """
        own, sure = self._gsd()
        if sure:
            return own
        first, second = (own, known) if measured else (known, own)
        return second if first is None else first

    def _gsd(self) -> tuple[float | None, bool]:
        transform = self.place
        if transform is None:
            return None, False
        return pixel_width(transform, self.crs, self.height, self.width)


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels with what is needed to write them back where they lie.

    Attributes:
        array: ``(bands, height, width)`` in the type of the file.
        crs: Coordinate system, or None.
        transform: Of *this* array (a windowed read has the window's own), or None.
        nodata: Value of missing pixels that the bands read declare, or None, also where they declare several:
            then ``mask`` tells.
        colours: Colour table of band 1, or None.
        descriptions: Names of the bands read.
        mask: The file's own mask (True = valid), without the pixels that are missing by a nodata value for each
            band, or None if it has neither.
        gcps: Ground control points, counted from the first pixel of *this* array.
        rpcs: Rational polynomial coefficients, for an array that is the whole scene.

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
    gcps: tuple[GroundControlPoint, ...] = ()
    rpcs: RPC | None = None

    @property
    def valid(self) -> Bool[np.ndarray, "height width"]:
        """Pixels which hold data.

        Not valid: a NaN or infinity in any band, nodata in *all* bands (0 in one band of an image
        is a colour, 0 in all of them is the border of the flight), or a False of the file's mask.
        """
        return valid_mask(self.array, self.nodata, self.mask)


def valid_mask(
    array: Num[np.ndarray, "bands height width"],
    nodata: float | None,
    mask: Bool[np.ndarray, "height width"] | None = None,
) -> Bool[np.ndarray, "height width"]:
    """Mask of pixels holding data; the rule stands at :attr:`Raster.valid`.

    Args:
        array: ``(bands, height, width)``; of a masked array a pixel masked in all bands holds no data.
        nodata: Value of missing pixels or None.
        mask: A mask which came with the file, True = valid.

    Returns:
        ``(height, width)`` bool.
    """
    valid = np.ones(array.shape[1:], dtype=bool) if mask is None else mask.copy()
    array, unmasked = split_mask(array)
    if unmasked is not None:
        valid &= unmasked.any(axis=0)
    if np.issubdtype(array.dtype, np.floating):
        valid &= np.isfinite(array).all(axis=0)
    if nodata is not None and abs(nodata) > HUGE and np.issubdtype(array.dtype, np.floating):
        # Written with six digits (-3.40282e+38) the tag equals no pixel; nothing measured is so large.
        valid &= ~(np.sign(nodata) * array > HUGE).all(axis=0)
    elif nodata is not None and not np.isnan(nodata):
        # A float32 file stores -3.4e38 rounded: compare in the type of the pixels.
        typed = np.asarray(nodata).astype(array.dtype) if can_occur(nodata, array.dtype) else None
        if typed is not None:
            valid &= (array != typed).any(axis=0)
    return valid


def shared_nodata(values: Iterable[float | None]) -> float | None:
    """The one value that bands declare as missing.

    Args:
        values: Per band, None where it declares none.

    Returns:
        The value; None without any, or with several.
    """
    declared = {str(value): value for value in values if value is not None}  # NaN equals no NaN
    return next(iter(declared.values())) if len(declared) == 1 else None


def band_mask(
    array: Num[np.ndarray, "bands height width"], values: Sequence[float | None]
) -> Bool[np.ndarray, "height width"] | None:
    """Where bands that declare different nodata values hold data: one of them not its own value.

    Args:
        array: ``(bands, height, width)``.
        values: Per band, its nodata value or None.

    Returns:
        ``(height, width)`` bool, or None where there are no two values: then :func:`valid_mask` takes the one.

    Example:
        >>> band_mask(np.array([[[-1, -1, 5]], [[-99, -1, -99]]]), (-1, -99)).tolist()
        [[False, True, True]]
    """
    if len({str(value) for value in values if value is not None}) < 2:
        return None
    each = [valid_mask(array[i : i + 1], value) for i, value in enumerate(values)]
    return np.asarray(np.any(each, axis=0))


def can_occur(value: float, dtype: np.dtype[Any]) -> bool:
    """Whether a nodata value can occur in pixels of a type at all.

    Args:
        value: The declared value.
        dtype: Type of the pixels.

    Returns:
        False if it is a fraction or out of range for an integer type.
    """
    if np.issubdtype(dtype, np.inexact):
        return True
    info = np.iinfo(dtype)
    return float(value).is_integer() and info.min <= value <= info.max
