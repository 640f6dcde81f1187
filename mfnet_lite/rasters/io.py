"""Reading rasters: whole, in part, or only the header, with errors one can act upon.

PNG and JPEG tiles of the public datasets go through the same functions as GeoTIFF, simply without a
coordinate system. Two traps are handled here once and for all:

* A four-band byte GeoTIFF is marked *RGB + alpha* by most writers, so that the near infrared would
  pass for transparency. Here an alpha band is reported (:attr:`RasterInfo.alpha`), not applied: only its
  values tell whether it is a mask, see :mod:`~mfnet_lite.rasters.interpretation.interpret`.
* A PNG which was cut off while being copied is decoded without an error, its lower part filled with
  whatever was in memory. We look for the end mark of the file before we trust it.
"""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import rasterio
from jaxtyping import Bool, Num
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError
from rasterio.transform import Affine

from mfnet_lite.rasters.orientation import check_upright
from mfnet_lite.rasters.raster import Raster, RasterInfo, band_mask
from mfnet_lite.rasters.tiff_tags import lost_tag
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.utils.counted_nouns import counted

DECODER_ERRORS = (RasterioIOError, CPLE_BaseError, UnicodeDecodeError)
"""What GDAL and rasterio say of files that they cannot decode."""
Rest = ParamSpec("Rest")
Result = TypeVar("Result")

MOST_AT_ONCE = 2**30
MOST_COMPRESSED = 100_000
"""Bytes of pixels, and bytes of pixels per byte of a file, from which on together a header is not believed: deflate
reaches 1000, LZW and empty tiles a few thousand."""

RASTER_SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".img", ".vrt", ".asc")


@contextmanager
def quiet() -> Iterator[None]:
    """Silence rasterio's remark that an image has no georeference: for tiles that is normal.

    Yields:
        Nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _ended(path: Path) -> bool:
    """Whether a PNG has its end mark (other formats report truncation by themselves)."""
    if path.suffix.lower() != ".png":
        return True
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 64))
        return b"IEND" in file.read()


def unreadable(path: Path, reason: object) -> ValueError:
    """The error for a file which exists but cannot be decoded.

    Args:
        path: The file.
        reason: What the decoder said.

    Returns:
        A ValueError to raise, one sentence with the remedy.
    """
    return ValueError(
        f"{path} cannot be read ({reason}): the file is truncated or no raster; "
        "copy or export it again"
    )


def _naming_the_file(
    read: Callable[Concatenate[Any, Rest], Result],
) -> Callable[Concatenate[Any, Rest], Result]:
    """Let a function of an open raster say which file it could not decode."""

    @functools.wraps(read)
    def named(source: Any, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        try:
            return read(source, *args, **kwargs)
        except DECODER_ERRORS as error:
            raise unreadable(Path(source.name), error.__cause__ or error) from error

    return named


def _check_size(source: Any, path: Path) -> None:
    """Refuse a header that claims far more pixels than the file can hold, before memory is taken for them."""
    if source.driver not in ("GTiff", "COG"):
        return
    pixels = source.width * source.height * source.count
    claimed, size = pixels * np.dtype(source.dtypes[0]).itemsize, path.stat().st_size
    if claimed > MOST_AT_ONCE and claimed > MOST_COMPRESSED * size:
        source.close()
        raise unreadable(
            path,
            f"its header claims {source.width} x {source.height} pixels with {counted(source.count, 'band')}, "
            f"{claimed / 2**30:.0f} GiB, in {size} bytes",
        )


def open_raster(path: str | Path, lying_down: bool = False) -> Any:
    """Open a raster for reading; the caller closes it.

    Args:
        path: GeoTIFF, PNG, JPEG or anything else GDAL reads.
        lying_down: Take an image whose orientation tag says that it is to be turned, which GDAL does not do.

    Returns:
        A `rasterio.DatasetReader`.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a raster, cut off, stored lying down, or several images in one file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: expected a raster file; check the path")
    if not _ended(path):
        raise unreadable(path, "its end mark is missing")
    if lost := lost_tag(path):
        raise unreadable(path, f"its {lost} would lie behind the end of the file")
    if not lying_down:
        check_upright(path)
    try:
        with quiet():
            source = rasterio.open(path)
    except DECODER_ERRORS as error:
        raise unreadable(path, error) from error
    _check_size(source, path)
    pages = len(source.subdatasets)
    if pages > 1:
        # tifffile writes an array of five bands as five pages, of which GDAL opens the first.
        source.close()
        raise ValueError(
            f"{path} holds {pages} images (pages or subdatasets): expected one raster with bands; "
            "stack them into bands, for example with rio stack or gdal_merge.py -separate"
        )
    return source


@_naming_the_file
def info_of(source: Any, path: str | Path) -> RasterInfo:
    """Header of an already open raster.

    Args:
        source: What :func:`open_raster` returned.
        path: Its file, for messages.

    Returns:
        The header.
    """
    try:
        colours = {value: rgba[:3] for value, rgba in source.colormap(1).items()}
    except ValueError:  # rasterio's way of saying: no colour table
        colours = None
    with quiet():
        transform = source.transform
        points, points_crs = source.gcps
        rpcs = source.rpcs
    structure = source.tags(ns="IMAGE_STRUCTURE")
    alphas = [i for i, c in enumerate(source.colorinterp, start=1) if c == ColorInterp.alpha]
    bits = source.tags(1, ns="IMAGE_STRUCTURE").get("NBITS")
    return RasterInfo(
        path=Path(path),
        bands=source.count,
        height=source.height,
        width=source.width,
        dtype=source.dtypes[0],
        crs=source.crs if source.crs is not None else points_crs,
        transform=None if transform == Affine.identity() else transform,
        nodata=source.nodata,
        colours=colours,
        descriptions=tuple(source.descriptions),
        scales=tuple(source.scales),
        offsets=tuple(source.offsets),
        units=tuple(unit or None for unit in source.units),
        alpha=alphas[0] if alphas else None,
        roles=tuple(role.name for role in source.colorinterp),
        white_is_zero=structure.get("MINISWHITE") == "YES",
        bits=int(bits) if bits else None,
        gcps=tuple(points),
        rpcs=rpcs,
        nodatas=tuple(source.nodatavals),
    )


def raster_info(path: str | Path) -> RasterInfo:
    """Read the header of a raster and no pixels.

    Args:
        path: The file.

    Returns:
        The header.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a raster, or cut off.
    """
    with open_raster(path) as source:
        return info_of(source, path)


def read_window(
    source: Any, path: str | Path, window: Window | None = None, bands: Sequence[int] | None = None
) -> Num[np.ndarray, "bands height width"]:
    """Pixels of an open raster; the window must lie inside.

    Args:
        source: What :func:`open_raster` returned.
        path: Its file, for messages.
        window: Part to read; None reads all.
        bands: Band numbers counted from 1, in the order wanted; None reads all.

    Returns:
        ``(bands, height, width)``.

    Raises:
        ValueError: A band which the file lacks, a window that is not inside, or pixels that cannot be decoded.
    """
    if bands is not None and any(not 1 <= band <= source.count for band in bands):
        raise ValueError(
            f"{path} has {counted(source.count, 'band')}, but bands {tuple(bands)} were asked for: "
            f"choose from 1 to {source.count}"
        )
    if window is not None and window != window.inside(source.height, source.width):
        raise ValueError(
            f"{path} has {source.height} rows and {source.width} columns, but {window} was asked for: expected a "
            f"window inside; cut it with window.inside({source.height}, {source.width})"
        )
    try:
        array: np.ndarray = source.read(
            list(bands) if bands is not None else None,
            window=None if window is None else window.to_rasterio(),
        )
    except DECODER_ERRORS as error:
        raise unreadable(Path(path), error.__cause__ or error) from error
    return array


@_naming_the_file
def own_mask(
    source: Any,
    window: Window | None = None,
    alpha: int | None = None,
    bands: Sequence[int] | None = None,
) -> Bool[np.ndarray, "height width"] | None:
    """The mask stored with the file: a true one, different nodata of bands, opacity where it is known to be a mask.

    Args:
        source: What :func:`open_raster` returned.
        window: Part to read; None reads all.
        alpha: Number of the band whose zeros hide the pixels; None takes no band for a mask.
        bands: Those that are read. Where they declare different nodata values a pixel is missing if each of them
            holds its own (one value for all is :meth:`~mfnet_lite.rasters.raster.RasterInfo.nodata_of`). None reads
            all, an empty selection looks at no values.

    Returns:
        ``(height, width)`` bool, True = valid, or None.
    """
    part = None if window is None else window.to_rasterio()
    flags = source.mask_flag_enums[0]
    mask: np.ndarray | None = None
    if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
        mask = np.asarray(source.read_masks(1, window=part) > 0)
    chosen = list(range(1, source.count + 1) if bands is None else bands)
    values = [source.nodatavals[band - 1] for band in chosen]
    if len({str(value) for value in values}) > 1:
        some = band_mask(source.read(chosen, window=part), values)
        if some is not None:
            mask = some if mask is None else mask & some
    if alpha is not None:
        opaque = np.asarray(source.read(alpha, window=part) > 0)
        mask = opaque if mask is None else mask & opaque
    return mask


def read_raster(
    path: str | Path, window: Window | None = None, bands: Sequence[int] | None = None
) -> Raster:
    """Read a raster, whole or in part.

    Args:
        path: The file.
        window: Part to read, inside the raster; None reads all.
        bands: Band numbers counted from 1, in the order wanted; None reads all.

    Returns:
        Pixels and georeference; ``transform`` is that of the part read.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Not a raster, cut off, without a band asked for, or a window that is not inside.
    """
    with open_raster(path) as source:
        info = info_of(source, path)
        array = read_window(source, path, window, bands)
        mask = own_mask(source, window, bands=bands)
    transform = info.transform
    if transform is not None and window is not None:
        t, row, col = transform, window.row, window.col
        # Spelled out: affine's operator for products differs between its versions.
        transform = Affine(
            t.a, t.b, t.c + col * t.a + row * t.b, t.d, t.e, t.f + col * t.d + row * t.e
        )
    row, col = (0, 0) if window is None else (window.row, window.col)
    points = tuple(
        GroundControlPoint(p.row - row, p.col - col, p.x, p.y, p.z, p.id, p.info) for p in info.gcps
    )
    chosen = range(1, info.bands + 1) if bands is None else bands
    return Raster(
        array=array,
        crs=info.crs,
        transform=transform,
        nodata=info.nodata_of(bands),
        colours=info.colours,
        descriptions=tuple(info.descriptions[band - 1] for band in chosen),
        mask=mask,
        gcps=points,
        rpcs=info.rpcs if window is None else None,
    )
