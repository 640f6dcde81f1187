"""Cloud-optimised GeoTIFF: what a viewer wants first stands first, and coarse copies are in the file.

A file of this layout (OGC 21-026) begins with its directories, followed by the overviews and then the full image, all
in tiles; a viewer reads what it shows by a few requests. It cannot be written from top to bottom, so an ordinary
GeoTIFF is written first and GDAL rearranges it, block by block, whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import rasterio.shutil

from mfnet_lite.rasters.io import quiet
from mfnet_lite.utils.files import replacing
from mfnet_lite.utils.raster_files import check_whole, plain_write_errors

__all__ = ["Resampling", "replacing_geotiff"]

Resampling = Literal["nearest", "mode", "average"]
"""How a pixel of an overview comes from those below it: a class by majority, a number by the nearest, since the
most frequent of ids is computed in floating point by some GDALs, a measurement by the mean."""


@contextmanager
def replacing_geotiff(
    path: str | Path, cog: bool = False, overviews: Resampling = "mode"
) -> Iterator[Path]:
    """Give a temporary name for an ordinary GeoTIFF; on success the file appears under its own name.

    Args:
        path: Final name; an existing file is replaced.
        cog: Whether the file becomes a cloud-optimised one; this takes as much space again for a while.
        overviews: How its coarse copies are made.

    Yields:
        The temporary name.

    Raises:
        OSError: The file could not be written whole, for example on a full disk.
    """
    with plain_write_errors(path), replacing(path) as temporary:
        if not cog:
            yield temporary
            check_whole(temporary, path)
            return
        ordinary = temporary.with_name(f"{temporary.stem}-ordinary.tif")
        try:
            yield ordinary
            check_whole(ordinary, path)
            with quiet():
                rasterio.shutil.copy(
                    ordinary,
                    temporary,
                    driver="COG",
                    compress="deflate",
                    overview_resampling=overviews,
                    bigtiff="IF_SAFER",
                )
            check_whole(temporary, path)
        finally:
            ordinary.unlink(missing_ok=True)
