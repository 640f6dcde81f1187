"""Values that mean "no measurement" although the file does not declare them.

Many elevation files hold −9999, 0 or −3.4e38 where nothing was measured and say so nowhere. Such values are
found by two rules, which ``data check``, training, scoring and prediction share: heights that do not occur on
Earth, and one of the numbers that programs write for missing data where it is repeated and far from all else.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from mfnet_lite.rasters.io import info_of, open_raster, own_mask, read_window
from mfnet_lite.rasters.raster import HUGE, RasterInfo, can_occur, valid_mask
from mfnet_lite.rasters.scan import file_strips

SAMPLE_PIXELS = 1_000_000  # percentiles and slope come from a regular grid of at most so many
FEWER_PIXELS = 200_000  # are enough to tell a code or a wrong scale
SURVEY_PIXELS = 500_000  # looked at at once, in double precision and with several masks beside
LOWEST, HIGHEST = -500.0, 9000.0  # metres; the Dead Sea lies at -430, Everest at 8849
ISOLATED = 3.0  # a range this many times the middle's spread is set by spikes
APART = (
    30.0  # metres between a code and the rest at least: ground at 0 under a roof of 8 m is no code
)
MOST_OF_A_TILE = 0.2  # more of it may be the sea, or the ground of heights above ground
MOST_CODES = 4
HEIGHT_CODES = frozenset({
    0.0, -1.0, -99.0, -999.0, 999.0, -9999.0, 9999.0, -99999.0, 99999.0,
    -32768.0, -32767.0, 32767.0, 65535.0,
})  # fmt: skip
FLOAT_CODES = (-9999.0, -99999.0, -999999.0, -32768.0, -32767.0, 1e20)
OPAQUE = {1.0, 255.0, 65535.0}  # what writers put into an opacity band where there is data


@dataclass(frozen=True)
class HeightSurvey:
    """One pass over an elevation file: exact extremes and counts, and a regular grid of the values.

    All values are those of the file, before any scale, offset or unit.

    Attributes:
        info: The header.
        valid: Number of pixels that hold a height.
        low: Lowest of them.
        high: Highest of them.
        at_low: How often the lowest occurs.
        at_high: How often the highest occurs.
        naive: Lowest and highest finite value if every value were a height.
        values: The grid.
        usable: Which of its pixels hold a height.
        step: Pixels from one of its points to the next.
        outside: Number of values outside the limits; they are not among the valid ones.
        measured: How many of those are no codes of missing data.
        not_finite: Number of values that are NaN or infinite, whatever the file declares.
        odd: The value outside the limits that more than half of those outside are; None if there is none.
    """

    info: RasterInfo
    valid: int
    low: float
    high: float
    at_low: int
    at_high: int
    naive: tuple[float, float]
    values: Float[np.ndarray, "rows cols"]
    usable: Bool[np.ndarray, "rows cols"]
    step: int
    outside: int
    measured: int
    not_finite: int
    odd: float | None = None


def survey_heights(
    path: str | Path,
    band: int = 1,
    codes: tuple[float, ...] = (),
    limits: tuple[float, float] = (-np.inf, np.inf),
    sample: int | None = None,
    alpha: int | None = None,
) -> HeightSurvey:
    """Read one band of a file through, strip by strip.

    Args:
        path: The file.
        band: Band number counted from 1.
        codes: Values that are no heights.
        limits: Lowest and highest value that can be a height.
        sample: Points of the grid at most; defaults to :data:`SAMPLE_PIXELS`.
        alpha: Number of the band whose zeros hide the pixels.

    Returns:
        What was found.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Unreadable, or no such band.
    """
    points = SAMPLE_PIXELS if sample is None else sample
    with open_raster(path) as source:
        info = info_of(source, path)
        step = int(np.ceil(np.sqrt(max(1.0, info.height * info.width / points))))
        valid = at_low = at_high = outside = measured = not_finite = 0
        low, high, naive_low, naive_high = np.inf, -np.inf, np.inf, -np.inf
        grid, masks, strange = [], [], Counter[float]()
        for window in file_strips(source, SURVEY_PIXELS):
            array = read_window(source, path, window, (band,))
            mask = valid_mask(
                array, info.nodata_of((band,)), own_mask(source, window, alpha, (band,))
            )
            values = array[0].astype(np.float64)
            finite = values[np.isfinite(values)]
            not_finite += values.size - finite.size
            if finite.size:
                naive_low = min(naive_low, float(finite.min()))
                naive_high = max(naive_high, float(finite.max()))
            mask &= ~np.isin(values, codes)
            beyond = mask & ((values < limits[0]) | (values > limits[1]))
            outside += int(beyond.sum())
            odd = values[beyond]
            found, counts = np.unique(odd, return_counts=True)
            most = counts.argsort()[-MOST_CODES:]
            strange.update(dict(zip(found[most].tolist(), counts[most].tolist(), strict=True)))
            measured += int((~np.isin(odd, tuple(HEIGHT_CODES)) & (np.abs(odd) < HUGE)).sum())
            mask &= ~beyond
            here = values[mask]
            valid += here.size
            if here.size:
                lower, higher = float(here.min()), float(here.max())
                at_low = (at_low if low <= lower else 0) + int((here == min(low, lower)).sum())
                at_high = (at_high if high >= higher else 0) + int(
                    (here == max(high, higher)).sum()
                )
                low, high = min(low, lower), max(high, higher)
            first = -window.row % step
            # copies: a view would keep the whole strip alive
            grid.append(values[first::step, ::step].copy())
            masks.append(mask[first::step, ::step].copy())
    (odd_value, pixels), *_ = strange.most_common(1) or [(0.0, 0)]
    return HeightSurvey(
        info, valid, low, high, at_low, at_high, (naive_low, naive_high),
        np.concatenate(grid), np.concatenate(masks), step, outside, measured,
        not_finite, odd_value if 2 * pixels > outside else None,
    )  # fmt: skip


def isolated_value(survey: HeightSurvey, metres: float = 1.0) -> tuple[float, float] | None:
    """An extreme value that programs write for missing data, repeated, and far from the next height.

    A flat tower is repeated and far from the rest as well; it does not happen to be 0 or 9999.

    Args:
        survey: Of the file.
        metres: What one step of the file's values is in metres.

    Returns:
        The value as the file writes it and its share of the pixels, or None.
    """
    for value, count in ((survey.low, survey.at_low), (survey.high, survey.at_high)):
        if value not in HEIGHT_CODES or count < 2:
            continue
        rest = survey.values[survey.usable & (survey.values != value)]
        if rest.size == 0:
            continue
        gap = max(float(rest.min()) - value, value - float(rest.max())) * metres
        if gap > APART:
            return float(value), count / max(survey.valid, 1)
    return None


def undeclared_codes(
    path: str | Path,
    band: int = 1,
    metres: float = 1.0,
    limits: tuple[float, float] = (-np.inf, np.inf),
    sample: int | None = None,
    alpha: int | None = None,
    known: tuple[float, ...] = (),
) -> tuple[tuple[float, ...], HeightSurvey]:
    """Values of an elevation file that look like undeclared nodata, one after the other.

    Args:
        path: The file.
        band: Band number counted from 1.
        metres: What one step of the file's values is in metres.
        limits: Lowest and highest value that can be a height; what lies outside is counted apart.
        sample: As in :func:`survey_heights`.
        alpha: As in :func:`survey_heights`.
        known: Values that are stated as missing.

    Returns:
        The codes beside the known ones, and what the file holds without any of them.
    """
    codes: tuple[float, ...] = ()
    survey = survey_heights(path, band, known, limits, sample, alpha)
    while survey.valid and len(codes) < MOST_CODES:
        found = isolated_value(survey, metres)
        if found is None or found[1] > MOST_OF_A_TILE:
            break
        codes = (*codes, found[0])
        survey = survey_heights(path, band, (*known, *codes), limits, sample, alpha)
    return codes, survey


@dataclass(frozen=True)
class ValueSurvey:
    """One pass over the chosen bands of an image or another measurement.

    Attributes:
        count: Values that hold data, over all bands.
        low: Lowest of them.
        high: Highest of them.
        bright: 98th percentile of a regular sample of them.
        dark: 2nd percentile.
        beyond: How many lie above the limit asked about.
        below: How many lie below the limit asked about.
        codes: Values that mean "no measurement" although not declared, with their counts.
    """

    count: int
    low: float
    high: float
    bright: float
    dark: float
    beyond: int
    below: int
    codes: dict[float, int]


def survey_values(
    path: str | Path,
    bands: tuple[int, ...],
    limits: tuple[float, float],
    known: float | None = None,
    alpha: int | None = None,
) -> ValueSurvey:
    """Read the bands of a file through, strip by strip.

    Args:
        path: The file.
        bands: Band numbers counted from 1.
        limits: Values below the first and above the second are counted.
        known: A value that is stated as missing: pixels that hold it in all bands are left out, as they are read.
        alpha: Number of the band whose zeros hide the pixels.

    Returns:
        What was found; extremes and percentiles are NaN without data.
    """
    count = beyond = below = 0
    low, high = np.inf, -np.inf
    codes: dict[float, int] = {}
    sample = []
    with open_raster(path) as source:
        info = info_of(source, path)
        step = int(np.ceil(np.sqrt(max(1.0, info.height * info.width / FEWER_PIXELS))))
        for window in file_strips(source, SURVEY_PIXELS):
            array = read_window(source, path, window, bands)
            mask = own_mask(source, window, alpha, bands)
            mask = valid_mask(array, info.nodata_of(bands), mask) & valid_mask(array, known)
            mask = np.broadcast_to(mask, array.shape).copy()
            for value in coded_values(array):
                here = mask & (array == np.asarray(value).astype(array.dtype))
                if here.any():
                    codes[value] = codes.get(value, 0) + int(here.sum())
                    mask &= ~here
            values = array[mask].astype(np.float64)
            if values.size:
                low, high = min(low, float(values.min())), max(high, float(values.max()))
            count += values.size
            below += int((values < limits[0]).sum())
            beyond += int((values > limits[1]).sum())
            first = -window.row % step
            thin = array[:, first::step, ::step]
            sample.append(thin[mask[:, first::step, ::step]].astype(np.float64))
    every = np.concatenate(sample)
    dark, bright = np.percentile(every, (2, 98)) if every.size else (np.nan, np.nan)
    if not count:
        low = high = np.nan
    return ValueSurvey(count, low, high, float(bright), float(dark), beyond, below, codes)


def coded_values(array: np.ndarray) -> tuple[float, ...]:
    """The well-known codes of missing data that occur in some pixels.

    Args:
        array: Pixels of any type; unsigned integers have no such codes.

    Returns:
        Their values, those beyond 1e30 as written.
    """
    if np.issubdtype(array.dtype, np.unsignedinteger):
        return ()
    found = [
        value
        for value in FLOAT_CODES
        if can_occur(value, array.dtype) and (array == np.asarray(value, array.dtype)).any()
    ]
    if np.issubdtype(array.dtype, np.floating):
        huge = array[np.isfinite(array) & (np.abs(array) > HUGE)]
        found += [float(value) for value in np.unique(huge)[:MOST_CODES]]
    return tuple(found)


def alpha_is_mask(path: str | Path, band: int) -> tuple[bool, bool]:
    """Whether a band that is marked as opacity is a mask: 0 and one value for opaque (1, 255, 65535).

    A near infrared band that a writer marked as opacity has grey values between.

    Args:
        path: The file.
        band: Band number counted from 1.

    Returns:
        Whether it is a mask, and whether that mask hides anything.
    """
    values: set[float] = set()
    with open_raster(path) as source:
        for window in file_strips(source, SURVEY_PIXELS):
            values |= {
                float(value) for value in np.unique(read_window(source, path, window, (band,)))
            }
            opaque = values - {0.0}
            if len(opaque) > 1 or not opaque <= OPAQUE:
                return False, False
    return True, 0.0 in values
