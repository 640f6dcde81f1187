"""Writing GeoTIFF: tiled, compressed, georeferenced, and never half a file under the final name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Num, Shaped
from rasterio.crs import CRS
from rasterio.transform import Affine

from mfnet_lite.rasters.io import open_raster, quiet
from mfnet_lite.rasters.masked_arrays import split_mask
from mfnet_lite.rasters.raster import Colour, Raster, RasterInfo, can_occur
from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.raster_files import replacing_raster

BLOCK = 256


def check_spares(out: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse to write over something that is being read.

    Args:
        out: What will be written.
        inputs: Rasters to read. The files behind them count too: overviews, world files, and the
            GeoTIFFs which a virtual raster (``.vrt``) is put together from.

    Raises:
        ValueError: ``out`` is one of these files, by whatever path.
    """
    target = Path(out).resolve()
    for path in inputs:
        with quiet(), open_raster(path) as source:
            behind = [Path(path), *map(Path, source.files)]
        if any(file.resolve() == target for file in behind):
            raise ValueError(
                f"{out} is an input, it belongs to {path}, and would be overwritten; "
                "choose another name to write to"
            )


def geotiff_profile(
    height: int,
    width: int,
    count: int,
    dtype: str,
    like: Raster | RasterInfo | None = None,
    *,
    crs: CRS | str | None = None,
    transform: Affine | None = None,
    nodata: float | None = None,
    palette: bool = False,
    categorical: bool = False,
) -> dict[str, Any]:
    """Creation options of our GeoTIFFs, for `rasterio.open(path, "w", **profile)`.

    Args:
        height: Rows.
        width: Columns.
        count: Bands.
        dtype: Type of the pixels.
        like: Take coordinate system and transform (or ground control points, or rational polynomial
            coefficients) from here unless they are given.
        crs: Coordinate system.
        transform: From (column, row) to coordinates.
        nodata: Value of missing pixels.
        palette: Whether a colour table will be written.
        categorical: Whether the values are names, such as ids of objects or classes, and no measurements.

    Returns:
        Keyword arguments: tiled in 256-pixel blocks, deflate (measurements with a predictor, except
        64-bit integers, which older readers could not open), BIGTIFF if needed.
    """
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": count,
        "dtype": dtype,
        "crs": crs if crs is not None else (like.crs if like is not None else None),
        "transform": transform
        if transform is not None
        else (like.transform if like is not None else None),
        "nodata": nodata,
        "compress": "deflate",
        "BIGTIFF": "IF_SAFER",
    }
    if like is not None and transform is None and profile["transform"] is None:
        # A scene that was never rectified: its points or its sensor model say where the pixels lie.
        if like.gcps:
            profile["gcps"] = list(like.gcps)
        if like.rpcs is not None:
            profile["rpcs"] = like.rpcs
    if height >= BLOCK and width >= BLOCK:
        profile |= {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    # The difference of two ids is an id nobody has seen: predicting breaks the runs that deflate lives on.
    if not (palette or categorical):
        if np.issubdtype(np.dtype(dtype), np.floating):
            profile["predictor"] = 3
        elif np.dtype(dtype).itemsize < 8:
            # 64-bit integers with a predictor cannot be read where libtiff is 4.3 or older, in the wheel of
            # rasterio 1.4.0 for example; the file opens there, and its pixels do not.
            profile["predictor"] = 2
    if palette:
        profile["photometric"] = "PALETTE"
    elif count in (3, 4) and dtype == "uint8":
        profile |= {"photometric": "RGB", "alpha": "NO"}  # band 4 is near infrared, not opacity
    else:
        profile["photometric"] = "MINISBLACK"
    return profile


def write_raster(
    path: str | Path,
    array: Num[np.ndarray, "*bands height width"],
    like: Raster | RasterInfo | None = None,
    *,
    crs: CRS | str | None = None,
    transform: Affine | None = None,
    nodata: float | None = None,
    palette: Sequence[Colour] | Mapping[int, Colour] | None = None,
    descriptions: Sequence[str | None] | None = None,
    categorical: bool = False,
) -> Path:
    """Write a GeoTIFF, atomically.

    Args:
        path: Ends in ``.tif`` or ``.tiff``.
        array: ``(height, width)`` or ``(bands, height, width)``; bool is stored as uint8. Masked pixels of a masked
            array are written as ``nodata``.
        like: Take coordinate system and transform from this raster unless they are given.
        crs: Coordinate system, such as ``"EPSG:25832"``.
        transform: From (column, row) to coordinates.
        nodata: Value of missing pixels, representable in the type of ``array``.
        palette: Colour table, by position or by value; for one band of uint8.
        descriptions: A name per band.
        categorical: Whether the values are names, such as ids of objects or classes, and no
            measurements: smaller files then. A bool array and one with a palette are.

    Returns:
        The path written.

    Raises:
        ValueError: Wrong suffix or shape, masked pixels without a ``nodata`` that no other pixel has, a palette on
            something else than one uint8 band, or a number of descriptions other than that of bands.
        OSError: It could not be written whole, for example on a full disk.
    """
    path = Path(path)
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"{path} cannot be written: expected a name ending in .tif; rename it")
    pixels, unmasked = split_mask(np.asanyarray(array))
    if pixels.dtype == np.bool_:
        pixels, categorical = pixels.astype(np.uint8), True
    if unmasked is not None and not unmasked.all():
        pixels = _filled(path, pixels, unmasked, nodata)
    if pixels.ndim == 2:
        pixels = pixels[None]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(
            f"{path} cannot be written: expected (height, width) or (bands, height, width) with "
            f"pixels in it, got shape {tuple(np.shape(array))}; reshape the array"
        )
    count, height, width = pixels.shape
    if palette is not None and (count != 1 or pixels.dtype != np.uint8):
        raise ValueError(
            f"{path} cannot have a colour table: expected one band of uint8, got "
            f"{counted(count, 'band')} of {pixels.dtype}; write class indices as uint8"
        )
    if descriptions is not None and len(descriptions) != count:
        raise ValueError(
            f"{path}: expected {counted(count, 'band name')}, got {len(descriptions)}; give one per band"
        )
    profile = geotiff_profile(
        height,
        width,
        count,
        pixels.dtype.name,
        like,
        crs=crs,
        transform=transform,
        nodata=nodata,
        palette=palette is not None,
        categorical=categorical,
    )
    with quiet(), replacing_raster(path, profile) as target:
        target.write(pixels)
        if palette is not None:
            target.write_colormap(1, colour_table(palette))
        for band, name in enumerate(descriptions or (), start=1):
            if name:
                target.set_band_description(band, name)
    return path


def _filled(
    path: Path,
    pixels: Shaped[np.ndarray, "*shape"],
    unmasked: Bool[np.ndarray, "*shape"],
    nodata: float | None,
) -> Shaped[np.ndarray, "*shape"]:
    """Put the value of missing pixels where an array is masked; see :func:`write_raster`."""
    fits = nodata is not None and can_occur(nodata, pixels.dtype)
    if not fits or (pixels[unmasked] == nodata).any():
        raise ValueError(
            f"{path} cannot be written: {np.mean(~unmasked):.1%} of the array is masked, expected nodata= for it, a "
            f"value of {pixels.dtype} that the other pixels do not have, got {nodata}; give one"
        )
    return np.where(unmasked, pixels, np.asarray(nodata, dtype=pixels.dtype))


def colour_table(palette: Sequence[Colour] | Mapping[int, Colour]) -> dict[int, Colour]:
    """A palette as a mapping from value to colour.

    Args:
        palette: Colours by position (class index), or already a mapping.

    Returns:
        Value to (red, green, blue), each 0 to 255.

    Example:
        >>> colour_table([(255, 255, 255), (0, 0, 255)])[1]
        (0, 0, 255)
    """
    items = palette.items() if isinstance(palette, Mapping) else enumerate(palette)
    return {int(value): (int(c[0]), int(c[1]), int(c[2])) for value, c in items}
