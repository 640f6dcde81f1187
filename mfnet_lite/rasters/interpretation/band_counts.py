"""How many bands the files of a sensor must have: one answer for ``data check``, training and scoring.

Only headers are read, and bands that are marked as opacity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mfnet_lite.rasters.interpretation.bands import choose_bands, is_named
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.tiles import OPTICAL, Problem, SensorInfo, Tile
from mfnet_lite.utils.counted_nouns import counted


def data_bands(path: Path, sensor: SensorInfo) -> int:
    """Number of bands of a file that hold data: one that is a mask of opacity does not count.

    Args:
        path: The file.
        sensor: Of which sensor it is.

    Returns:
        The number.
    """
    info = raster_info(path)
    if info.alpha is None or is_named(sensor, info.alpha):
        return info.bands
    return len(choose_bands(path, sensor, info).bands)


def opacity_words(path: Path, sensor: SensorInfo) -> str:
    """Words for a message about the number of bands: which of them is no data but opacity.

    Args:
        path: The file.
        sensor: Of which sensor it is.

    Returns:
        To be put behind the file's name; empty if every band holds data.
    """
    info = raster_info(path)
    if info.alpha is None or is_named(sensor, info.alpha):
        return ""
    opaque = info.alpha not in choose_bands(path, sensor, info).bands
    return f" (its band {info.alpha} is opacity)" if opaque else ""


def expected_bands(tiles: Sequence[Tile], sensors: Mapping[str, SensorInfo]) -> dict[str, int]:
    """Bands each sensor should have: as stated, 1 for elevations, else what most files have.

    Args:
        tiles: Where to count.
        sensors: What the dataset says about each sensor.

    Returns:
        Number of bands in the file by sensor; none for a sensor of which no file can be read.
    """
    expected: dict[str, int] = {}
    for name, sensor in sensors.items():
        if sensor.bands is not None:
            expected[name] = sensor.bands
        elif sensor.is_height and sensor.select is None:
            expected[name] = 1
        else:
            seen: Counter[int] = Counter()
            for tile in tiles:
                try:
                    seen[data_bands(tile.files[name], sensor)] += 1
                except ValueError:
                    continue  # unreadable: reported when the file's turn comes
            if seen:
                expected[name] = seen.most_common(1)[0][0]
    return expected


def wrong_bands(path: Path, found: int, sensor: SensorInfo, expected: int) -> Problem | None:
    """What is wrong with the number of bands of a file, if anything.

    Args:
        path: The file.
        found: Its bands.
        sensor: Of which sensor it is.
        expected: How many it should have.

    Returns:
        The problem, with a remedy; None if the numbers agree.
    """
    if found == expected:
        return None
    remedy = "write the same bands in every tile"
    if sensor.bands is not None:
        remedy += ", or correct dataset.json"
    elif sensor.name == OPTICAL:
        remedy += ", or read those that all have (--bands 1,2,3)"
    what = f"wrong band count: {counted(found, 'band')}{opacity_words(path, sensor)}"
    return Problem(path, f"{what}, expected {expected} for {sensor.name}", remedy)


def check_bands(tiles: Iterable[Tile], sensors: Mapping[str, SensorInfo]) -> None:
    """Make sure that samples of all tiles will have the same channels.

    Args:
        tiles: The tiles that will be read together.
        sensors: What the dataset says about the sensors that will be read. Of one with a selection
            of bands only those must be there.

    Raises:
        ValueError: Naming the first file that differs, what was expected and found, and what to do.
    """
    tiles = tuple(tiles)
    whole = {name: sensor for name, sensor in sensors.items() if sensor.select is None}
    expected = expected_bands(tiles, whole)
    for tile in tiles:
        for name, sensor in sensors.items():
            path = tile.files[name]
            if sensor.select is not None:
                problem = _missing(path, raster_info(path).bands, sensor.select)
            else:
                problem = wrong_bands(path, data_bands(path, sensor), sensor, expected[name])
            if problem is not None:
                raise ValueError(str(problem))


def _missing(path: Path, found: int, select: tuple[int, ...]) -> Problem | None:
    """A band that is selected and not there."""
    if max(select) <= found:
        return None
    return Problem(
        path,
        f"wrong band count: {counted(found, 'band')}, expected at least {max(select)}, of which "
        f"{', '.join(map(str, select))} are read",
        f"write the same bands in every tile, or choose from 1 to {found}",
    )


class Channels:
    """Compares what is read of a tile with the first tile's header: nothing more is opened.

    Training from Python may skip :func:`check_bands`; this way a tile that differs is named all the same, and
    not by the ``torch.stack`` of a batch.

    Args:
        tiles: The tiles of a set.
        sensors: Which are read.
    """

    def __init__(self, tiles: Sequence[Tile], sensors: Sequence[str]) -> None:
        self.first, self.sensors = tiles[0], tuple(sensors)
        self._expected: dict[str, int] = {}

    def check(self, tile: Tile, arrays: Mapping[str, np.ndarray]) -> None:
        """Refuse a tile with another number of channels than the first one has.

        Args:
            tile: The tile.
            arrays: What was read of it, ``(channels, height, width)`` by sensor.

        Raises:
            ValueError: Naming the file, what was expected and found, and what to do.
        """
        for name, array in arrays.items():
            info = self.first.info.sensors[name]
            if info.select is not None:
                continue
            if name not in self._expected:
                self._expected[name] = data_bands(self.first.files[name], info)
            problem = wrong_bands(tile.files[name], len(array), info, self._expected[name])
            if problem is not None:
                raise ValueError(str(problem))
