"""All that a raster holds, read and written: pixels, position, nodata, scales, units, names, tags, colours, mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from jaxtyping import Num, UInt8
from rasterio.enums import ColorInterp, MaskFlags

from mfnet_lite.rasters.io import info_of, open_raster, quiet, read_window
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.write import geotiff_profile
from mfnet_lite.utils.raster_files import replacing_raster


@dataclass(frozen=True)
class Content:
    """All that a file holds.

    Attributes:
        info: Its header.
        pixels: All bands.
        mask: Its own mask, 255 where there is data, if it has one besides nodata and opacity.
        tags: Of the file.
        band_tags: Of each band.
        table: Colours of band 1 with their opacity.
    """

    info: RasterInfo
    pixels: Num[np.ndarray, "bands height width"]
    mask: UInt8[np.ndarray, "height width"] | None
    tags: dict[str, str]
    band_tags: list[dict[str, str]]
    table: dict[int, tuple[int, ...]] | None


def more_than_pixels(path: str | Path) -> bool:
    """Whether a file says of its values what ``rio warp`` would drop.

    Args:
        path: The file.

    Returns:
        True with a scale, an offset, a unit, a named band or a mask of its own.
    """
    with open_raster(path, lying_down=True) as source:
        info = info_of(source, path)
        return (
            any(scale != 1 for scale in info.scales)
            or any(info.offsets)
            or any(info.units)
            or any(info.descriptions)
            or _own_mask(source)
        )


def read_content(path: str | Path, out: str | Path) -> Content:
    """Read a raster to write another one in its place.

    Args:
        path: The raster; an orientation tag is not followed.
        out: Where the other one will be written.

    Returns:
        All that it holds.

    Raises:
        FileExistsError: ``out`` exists.
        ValueError: ``out`` is no name of a GeoTIFF, or several nodata values are declared.
    """
    if Path(out).exists():
        raise FileExistsError(f"{out} exists: expected a new name; choose another or remove it")
    if Path(out).suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"{out} cannot be written: expected a name ending in .tif; rename it")
    with open_raster(path, lying_down=True) as source:
        info = info_of(source, path)
        if len({str(value) for value in info.nodatas}) > 1:  # NaN equals no NaN
            raise ValueError(
                f"{path} declares the nodata values {', '.join(map(str, info.nodatas))}: expected one for all bands, "
                "as a GeoTIFF holds one; export it with one"
            )
        with quiet():
            table = source.colormap(1) if info.colours else None
            pixels = read_window(source, path)
            mask = source.dataset_mask() if _own_mask(source) else None
            clear = [value for value, colour in (table or {}).items() if colour[3] == 0]
            if clear and clear != [info.nodata]:  # no colour of a TIFF is transparent
                opaque = ~np.isin(pixels[0], clear)
                mask = np.where(opaque if mask is None else opaque & (mask > 0), 255, 0)
            return Content(
                info,
                pixels,
                None if mask is None else mask.astype(np.uint8),
                source.tags(),
                [source.tags(band) for band in source.indexes],
                table,
            )


def write_content(content: Content, out: str | Path) -> Path:
    """Write all that a raster holds.

    Args:
        content: Pixels and what is said of them; the header decides on all but size and number of bands.
        out: The new file.

    Returns:
        ``out``.
    """
    info, (count, height, width) = content.info, content.pixels.shape
    photometric = "MINISBLACK"
    if content.table:
        photometric = "PALETTE"
    elif info.roles[:3] == ("red", "green", "blue"):
        photometric = "RGB"
    # what is packed into fewer bits, or numbers of colours, is no measurement to predict from
    profile = geotiff_profile(
        height,
        width,
        count,
        content.pixels.dtype.name,
        info,
        nodata=info.nodata,
        categorical=bool(content.table or info.bits),
    ) | {"photometric": photometric}
    if count > 1:
        profile["alpha"] = "YES" if info.alpha == count else "NO"
    if info.bits:
        profile["NBITS"] = info.bits
    if info.rpcs is not None:
        profile["rpcs"] = info.rpcs
    with quiet(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), replacing_raster(out, profile) as new:
        roles = tuple(ColorInterp[role] for role in info.roles)
        if not content.table and not info.bits and roles != tuple(new.colorinterp):
            new.colorinterp = roles
        if content.table:
            new.write_colormap(1, content.table)
        new.scales, new.offsets = info.scales, info.offsets
        for band, (unit, name, tags) in enumerate(
            zip(info.units, info.descriptions, content.band_tags, strict=True), start=1
        ):
            if unit:
                new.set_band_unit(band, unit)
            if name:
                new.set_band_description(band, name)
            new.update_tags(band, **_kept(tags))
        new.update_tags(**_kept(content.tags))
        new.write(content.pixels)
        if content.mask is not None:
            new.write_mask(content.mask)
    return Path(out)


def _kept(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith("STATISTICS_")}


def _own_mask(source: Any) -> bool:
    flags = source.mask_flag_enums[0]
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
