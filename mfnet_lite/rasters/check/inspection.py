"""Look at one file of a dataset: its grid, its bands, its values. One pass, bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from mfnet_lite.rasters.interpretation.band_counts import data_bands, wrong_bands
from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.interpretation.record import Interpretation, PixelCounts
from mfnet_lite.rasters.io import open_raster, own_mask, raster_info, read_window
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.label_counts import LabelCounts, count_labels
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.scan import file_strips
from mfnet_lite.rasters.tiles import DatasetInfo, Problem, SensorInfo
from mfnet_lite.utils.counted_nouns import agreeing, counted

AGAIN = "copy or export it again"
GRID_PIXELS = 4_000_000  # a regular grid of so many tells which missing pixels reach the border
ENCLOSED = 0.001  # of the pixels; single black ones lie in every picture


@dataclass(frozen=True)
class SensorInspection:
    """What was found in a sensor's file.

    Attributes:
        info: Its header.
        notes: What had to be guessed, as predicates of a sentence whose subject is the file.
        enclosed: Share of the pixels that lie inside the picture and count as missing, since they hold a declared
            nodata value which is black or white as well; 0 if there is nothing to remark on.
    """

    info: RasterInfo
    notes: tuple[str, ...] = ()
    enclosed: float = 0.0

    @property
    def enclosed_note(self) -> str:
        """What to say about them: the predicate of a sentence with ``{share}`` for how many they are."""
        value = self.info.nodatas[0] or 0
        return (
            f"declares nodata {value:g}, which {{share}} of its pixels hold inside the picture: they count as missing "
            f"and are neither trained, scored nor mapped; if they are {'white roofs' if value else 'black shadows'}, "
            "rio edit-info --unset-nodata FILE"
        )


@dataclass(frozen=True)
class LabelInspection:
    """What was found in a label.

    Attributes:
        info: Its header.
        counts: Pixels per class index, in ascending order of the indices.
        found: All that was counted.
    """

    info: RasterInfo
    counts: dict[int, int]
    found: LabelCounts


def _unreadable(path: Path, error: Exception) -> Problem:
    text = str(error).removeprefix(f"{path} ").removesuffix(f"; {AGAIN}")
    return Problem(path, text, AGAIN)


def inspect_sensor(
    path: Path, sensor: SensorInfo, bands: int | None, dataset: DatasetInfo | None = None
) -> tuple[SensorInspection | None, list[Problem]]:
    """Read a sensor's file through, as training and prediction read it.

    Args:
        path: The file.
        sensor: What the dataset says about it.
        bands: Number of bands it should have, if known.
        dataset: What it belongs to, which may say how wide pixels are.

    Returns:
        What was found (None if unreadable) and what is wrong.
    """
    problems: list[Problem] = []
    reading = Interpretation(sensor.select or ())
    unclear: list[Problem] = []
    try:
        info = raster_info(path)
        wrong = None
        if bands is not None:
            wrong = wrong_bands(path, data_bands(path, sensor), sensor, bands)
        if wrong is not None:
            problems.append(wrong)
        else:
            try:
                width = info.gsd if dataset is None else dataset.width_of(info)
                reading = interpret(path, sensor, gsd=width)
            except ValueError as error:  # its pixels can be looked at all the same
                unclear.append(Problem.from_sentence(path, str(error)))
        counts, enclosed = reading.counts, 0.0
        if counts is None:
            counts, usable = _counted(path, info, reading)
            enclosed = _enclosed(usable, sensor, info, reading)
    except (ValueError, FileNotFoundError) as error:
        return None, [*problems, _unreadable(path, error)]
    problems += unclear
    if counts.not_finite:
        problems.append(
            Problem(
                path,
                f"{counted(counts.not_finite, 'pixel')} {agreeing(counts.not_finite, 'is', 'are')} NaN or infinite",
                "fill them, or declare NaN as nodata (rio edit-info --nodata nan) so that they count as missing",
            )
        )
    problems += [Problem(path, fault.problem, fault.remedy) for fault in reading.faults]
    if not counts.usable:
        problems.append(Problem(path, "holds no valid pixel", "export it again or remove the tile"))
    return SensorInspection(info, reading.notes, enclosed), problems


def _counted(
    path: Path, info: RasterInfo, reading: Interpretation
) -> tuple[PixelCounts, Bool[np.ndarray, "rows cols"]]:
    """Read a file through whose interpretation did not need all of it; also which pixels of a grid are usable."""
    found, grid = PixelCounts(), []
    step = int(np.ceil(np.sqrt(max(1.0, info.height * info.width / GRID_PIXELS))))
    with open_raster(path) as source:
        for window in file_strips(source):
            array = read_window(source, path, window, reading.bands or None)
            mask = own_mask(source, window, reading.alpha, reading.bands or None)
            usable = reading.usable(array, info.nodata_of(reading.bands or None), mask)
            odd = 0
            if np.issubdtype(array.dtype, np.floating):
                chosen = reading.bands or range(1, info.bands + 1)
                plain = [not np.isnan(info.nodata_of((band,)) or 0) for band in chosen]
                odd = int((~np.isfinite(array[plain])).any(axis=0).sum())
            found = found.plus(PixelCounts(int(usable.sum()), odd))
            grid.append(usable[-window.row % step :: step, ::step].copy())
    return found, np.concatenate(grid)


def _enclosed(
    usable: Bool[np.ndarray, "rows cols"],
    sensor: SensorInfo,
    info: RasterInfo,
    reading: Interpretation,
) -> float:
    """The share of missing pixels that do not reach the border, where what is declared is black or white as well."""
    if not sensor.is_image or sensor.nodata is not None or reading.alpha is not None:
        return 0.0
    kind = np.dtype(info.dtype)
    if kind.kind not in "iu" or len(set(info.nodatas)) > 1 or usable.all():
        return 0.0
    if info.nodatas[0] not in (0, np.iinfo(kind).max):
        return 0.0
    from scipy.ndimage import label

    regions, number = label(np.pad(~usable, 1, constant_values=True))  # all outside is one region
    share = float((regions > 1).sum() / usable.size) if number > 1 else 0.0
    return share if share >= ENCLOSED else 0.0


def inspect_label(path: Path, coding: LabelCoding) -> tuple[LabelInspection | None, list[Problem]]:
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
            return None, [Problem.from_sentence(path, f"wrong band count: {error}")]
        return None, [_unreadable(path, error)]
    inspected = LabelInspection(info, dict(sorted(found.classes.items())), found)
    return inspected, [Problem.from_sentence(path, found.complaint)] if found.complaint else []
