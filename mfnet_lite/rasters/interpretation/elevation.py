"""What the numbers of an elevation file mean: metres, whatever the file counts in."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from pathlib import Path

import numpy as np

from mfnet_lite.rasters.interpretation.georeference import crs_name, vertical_unit
from mfnet_lite.rasters.interpretation.missing import (
    FEWER_PIXELS,
    HIGHEST,
    LOWEST,
    HeightSurvey,
    isolated_value,
    undeclared_codes,
)
from mfnet_lite.rasters.interpretation.record import (
    Fault,
    Interpretation,
    PixelCounts,
    stated_key,
    tag_values,
)
from mfnet_lite.rasters.interpretation.units import KNOWN_UNITS, metres_per_unit, says_nothing
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.tiles import SensorInfo
from mfnet_lite.utils.counted_nouns import agreeing, counted

DEEPEST = -12_000.0  # metres; sea floors are believed where the unit is known
STEEPEST = 4.0  # times the side of a tile; no relief is so high


def declare(values: Collection[float]) -> str:
    """What to do about values that mean no data.

    Args:
        values: Those found; the command names the value where there is one.

    Example:
        >>> declare([-9999.0])
        'declare it (rio edit-info --nodata -9999 FILE)'
    """
    value = "VALUE"
    if len(values) == 1:
        (only,) = values
        value = f"{only:g}" if float(f"{only:g}") == only else repr(float(only))
    return f"declare it (rio edit-info --nodata {value} FILE)"


def interpret_heights(
    path: Path,
    sensor: SensorInfo,
    info: RasterInfo,
    bands: tuple[int, ...],
    scaling: str = "ground",
    gsd: float | None = None,
    alpha: int | None = None,
) -> Interpretation:
    """Learn scale, unit and missing values of an elevation file.

    Args:
        path: The file.
        sensor: What the dataset says about it.
        info: Its header.
        bands: The one band that holds heights, counted from 1.
        scaling: ``ground`` needs metres; the others are the same in every unit.
        gsd: Metres per pixel, if known: relief is compared with the size of the tile.
        alpha: Number of the band whose zeros hide the pixels.

    Returns:
        Gain and offset lead to metres; heights that do not occur on Earth and isolated repeated values are
        no measurements.

    Raises:
        ValueError: More than one band, a unit nobody knows, two units that contradict each other, or heights
            that are no metres while nothing says what they are.
    """
    if len(bands) != 1:
        raise ValueError(
            f"{path} has {len(bands)} bands where heights have one: expected 1 for {sensor.name}; "
            "export the band with the heights"
        )
    gain, offset, unit = metres_of(path, sensor, info, bands[0])
    tagged = tag_values(sensor, bands, info.scales, info.offsets) != ((), ())
    grey = info.dtype == "uint8" and not tagged and unit is None
    _check_kind(path, sensor, grey)
    if grey:
        # Grey values: heights above ground already (Potsdam's normalised surface model).
        return Interpretation(
            bands, nodata=sensor.nodata, divisor=255.0 if scaling == "ground" else None
        )
    notes: tuple[str, ...] = ()
    if unit is None and scaling == "ground" and _in_feet(info):
        notes = (
            f"does not say the unit of its heights, and its coordinate system {crs_name(info.crs)} counts in feet: "
            f"taken for metres; if they are feet, write {stated_key(sensor, 'unit', 'us-ft')} in dataset.json",
        )
    if unit is None and not tagged and info.dtype != "uint8" and "int" in info.dtype:
        notes = (
            *notes,
            "holds whole numbers without a unit: taken for metres; if they are centimetres or decimetres, write "
            f"{stated_key(sensor, 'unit', 'cm')} in dataset.json",
        )
    lowest = LOWEST if unit is None else DEEPEST
    limits = ((lowest - offset) / gain, (HIGHEST - offset) / gain)
    known = () if sensor.nodata is None else (sensor.nodata,)
    codes, survey = undeclared_codes(path, bands[0], gain, limits, FEWER_PIXELS, alpha, known)
    _check_range(path, sensor, survey, gain, offset, unit)
    _check_relief(path, sensor, survey, gain, unit, gsd)
    faults = []
    span = f"{lowest:.0f} to {HIGHEST:.0f} m"
    if survey.outside:
        lie = f"{counted(survey.outside, 'pixel')} {agreeing(survey.outside, 'lies', 'lie')}"
        problem = f"{lie} outside {span}: nodata which is not declared"
        remedy = declare(() if survey.odd is None else (survey.odd,))
        faults.append(Fault(problem, remedy, f"has values outside {span}, taken for nodata"))
    found = ", ".join(f"{code:g}" for code in codes)
    if found:
        problem = f"{found} looks like undeclared nodata, far from all other heights"
        faults.append(
            Fault(
                problem, declare(codes), f"has {found} far from all other heights, taken for nodata"
            )
        )
    if not survey.valid:
        notes = (*notes, "holds no height at all")
    left = isolated_value(survey, gain)
    if left is not None and sensor.nodata is None:
        notes = (
            *notes,
            f"is {left[0]:g} in {left[1]:.0%} of its pixels and nowhere near it: taken for heights; if nothing was "
            f"measured there, write {stated_key(sensor, 'nodata', int(left[0]))} in dataset.json",
        )
    plain = gain == 1 and offset == 0
    return Interpretation(
        bands,
        gains=() if plain else (gain,),
        offsets=() if plain else (offset,),
        nodata=sensor.nodata,
        codes=codes,
        limits=limits,
        notes=notes,
        faults=tuple(faults),
        counts=PixelCounts(
            survey.valid, 0 if np.isnan(info.nodata_of(bands) or 0) else survey.not_finite
        ),
    )


def _check_kind(path: Path, sensor: SensorInfo, grey: bool) -> None:
    """Bytes are grey values, wider types are heights: a run and a dataset hold one of them."""
    expected = sensor.dtype == "uint8" and sensor.unit is None
    if sensor.dtype is None or grey == expected:
        return
    if grey:
        raise ValueError(
            f"{path} holds bytes without a unit, where {sensor.dtype} heights are expected: expected metres; if a "
            f"byte counts metres, write {stated_key(sensor, 'unit', 'm')} in dataset.json, else export the heights"
        )
    raise ValueError(
        f"{path} holds heights, where grey values of 8 bits are expected: expected uint8; scale it as the "
        "training data were scaled"
    )


def metres_of(
    path: Path, sensor: SensorInfo, info: RasterInfo, band: int
) -> tuple[float, float, str | None]:
    """How the numbers of an elevation file become metres.

    Args:
        path: The file.
        sensor: What the dataset says about it.
        info: Its header.
        band: The band that holds heights, counted from 1.

    Returns:
        Gain, offset, and the unit that the file or the dataset states; None where nobody says, which is taken
        for metres.

    Raises:
        ValueError: A scale that is not positive, a unit nobody knows, or two that contradict each other.
    """
    gains, offsets = tag_values(sensor, (band,), info.scales, info.offsets)
    gain, offset = (gains[0], offsets[0]) if gains else (1.0, 0.0)
    if gain <= 0:
        raise ValueError(
            f"{path} declares the scale {gain:g}: expected a number above 0; correct the tag, or write "
            f"{stated_key(sensor, 'tags', 'ignore')} in dataset.json"
        )
    if sensor.scale is not None and sensor.scale != 1:
        raise ValueError(
            f"{path} holds heights, and dataset.json states the scale {sensor.scale:g} for {sensor.name}: "
            f"expected a unit; write {stated_key(sensor, 'unit', 'cm')} (or {', '.join(KNOWN_UNITS)}) instead"
        )
    unit = _unit(path, sensor, info, band)
    metres = 1.0 if unit is None else _factor(path, sensor, unit)
    tag = info.units[band - 1] if info.units else None
    if gains and unit is not None and metres != 1 and says_nothing(tag) and sensor.unit is not None:
        # A scale of 0.01 and a unit of centimetres say the same thing once, not twice.
        if abs(gain - metres) > 1e-3 * metres:
            raise ValueError(
                f"{path} declares the scale {gain:g}, and the unit {unit} is stated: expected one of them; remove the "
                f"unit, or write {stated_key(sensor, 'tags', 'ignore')} to ignore what the file declares"
            )
        metres = 1.0
    return gain * metres, offset * metres, unit


def _unit(path: Path, sensor: SensorInfo, info: RasterInfo, band: int) -> str | None:
    """The unit that the file or the dataset states; None where nobody says."""
    tag = info.units[band - 1] if info.units and sensor.tags != "ignore" else None
    tag = None if says_nothing(tag) else tag
    vertical = vertical_unit(info.crs) if sensor.tags != "ignore" else None
    own = None if "unit" in sensor.inherited else sensor.unit
    statements = [
        (f"dataset.json says {own}", own),
        (f"its unit tag {tag}", tag),
        (f"its vertical coordinate system {vertical}", vertical),
    ]
    given = [(words, unit) for words, unit in statements if unit]
    for (words, unit), (others, another) in pairwise(given):
        one, two = _factor(path, sensor, unit), _factor(path, sensor, another)
        if abs(one - two) > 1e-3 * one:
            raise ValueError(
                f"{path} contradicts itself about the unit of its heights: {words}, {others}; expected one; "
                f"correct the wrong one, or write {stated_key(sensor, 'tags', 'ignore')} with the right "
                '"unit" in dataset.json'
            )
    if given or sensor.unit is None:
        return given[0][1] if given else None
    if info.dtype == "uint8" and sensor.dtype != "uint8":
        return None  # the run's unit was not stated of bytes
    factor = metres_per_unit(sensor.unit)
    if factor not in (None, 1.0) and not sensor.fits_type(info.dtype):
        raise ValueError(
            f"{path} is {info.dtype} and does not say its unit, while the run was trained on {sensor.dtype} heights in "
            f"{sensor.unit}: expected the unit; write {stated_key(sensor, 'unit', 'm')} in a dataset.json for it "
            "(--dataset-json)"
        )
    return sensor.unit


def _factor(path: Path, sensor: SensorInfo, unit: str) -> float:
    factor = metres_per_unit(unit)
    if factor is None:
        raise ValueError(
            f"{path} gives its heights in {unit!r}: expected one of {', '.join(KNOWN_UNITS)}; correct the "
            f"unit, or write {stated_key(sensor, 'tags', 'ignore')} in dataset.json"
        )
    return factor


def _in_feet(info: RasterInfo) -> bool:
    if info.crs is None or not info.crs.is_projected:
        return False
    return "foot" in str(info.crs.linear_units).lower()


def _check_range(
    path: Path,
    sensor: SensorInfo,
    survey: HeightSurvey,
    gain: float,
    offset: float,
    unit: str | None,
) -> None:
    """Heights that lie outside the Earth for the most part are in another unit."""
    low, high = survey.naive
    if survey.measured <= 0.01 * survey.valid or not high > low:
        return
    shown = f"{low * gain + offset:.0f} to {high * gain + offset:.0f} m"
    what = f"taking its values for {unit}" if unit else "taking its values for metres"
    raise ValueError(
        f"{path} would hold heights from {shown}, {what}: expected {LOWEST:.0f} to {HIGHEST:.0f} m; write the "
        f'right unit, such as {stated_key(sensor, "unit", "cm")} (or "m" for a sea floor), in dataset.json'
    )


def _check_relief(
    path: Path,
    sensor: SensorInfo,
    survey: HeightSurvey,
    gain: float,
    unit: str | None,
    gsd: float | None,
) -> None:
    """A tile of 60 m whose heights span a kilometre is in centimetres, unless somebody says otherwise."""
    if unit is not None or not gsd or not survey.usable.any():
        return
    p2, p98 = np.percentile(survey.values[survey.usable], (2, 98))
    side = max(survey.info.height, survey.info.width) * gsd
    if (p98 - p2) * gain > max(STEEPEST * side, 100.0):
        raise ValueError(
            f"{path} would span {(p98 - p2) * gain:.0f} m of height over {side:.0f} m of ground, taking its "
            f"values for metres: expected less; write the unit, such as {stated_key(sensor, 'unit', 'cm')} "
            '(or "m" if it is right), in dataset.json'
        )
