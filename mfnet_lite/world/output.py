"""Put one raster or text on disk safely: GeoTIFFs with coordinates and colours, atomic, never over others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from rasterio import Affine

from mfnet_lite.utils.raster_files import replacing_raster

CRS = "EPSG:25832"
ORIGIN = (400_000.0, 5_700_000.0)
"""Invented upper left corner of the first tile, metres east and north."""
SPLITS = ("train", "val", "test")


def write_tif(
    path: Path,
    bands: Shaped[np.ndarray, ...],
    *,
    gsd: float,
    column: int = 0,
    nodata: float | None = None,
    palette: tuple[tuple[int, int, int], ...] | None = None,
    names: tuple[str, ...] = (),
    categorical: bool = False,
) -> None:
    """Write one GeoTIFF atomically: under another name first, then renamed into place.

    Args:
        path: The file.
        bands: (H, W) or (C, H, W).
        gsd: Metres per pixel.
        column: Position of the tile in the row of tiles.
        nodata: Value without a measurement.
        palette: Colours of values 0, 1, …, stored as colour table.
        names: Descriptions of the bands.
        categorical: Values are names (classes, ids), of which differences compress badly: no predictor.
    """
    stack = bands[None] if bands.ndim == 2 else bands
    count, height, width = stack.shape
    x = ORIGIN[0] + column * width * gsd
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": stack.dtype.name,
        "crs": CRS,
        "transform": Affine(gsd, 0, x, 0, -gsd, ORIGIN[1]),
        "nodata": nodata,
        "compress": "deflate",
        "zlevel": 9,
        "predictor": 1 if categorical else 3 if stack.dtype.kind == "f" else 2,
    }
    if count == 3:
        profile["photometric"] = "RGB"
    with replacing_raster(path, profile) as file:
        file.write(stack)
        for index, name in enumerate(names, start=1):
            file.set_band_description(index, name)
        if palette:
            file.write_colormap(1, {k: (*c, 255) for k, c in enumerate(palette)})


def split_names(tiles: int, splits: tuple[float, float, float]) -> list[str]:
    """Say which split each tile goes to: train first, then val, then test.

    Each split with a share above 0 gets at least one tile when there are enough.

    Args:
        tiles: How many tiles.
        splits: Shares of train, val and test; they sum to 1.

    Returns:
        One split name per tile.

    Raises:
        ValueError: For shares that do not sum to 1, or no tiles.

    Example:
        >>> split_names(5, (0.6, 0.2, 0.2))
        ['train', 'train', 'train', 'val', 'test']
        >>> split_names(2, (0.6, 0.2, 0.2))
        ['train', 'test']
    """
    if tiles < 1:
        raise ValueError(f"tiles must be at least 1, got {tiles}; ask for more.")
    if min(splits) < 0 or abs(sum(splits) - 1) > 1e-6:
        raise ValueError(f"splits must be three shares that sum to 1, got {splits}; change them.")
    counts = [0, 0, 0]
    order = [k for k in (0, 2, 1) if splits[k] > 0]  # train, then test, then val
    for k in order[:tiles]:
        counts[k] = 1
    for _ in range(tiles - sum(counts)):
        lack = [
            share * tiles - count if share > 0 else -np.inf
            for share, count in zip(splits, counts, strict=True)
        ]
        counts[int(np.argmax(lack))] += 1
    return [name for name, count in zip(SPLITS, counts, strict=True) for _ in range(count)]
