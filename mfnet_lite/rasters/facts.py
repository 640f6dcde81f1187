"""Look at one file of a dataset: its grid, its bands, its values. One pass, bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.transform import Affine

from mfnet_lite.rasters.io import info_of, open_raster, own_mask, read_window
from mfnet_lite.rasters.label_counts import LabelCounts, count_labels
from mfnet_lite.rasters.labels import LabelCoding
from mfnet_lite.rasters.raster import RasterInfo, valid_mask
from mfnet_lite.rasters.reader import picture_scale
from mfnet_lite.rasters.scan import file_strips
from mfnet_lite.rasters.tiles import Problem, SensorInfo

LOWEST, HIGHEST = -500.0, 9000.0  # metres; the Dead Sea lies at -430, Everest at 8849
AGAIN = "copy or export it again"


@dataclass(frozen=True)
class GridFact:
    """Where the pixels of a file lie."""

    path: Path
    height: int
    width: int
    crs: CRS | None
    transform: Affine | None

    @property
    def crs_name(self) -> str:
        """Such as ``EPSG:25832``; ``none`` for plain pictures."""
        return "none" if self.crs is None else str(self.crs.to_string())

    def difference(self, other: GridFact) -> str:
        """How this grid differs from another, in words; empty if it does not.

        Georeferences are compared only where both files have one: labels without are common. An
        offset below a hundredth of a pixel is rounding.

        Args:
            other: The grid to compare with.

        Returns:
            The first difference.
        """
        if (self.height, self.width) != (other.height, other.width):
            return f"misaligned grid: {self.height} x {self.width} pixels instead of {other.height} x {other.width}"
        if self.crs is not None and other.crs is not None and self.crs != other.crs:
            return f"wrong coordinate system: {self.crs_name} instead of {other.crs_name}"
        if self.transform is None or other.transform is None:
            return ""
        # How far the four corners land from where the other grid has them, in pixels.
        corners = np.array(
            [(0, 0, 1), (self.width, 0, 1), (0, self.height, 1), (self.width, self.height, 1)]
        ).T
        own, others = (np.reshape(t, (3, 3)) for t in (self.transform, other.transform))
        landed = np.linalg.solve(others, own @ corners)
        shift = float(np.hypot(*(landed - corners)[:2]).max())
        return f"misaligned grid: up to {shift:.2f} pixels away" if shift > 0.01 else ""


@dataclass(frozen=True)
class SensorFact:
    """What was found in a sensor's file."""

    grid: GridFact
    bands: int
    dtype: str


@dataclass(frozen=True)
class LabelFact:
    """What was found in a label."""

    grid: GridFact
    counts: dict[int, int]
    found: LabelCounts


def _grid(info: RasterInfo) -> GridFact:
    return GridFact(info.path, info.height, info.width, info.crs, info.transform)


def _unreadable(path: Path, error: Exception) -> Problem:
    text = str(error).removeprefix(f"{path} ").removesuffix(f"; {AGAIN}")
    return Problem(path, text, AGAIN)


def inspect_sensor(
    path: Path, sensor: SensorInfo, bands: int | None
) -> tuple[SensorFact | None, list[Problem]]:
    """Read a sensor's file through.

    Args:
        path: The file.
        sensor: What the dataset says about it.
        bands: Number of bands it should have, if known.

    Returns:
        What was found (None if unreadable) and what is wrong.
    """
    problems: list[Problem] = []
    try:
        with open_raster(path) as source:
            info = info_of(source, path)
            fact = SensorFact(_grid(info), info.bands, info.dtype)
            if bands is not None and info.bands != bands:
                problems.append(
                    Problem(
                        path,
                        f"wrong band count: {info.bands} band(s), expected {bands} for {sensor.name}",
                        "write the same bands in every tile, or correct dataset.json",
                    )
                )
            try:
                picture_scale(path, sensor, np.dtype(info.dtype), "minmax")
            except ValueError as error:
                problems.append(Problem.told(path, str(error)))
            not_finite = holding = odd = 0
            for window in file_strips(source):
                array = read_window(source, path, window)
                valid = valid_mask(array, info.nodata, own_mask(source, window))
                holding += int(valid.sum())
                if np.issubdtype(array.dtype, np.floating) and not np.isnan(info.nodata or 0):
                    not_finite += int((~np.isfinite(array)).any(axis=0).sum())
                if sensor.is_height:
                    first = array[0][valid]
                    odd += int(((first < LOWEST) | (first > HIGHEST)).sum())
    except (ValueError, FileNotFoundError) as error:
        return None, [*problems, _unreadable(path, error)]
    if not_finite:
        problems.append(
            Problem(
                path,
                f"{not_finite} pixel(s) are NaN or infinite",
                "fill them, or declare NaN as nodata (rio edit-info --nodata nan) so that they count as missing",
            )
        )
    if odd:
        problems.append(
            Problem(
                path,
                f"{odd} pixel(s) lie outside {LOWEST:.0f} to {HIGHEST:.0f} m: nodata which is not declared",
                "declare it (rio edit-info --nodata VALUE)",
            )
        )
    if not holding:
        problems.append(Problem(path, "holds no valid pixel", "export it again or remove the tile"))
    return fact, problems


def inspect_label(path: Path, coding: LabelCoding) -> tuple[LabelFact | None, list[Problem]]:
    """Read a label through and count its classes.

    Args:
        path: The file.
        coding: How labels are written.

    Returns:
        What was found (None if unreadable) and what is wrong.
    """
    try:
        info, found = count_labels(path, coding)
    except FileNotFoundError as error:
        return None, [_unreadable(path, error)]
    except ValueError as error:
        if str(error).startswith("expected"):  # the coding's word on the bands
            return None, [Problem.told(path, f"wrong band count: {error}")]
        return None, [_unreadable(path, error)]
    fact = LabelFact(_grid(info), dict(sorted(found.classes.items())), found)
    return fact, [Problem.told(path, found.complaint)] if found.complaint else []
