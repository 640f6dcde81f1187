"""Rasters that stay open between two windows."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.io import info_of, open_raster
from mfnet_lite.rasters.raster import RasterInfo


class OpenFiles(threading.local):
    """The most recently used open rasters of this process and thread.

    GDAL's handles must not be shared between threads, nor with a process that was forked: a worker
    which inherits some forgets them and opens its own.
    """

    def __init__(self, limit: int = 24) -> None:
        self.limit = limit
        self._owner = os.getpid()
        self._open: OrderedDict[Path, tuple[Any, RasterInfo]] = OrderedDict()
        self._inherited: list[Any] = []

    def get(self, path: Path) -> tuple[Any, RasterInfo]:
        """Open a raster, or take the one which is open already.

        Args:
            path: The file.

        Returns:
            The handle and the header.
        """
        if self._owner != os.getpid():
            # Kept alive: closing them here would run GDAL code on the parent's state.
            self._inherited.append(self._open)
            self._open, self._owner = OrderedDict(), os.getpid()
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        source = open_raster(path)
        self._open[path] = (source, info_of(source, path))
        if len(self._open) > self.limit:
            _, (oldest, _) = self._open.popitem(last=False)
            oldest.close()
        return self._open[path]

    def close(self) -> None:
        """Close what this process opened."""
        if self._owner == os.getpid():
            for source, _ in self._open.values():
                source.close()
        self._open = OrderedDict()
