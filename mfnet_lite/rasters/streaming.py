"""Scalings of scenes larger than memory: the same statistics, gathered strip by strip."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Num

from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.interpretation.record import Interpretation
from mfnet_lite.rasters.io import info_of, open_raster, own_mask, read_window
from mfnet_lite.rasters.scaling import (
    PERCENTILES,
    Scaling,
    cell_size,
    check_name,
    fit_scaling,
    ground_scaling,
    reduce_cells,
)
from mfnet_lite.rasters.scan import STRIP_PIXELS, file_strips, strips
from mfnet_lite.rasters.tiles import SensorInfo
from mfnet_lite.rasters.tiling import Window

BINS = 65_536


def fit_scaling_from_file(
    path: str | Path,
    name: str,
    gsd: float | None = None,
    band: int = 1,
    reading: Interpretation | None = None,
) -> Scaling:
    """Fit a scaling to a raster file at bounded memory.

    A file of at most four million pixels is read at once and gives exactly what
    :func:`~mfnet_lite.rasters.scaling.fit_scaling` does. Above that, percentiles come from a
    histogram of 65 536 bins between minimum and maximum (their error is below one bin), the ground
    from cells filled strip by strip; the memory does not grow with the file.

    Args:
        path: The raster; its nodata value, mask and NaN are respected.
        name: One of ``minmax``, ``robust``, ``ground``.
        gsd: Metres per pixel; None takes the file's, else 0.25.
        band: Band number counted from 1.
        reading: How the file's numbers are read; None takes them for heights, in the unit that the file
            declares.

    Returns:
        The scaling of the whole raster, for quantities (metres) rather than the file's own numbers.

    Raises:
        ValueError: Unknown name, no such band, or an unreadable file.
        FileNotFoundError: No such file.
    """
    check_name(name)
    if reading is None:
        reading = interpret(path, SensorInfo("dsm", select=(band,)), name, gsd)
    with open_raster(path) as source:
        info = info_of(source, path)
        gsd = gsd or info.gsd
        if info.height * info.width <= STRIP_PIXELS:
            whole = Window(0, 0, info.height, info.width)
            heights, valid = _read(source, path, whole, band, reading)
            return fit_scaling(heights, valid, name, gsd)
        if name == "ground":
            cell = cell_size(info.height, info.width, gsd)
            rows = [
                reduce_cells(*_read(source, path, window, band, reading), cell)
                for window in strips(info.height, info.width, cell)
            ]
            return ground_scaling(np.concatenate(rows), cell, gsd)
        low, high = _range(_blocks(source, path, band, reading))
        if name == "minmax" or not high > low:
            return Scaling(name, low=low, high=high)
        counts = np.zeros(BINS, dtype=np.int64)
        for heights, valid in _blocks(source, path, band, reading):
            counts += np.histogram(heights[valid], bins=BINS, range=(low, high))[0]
    centres = low + (np.arange(BINS) + 0.5) * (high - low) / BINS
    share = np.cumsum(counts) / counts.sum()
    at = [min(int(np.searchsorted(share, p / 100)), BINS - 1) for p in PERCENTILES]
    return Scaling(name, low=float(centres[at[0]]), high=float(centres[at[1]]))


def _read(
    source: Any, path: str | Path, window: Window, band: int, reading: Interpretation
) -> tuple[Num[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    array = read_window(source, path, window, (band,))
    mask = own_mask(source, window, reading.alpha)
    usable = reading.usable(array, source.nodata, mask)
    return reading.of_band(array[0], band), usable


def _blocks(
    source: Any, path: str | Path, band: int, reading: Interpretation
) -> Iterator[tuple[Num[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]]:
    for window in file_strips(source):
        yield _read(source, path, window, band, reading)


def _range(
    blocks: Iterator[tuple[Num[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]],
) -> tuple[float, float]:
    """Lowest and highest valid value; (0, 0) if there is none."""
    low, high = np.inf, -np.inf
    for heights, valid in blocks:
        if valid.any():
            low = min(low, float(heights[valid].min()))
            high = max(high, float(heights[valid].max()))
    return (low, high) if low <= high else (0.0, 0.0)
