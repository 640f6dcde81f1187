"""GeoTIFFs that are whole: read back before they get their name.

GDAL keeps blocks in memory and writes the last of them when a file is closed. If the disk is full by then, rasterio
1.4 closes without an error, and so does its copy between formats: a map of which nothing can be read would stand
under its final name. A file that is on the disk can be read; so each is, once, block by block. This takes less than
a second per 100 million pixels.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from mfnet_lite.utils.files import replacing

__all__ = ["check_whole", "plain_write_errors", "replacing_raster"]


@contextmanager
def replacing_raster(path: str | Path, profile: Mapping[str, Any]) -> Iterator[Any]:
    """Write a raster under a temporary name; it takes its own once every block of it can be read.

    Args:
        path: Final name; an existing file is replaced. Parent folders are made.
        profile: Creation options, as of :func:`rasterio.open`.

    Yields:
        The open raster, a ``rasterio.DatasetWriter``.

    Raises:
        OSError: If it could not be written whole, most often because the disk is full. What was under the
            name before is then still there, and nothing else.
    """
    with plain_write_errors(path), replacing(path) as temporary:
        with rasterio.open(temporary, "w", **profile) as target:
            yield target
        check_whole(temporary, path)


def check_whole(written: Path, name: str | Path) -> None:
    """Read every block of a raster that was just written, also of its overviews.

    Args:
        written: The raster, closed.
        name: The name it is to have, for the message.

    Raises:
        OSError: If a block is not on the disk.
    """
    with written.open("rb") as file:
        os.fsync(file.fileno())  # network disks say only now that they are full
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(written) as source:
                _read_all(source)
                levels = len(source.overviews(1))
            for level in range(levels):
                with rasterio.open(written, overview_level=level) as source:
                    _read_all(source)
    except (RasterioIOError, CPLE_BaseError) as error:
        raise _not_whole(name, error) from error


@contextmanager
def plain_write_errors(path: str | Path) -> Iterator[None]:
    """Turn what GDAL says of a failed write into one sentence.

    Args:
        path: What is being written, under its final name.

    Yields:
        Nothing.

    Raises:
        OSError: In place of GDAL's errors.
    """
    try:
        yield
    except CPLE_BaseError as error:
        raise _not_whole(path, error) from error
    except RasterioIOError as error:
        if not str(error).startswith("Write failed"):  # something else that was read meanwhile
            raise
        raise _not_whole(path, error) from error


def _not_whole(path: str | Path, error: Exception) -> OSError:
    reason = " ".join(str(error.__cause__ or error).split())
    return OSError(
        f"{path} could not be written whole ({reason}), most often because the disk is full; make room and "
        "call again"
    )


def _read_all(source: Any) -> None:
    """Read all bands, one block after the other."""
    for _, window in source.block_windows(1):
        source.read(window=window)
