"""Rows of a map on their way into a file."""

from __future__ import annotations

import hashlib

import numpy as np
import rasterio
from jaxtyping import UInt8

from mfnet_lite.rasters.identity import DIGEST_BYTES
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.rasters.write import BLOCK

__all__ = ["MAP_DIGEST", "RowWriter", "map_digest"]

MAP_DIGEST = "MAP_DIGEST"
"""Tag of a map and of the confidence that was made with it."""


def map_digest() -> hashlib.blake2b:
    """Begin the digest of a map's pixels, in the order in which they are written."""
    return hashlib.blake2b(digest_size=DIGEST_BYTES)


class RowWriter:
    """Writes rows of a panel in whole blocks of the file, so that none is compressed twice."""

    def __init__(self, target: rasterio.io.DatasetWriter, left: int, right: int) -> None:
        self.target = target
        self.pending: UInt8[np.ndarray, "rows width"] = np.empty((0, right - left), np.uint8)
        self.row, self.left = 0, left

    def add(self, rows: UInt8[np.ndarray, "rows width"]) -> None:
        """Take rows and write those which fill blocks."""
        self.pending = np.concatenate([self.pending, rows])
        self._write(self.pending.shape[0] // BLOCK * BLOCK)

    def flush(self) -> None:
        """Write what is left."""
        self._write(self.pending.shape[0])

    def _write(self, count: int) -> None:
        if count:
            window = Window(self.row, self.left, count, self.pending.shape[1]).to_rasterio()
            self.target.write(self.pending[:count], 1, window=window)
            self.pending, self.row = self.pending[count:], self.row + count
