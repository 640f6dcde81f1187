"""New rasters in place of some that are refused: resampled, inverted, turned, expanded, and nothing else changed.

Errors name these functions where neither ``rio`` nor Pillow keeps what a file says of itself: ``rio warp`` and
``rio convert`` drop scale, offset, unit, names of bands and internal masks, Pillow drops the position as well, and
reads neither five bands nor 16 bits of colour. Each function writes a GeoTIFF under a new name and leaves the old
file alone; the whole picture is held in memory.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.rpc import RPC
from rasterio.transform import Affine
from rasterio.warp import reproject

from mfnet_lite.rasters.interpretation.georeference import crs_name, same_horizontal
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.orientation import orientation, upright
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.raster_content import Content, read_content, write_content
from mfnet_lite.rasters.remedy import advice

ANY_SYSTEM = CRS.from_epsg(3857)  # for grids of one system that needs no name


def resample(
    path: str | Path, out: str | Path, like: str | Path | None = None, res: float | None = None
) -> Path:
    """Bring a raster onto another grid, by the nearest pixel, so that classes and codes stay what they are.

    Where both files have a position, the ground decides; pixels that the old file does not reach are nodata, and
    masked if it declares no such value. Where one has none, they are taken to show the same ground: the picture is
    resized.

    Args:
        path: The raster.
        out: The new file.
        like: A raster with the wanted grid.
        res: Width of the wanted pixels in units of the file's own coordinate system, instead of ``like``.

    Returns:
        ``out``.

    Raises:
        FileExistsError: ``out`` exists.
        ValueError: Not exactly one of ``like`` and ``res``, or a raster that cannot be carried over.
    """
    if (like is None) == (res is None):
        raise ValueError(
            f"{path} cannot be resampled: expected either like or res, got {like} and {res}; give one"
        )
    content = read_content(path, out)
    info = content.info
    own = info.place
    other = raster_info(like) if like is not None else info
    place, height, width = other.place, other.height, other.width
    if res is not None:
        if own is None:
            raise ValueError(
                f"{path} has no position: expected one, as res is a width on the ground; resize it with like"
            )
        place, height, width = _north_up(own, info, res)
    if own is None or place is None:
        return _resized(content, other, out)
    one, two = info.crs or other.crs or ANY_SYSTEM, other.crs or info.crs or ANY_SYSTEM
    if same_horizontal(one, two):
        one = two = ANY_SYSTEM  # no way to be found between two names of one system

    def warped(array: Shaped[np.ndarray, "height width"], fill: float) -> np.ndarray:
        result = np.full((height, width), fill, array.dtype)
        reproject(
            np.ascontiguousarray(array),
            result,
            src_transform=own,
            src_crs=one,
            dst_transform=place,
            dst_crs=two,
            resampling=Resampling.nearest,
            init_dest_nodata=False,
        )
        return result

    missing = 0 if info.nodata is None else info.nodata
    mask = content.mask
    if mask is None and info.nodata is None and info.alpha is None:
        mask = np.full((info.height, info.width), 255, np.uint8)
    try:
        pixels = np.stack([warped(band, missing) for band in content.pixels])
    except CPLE_BaseError as error:
        raise ValueError(
            f"{path} is in {crs_name(one)}, from which nothing leads to {crs_name(two)}: expected systems of the "
            "Earth; state the one it is in (rio edit-info --crs EPSG:NUMBER FILE)"
        ) from error
    mask = None if mask is None else warped(mask, 0)
    if content.mask is None and mask is not None and mask.all():
        mask = None
    placed = replace(info, transform=place, crs=other.crs or info.crs, gcps=(), rpcs=None)
    return write_content(replace(content, info=placed, pixels=pixels, mask=mask), out)


def invert(path: str | Path, out: str | Path) -> Path:
    """Make of a negative (TIFF's WhiteIsZero) an image whose black is zero.

    Only the grey band is one, by TIFF 6.0; opacity and extra bands stay. A declared nodata value is turned with the
    pixels that hold it.

    Args:
        path: The negative.
        out: The new file.

    Returns:
        ``out``.

    Raises:
        FileExistsError: ``out`` exists.
        ValueError: No negative, or one of floats, which have no largest value.
    """
    content = read_content(path, out)
    info = content.info
    kind = np.dtype(info.dtype)
    if not info.white_is_zero:
        raise ValueError(
            f"{path} is no negative: expected white as zero; leave it as it is, or invert it elsewhere"
        )
    if kind.kind not in "iu":
        raise ValueError(
            f"{path} is a negative of {info.dtype}: expected integers, which have a largest value; export it again "
            "with black as zero"
        )
    low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    if info.bits:
        low, high = 0, 2**info.bits - 1
    nodata = info.nodata
    if nodata is not None and low <= nodata <= high:
        if info.bands > 1:
            raise ValueError(
                f"{path} is a negative of {info.bands} bands with the nodata value {nodata:g}: expected one band, as "
                "the value would be another in each; export it again with black as zero"
            )
        nodata = low + high - int(nodata)
    pixels = content.pixels.copy()
    pixels[0] = (~pixels[0] if not info.bits else high - pixels[0]).astype(kind)
    positive = replace(info, nodata=nodata, white_is_zero=False, colours=None)
    return write_content(replace(content, info=positive, pixels=pixels, table=None), out)


def turn(path: str | Path, out: str | Path) -> Path:
    """Turn the pixels of an image as its orientation tag says, and drop the tag.

    Args:
        path: The image, without a position: that would belong to the pixels as they are stored.
        out: The new file.

    Returns:
        ``out``.

    Raises:
        FileExistsError: ``out`` exists.
        ValueError: It has a position.
    """
    content = read_content(path, out)
    info = content.info
    if info.place is not None or info.rpcs is not None or info.gcps:
        raise ValueError(
            f"{path} has a position, which belongs to its pixels as they are stored: expected none; keep them and "
            f"drop the tag: {advice('untag', path)}"
        )
    tag = orientation(path)
    mask = None if content.mask is None else upright(content.mask, tag)
    return write_content(replace(content, pixels=upright(content.pixels, tag), mask=mask), out)


def untag(path: str | Path, out: str | Path) -> Path:
    """Copy an image without its orientation tag, the pixels as they are stored.

    Args:
        path: The image.
        out: The new file.

    Returns:
        ``out``.

    Raises:
        FileExistsError: ``out`` exists.
    """
    return write_content(read_content(path, out), out)


def expand(path: str | Path, out: str | Path) -> Path:
    """Make of a palette image its colours: red, green, blue.

    Args:
        path: The palette image.
        out: The new file; what is transparent or nodata in the old one is masked.

    Returns:
        ``out``.

    Raises:
        FileExistsError: ``out`` exists.
        ValueError: No palette image.
    """
    content = read_content(path, out)
    info, table = content.info, content.table
    if table is None or info.bands != 1:
        raise ValueError(
            f"{path} has no colour table: expected one band of numbers of colours; take the file as it is"
        )
    numbers = content.pixels[0]
    colours = np.zeros((max(int(numbers.max()), *table) + 1, 4), np.uint8)
    for number, colour in table.items():
        colours[number] = colour
    red, green, blue, opacity = np.moveaxis(colours[numbers], -1, 0)
    valid = opacity > 0
    if info.nodata is not None:
        valid &= numbers != info.nodata
    if content.mask is not None:
        valid &= content.mask > 0
    shown = replace(
        info,
        bands=3,
        dtype="uint8",
        nodata=None,
        nodatas=(None,) * 3,
        scales=(1.0,) * 3,
        offsets=(0.0,) * 3,
        units=(None,) * 3,
        descriptions=(None,) * 3,
        roles=("red", "green", "blue"),
        bits=None,
    )
    mask = None if valid.all() else np.where(valid, 255, 0).astype(np.uint8)
    pixels = np.stack([red, green, blue])
    return write_content(
        replace(content, info=shown, pixels=pixels, mask=mask, table=None, band_tags=[{}] * 3), out
    )


def _north_up(own: Affine, info: RasterInfo, res: float) -> tuple[Affine, int, int]:
    """A grid of square pixels around a raster, as ``rio warp --res`` lays it."""
    # As matrices: affine's own operators differ between its versions.
    corners = np.array([(x, y, 1) for x in (0, info.width) for y in (0, info.height)])
    east, north, _ = np.reshape(tuple(own)[:9], (3, 3)) @ corners.T
    height, width = (max(1, round(float(np.ptp(along)) / res)) for along in (north, east))
    return Affine(res, 0, float(east.min()), 0, -res, float(north.max())), height, width


def _resized(content: Content, other: RasterInfo, out: str | Path) -> Path:
    """By the nearest pixel; the position is that of the other file, or goes with the pixels."""
    info = content.info
    down, right = other.height / info.height, other.width / info.width

    def nearest(array: Shaped[np.ndarray, "*bands height width"]) -> np.ndarray:
        rows = ((np.arange(other.height) + 0.5) / down).astype(int)
        columns = ((np.arange(other.width) + 0.5) / right).astype(int)
        return array[..., rows[:, None], columns]

    placed = replace(info, height=other.height, width=other.width)
    if info.transform is not None:
        a, b, c, d, e, f = tuple(info.transform)[:6]
        placed = replace(placed, transform=Affine(a / right, b / down, c, d / right, e / down, f))
    elif info.gcps or info.rpcs is not None:
        points = tuple(
            GroundControlPoint(p.row * down, p.col * right, p.x, p.y, p.z, p.id, p.info)
            for p in info.gcps
        )
        rpcs = None if info.rpcs is None else _stretched(info.rpcs, down, right)
        placed = replace(placed, gcps=points, rpcs=rpcs)
    else:
        placed = replace(
            placed, crs=other.crs, transform=other.transform, gcps=other.gcps, rpcs=other.rpcs
        )
    mask = None if content.mask is None else nearest(content.mask)
    return write_content(
        replace(content, info=placed, pixels=nearest(content.pixels), mask=mask), out
    )


def _stretched(rpcs: RPC, down: float, right: float) -> RPC:
    """Of another number of pixels; they count from the middle of the first one."""
    given = rpcs.to_dict()
    for name, factor in (("line", down), ("samp", right)):
        given[f"{name}_off"] = (given[f"{name}_off"] + 0.5) * factor - 0.5
        given[f"{name}_scale"] = given[f"{name}_scale"] * factor
    return RPC(**given)
