"""Scalings of scenes larger than memory: the same statistics, gathered strip by strip."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, Num, UInt

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

BINS = 65_536  # counters of a pass: the values of a digit
DIGIT = 16  # bits
CHUNK = 1 << 18  # pixels whose digits are held at once

Block = tuple[Num[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]
"""Heights, and which of them are valid."""


def fit_scaling_from_file(
    path: str | Path,
    name: str,
    gsd: float | None = None,
    band: int = 1,
    reading: Interpretation | None = None,
) -> Scaling:
    """Fit a scaling to a raster file at bounded memory.

    A file of at most four million pixels is read at once and gives exactly what
    :func:`~mfnet_lite.rasters.scaling.fit_scaling` does. Above that, percentiles are counted digit by
    digit, which is as exact however far the values reach, and the ground comes from cells filled strip
    by strip; the memory does not grow with the file.

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
        if name == "robust":
            found = _percentiles(lambda: _blocks(source, path, band, reading), PERCENTILES)
            if found[0] < found[1]:
                return Scaling(name, low=found[0], high=found[1])
        low, high = _range(_blocks(source, path, band, reading))
    return Scaling(name, low=low, high=high)


def _read(
    source: Any, path: str | Path, window: Window, band: int, reading: Interpretation
) -> Block:
    array = read_window(source, path, window, (band,))
    mask = own_mask(source, window, reading.alpha, (band,))
    usable = reading.usable(array, source.nodatavals[band - 1], mask)
    return reading.of_band(array[0], band), usable


def _blocks(source: Any, path: str | Path, band: int, reading: Interpretation) -> Iterator[Block]:
    for window in file_strips(source):
        yield _read(source, path, window, band, reading)


def _range(blocks: Iterator[Block]) -> tuple[float, float]:
    """Lowest and highest valid value; (0, 0) if there is none."""
    low, high = np.inf, -np.inf
    for heights, valid in blocks:
        if valid.any():
            low = min(low, float(heights[valid].min()))
            high = max(high, float(heights[valid].max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _percentiles(blocks: Callable[[], Iterable[Block]], at: Sequence[float]) -> list[float]:
    """Percentiles of the valid values as numpy gives them; zeros if there is none.

    Bits of numbers are compared as digits of sixteen, the highest first: one pass counts the digit of all values, the
    next one the following digit of those which begin like the value that is sought. Bins between the lowest and the
    highest value would all lie elsewhere where a single value is very high.
    """
    dtype, counts = _counted(blocks, {0}, 0)
    number = int(counts[0].sum())
    if not number:
        return [0.0 for _ in at]
    places = [divmod(p / 100 * (number - 1), 1) for p in at]
    ranks = {int(rank) + up for rank, part in places for up in (0, part > 0)}
    # of each rank: the digits so far, and its rank among the values that begin with them
    found = {rank: (0, rank) for rank in ranks}
    for digit in range(_digits(dtype)):
        if digit:
            _, counts = _counted(blocks, {begin for begin, _ in found.values()}, digit)
        for rank, (begin, inside) in found.items():
            below = np.cumsum(counts[begin])
            own = int(np.searchsorted(below, inside, side="right"))
            found[rank] = begin << DIGIT | own, inside - int(below[own - 1] if own else 0)
    values = {rank: _value(key, dtype) for rank, (key, _) in found.items()}
    return [
        values[int(rank)] + part * (values[int(rank) + (part > 0)] - values[int(rank)])
        for rank, part in places
    ]


def _counted(
    blocks: Callable[[], Iterable[Block]], begins: Collection[int], digit: int
) -> tuple[np.dtype[Any], dict[int, Int64[np.ndarray, " values"]]]:
    """Type of the values, and how often each value of a digit follows each of some beginnings."""
    counts = {begin: np.zeros(BINS, dtype=np.int64) for begin in begins}
    dtype: np.dtype[Any] = np.dtype(np.float32)
    for heights, valid in blocks():
        dtype = heights.dtype
        shift = DIGIT * (_digits(dtype) - 1 - digit)
        values = heights[valid]
        for start in range(0, values.size, CHUNK):
            keys = _keys(values[start : start + CHUNK]).astype(np.uint64) >> shift
            for begin, count in counts.items():
                own = keys[keys >> DIGIT == begin] if digit else keys
                count += np.bincount((own & (BINS - 1)).astype(np.intp), minlength=BINS)
    return dtype, counts


def _digits(dtype: np.dtype[Any]) -> int:
    return -(-8 * dtype.itemsize // DIGIT)


def _keys(values: Num[np.ndarray, " values"]) -> UInt[np.ndarray, " values"]:
    """Whole numbers in the order of the values, from the bits of these."""
    size = values.dtype.itemsize
    bits, sign = values.view(f"u{size}"), 1 << (8 * size - 1)
    if values.dtype.kind == "u":
        return bits
    if values.dtype.kind == "i":
        return bits ^ bits.dtype.type(sign)
    # of negative floats the larger bits are the smaller number
    return np.where(values < 0, ~bits, bits | bits.dtype.type(sign))


def _value(key: int, dtype: np.dtype[Any]) -> float:
    """The value of a key."""
    sign = 1 << (8 * dtype.itemsize - 1)
    if dtype.kind == "i":
        key ^= sign
    elif dtype.kind == "f":
        key = key ^ sign if key & sign else ~key & (2 * sign - 1)
    return float(np.array([key], dtype=f"u{dtype.itemsize}").view(dtype)[0])
