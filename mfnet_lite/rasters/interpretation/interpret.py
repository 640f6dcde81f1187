"""What the numbers in a sensor's file mean: learnt here for all commands.

``data check``, training, scoring, prediction and ``masks`` read rasters through an
:class:`~mfnet_lite.rasters.interpretation.record.Interpretation`, so that what is checked, learnt, scored and mapped is
the same. A file says much about itself: scale and offset, unit, opacity, bits in use, colour table. That is
honoured. What it does not say is taken from ``dataset.json``; what neither says is guessed only where a wrong
guess costs nothing, and then named in a note. Where two readings are plausible and the wrong one would spoil it,
:func:`interpret` asks for one line in ``dataset.json``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mfnet_lite.rasters.interpretation.bands import COLOURS, Bands, choose_bands
from mfnet_lite.rasters.interpretation.elevation import declare, interpret_heights
from mfnet_lite.rasters.interpretation.missing import ValueSurvey, survey_values
from mfnet_lite.rasters.interpretation.record import Fault, Interpretation, stated_key, tag_values
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.remedy import advice
from mfnet_lite.rasters.tiles import OPTICAL, SensorInfo

BRIGHTEST = 1.5  # of full reflectance; mirrors and snow pass it, a wrong scale passes it everywhere
DARKEST = -0.05  # of full reflectance; what atmospheric correction overshoots
BLACK = 0.03  # of full reflectance; a scene with land or clouds is brighter somewhere
FEW = 0.01  # share of the values that may lie beyond either
NO_HEIGHTS = frozenset(
    {*COLOURS, "rededge", "swir", "tir", "thermal", "pan", "sar", "vv", "vh", "hh", "hv"}
)
"""Names of sensors that nobody gives to heights."""
FULL_WORDS = "the value that means full reflectance (255 for bytes, 10000 for Sentinel-2)"


def interpret(
    path: str | Path,
    sensor: SensorInfo,
    scaling: str = "ground",
    gsd: float | None = None,
    info: RasterInfo | None = None,
) -> Interpretation:
    """Learn how a sensor's file is read.

    Headers alone decide for images of bytes; other types are read through once, strip by strip, because only
    their values tell whether a reading is sensible.

    Args:
        path: The file.
        sensor: What the dataset says about it.
        scaling: Name of the scaling of elevations.
        gsd: Metres per pixel, if known.
        info: The file's header, if it has been read.

    Returns:
        The interpretation.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Unreadable, a band it lacks, or numbers whose meaning is not known: one sentence with the
            line for ``dataset.json`` that settles it.
    """
    path = Path(path)
    info = raster_info(path) if info is None else info
    chosen = choose_bands(path, sensor, info)
    _refuse_storage(path, info)
    if sensor.is_height:
        found = interpret_heights(path, sensor, info, chosen.bands, scaling, gsd, chosen.alpha)
    else:
        found = _image(path, sensor, info, chosen)
    return replace(found, alpha=chosen.alpha, notes=(*found.notes, *chosen.notes))


def interpret_for_view(path: str | Path, bands: tuple[int, ...] | None = None) -> Interpretation:
    """Learn which pixels of an image hold data, where its values will be stretched anyway.

    Args:
        path: The file.
        bands: Band numbers counted from 1; None takes the first three that training takes: red, green, blue
            where the file calls its bands so, in whatever order.

    Returns:
        Bands (fewer than three where the file has fewer), codes and opacity; no divisor.

    Raises:
        ValueError: A palette image.
    """
    path = Path(path)
    info = raster_info(path)
    _refuse_storage(path, info)
    chosen = choose_bands(path, SensorInfo(OPTICAL, select=bands), info, most=3)
    bands, alpha, notes = chosen.bands, chosen.alpha, chosen.notes
    if info.dtype.startswith("uint"):
        return Interpretation(bands, alpha=alpha, notes=notes)
    survey = survey_values(path, tuple(sorted(set(bands))), (-np.inf, np.inf), alpha=alpha)
    return Interpretation(
        bands, codes=tuple(survey.codes), alpha=alpha, notes=notes, faults=_code_faults(survey)
    )


def _refuse_storage(path: Path, info: RasterInfo) -> None:
    """A palette image holds numbers of colours, whose order means nothing; a negative shows the opposite."""
    if info.white_is_zero:
        raise ValueError(
            f"{path} is stored as a negative (white is zero): expected black as zero; invert it, in "
            f"Python: {advice('invert', path)}"
        )
    if info.bands != 1 or not info.colours:
        return
    if any(len(set(colour)) > 1 for colour in info.colours.values()):
        raise ValueError(
            f"{path} is a palette image, its pixels are numbers of colours: expected grey values or red, green, "
            f"blue; expand it, in Python: {advice('expand', path)}"
        )


def _image(path: Path, sensor: SensorInfo, info: RasterInfo, chosen: Bands) -> Interpretation:
    """The divisor of an image or another measurement."""
    bands = chosen.bands
    gains, offsets = tag_values(sensor, bands, info.scales, info.offsets)
    if np.dtype(info.dtype).kind == "c":
        raise ValueError(
            f"{path} holds complex numbers: expected real ones; export amplitude or intensity"
        )
    if info.dtype == "uint8":
        return replace(_bytes(path, sensor, info, chosen, gains, offsets), nodata=sensor.nodata)
    floating = np.issubdtype(np.dtype(info.dtype), np.floating)
    scale = sensor.scale
    if "scale" in sensor.inherited and (gains or info.bits or not sensor.fits_type(info.dtype)):
        scale = None  # the file's own words go before those of the data the run was trained with
    if scale is None and not gains and info.bits and not floating:
        scale = float(2**info.bits - 1)  # the file says how many bits are in use
    if scale is not None and gains:
        if not _agree(scale, gains, offsets):
            raise ValueError(
                f"{path} declares the scale {gains[0]:g} and the offset {offsets[0]:g}, but dataset.json states "
                f"{stated_key(sensor, 'scale', _number(scale))}: expected one of them; remove that line, or write "
                f"{stated_key(sensor, 'tags', 'ignore')} to ignore what the file declares"
            )
        gains = offsets = ()
    if scale is None and not gains and not floating:
        raise ValueError(
            f"{path} is {info.dtype} and its range is not known: expected uint8, or "
            f"{stated_key(sensor, 'scale', 10000)} in dataset.json; state {FULL_WORDS}"
            + (
                ""
                if sensor.is_image or sensor.name.lower() in NO_HEIGHTS
                else f", or {stated_key(sensor, 'unit', 'm')} if these are heights"
            )
        )
    full = scale if scale is not None else 1.0
    limits = (DARKEST * full, BRIGHTEST * full)
    if gains:
        limits = ((DARKEST - offsets[0]) / gains[0], (BRIGHTEST - offsets[0]) / gains[0])
    survey = survey_values(path, bands, limits, sensor.nodata, chosen.alpha)
    reading = Interpretation(
        bands,
        gains,
        offsets,
        nodata=sensor.nodata,
        codes=tuple(survey.codes),
        divisor=full if sensor.is_image or scale is not None else None,
        faults=_code_faults(survey),
    )
    if not survey.count or reading.divisor is None:
        return reading
    return replace(reading, notes=_check_values(path, sensor, info, survey, reading))


def _agree(scale: float, gains: tuple[float, ...], offsets: tuple[float, ...]) -> bool:
    """Whether dividing by the stated scale is what the file's own scale and offset do."""
    return all(abs(g * scale - 1) < 0.01 for g in gains) and all(abs(o) < 0.005 for o in offsets)


def _bytes(
    path: Path,
    sensor: SensorInfo,
    info: RasterInfo,
    chosen: Bands,
    gains: tuple[float, ...],
    offsets: tuple[float, ...],
) -> Interpretation:
    """Bytes are divided by 255, unless the file says that they stand for something else."""
    bands = chosen.bands
    full = float(2**info.bits - 1) if info.bits and info.bits < 8 else 255.0
    if gains and sensor.is_image:
        tops = [full * gain + offset for gain, offset in zip(gains, offsets, strict=True)]
        if not all(0.5 <= top <= BRIGHTEST for top in tops):
            raise ValueError(
                f"{path} declares the scale {gains[0]:g} and the offset {offsets[0]:g}, so that its bytes reach "
                f"{max(tops):g}: expected reflectance up to 1; write {stated_key(sensor, 'tags', 'ignore')} in "
                "dataset.json to read the bytes as they are"
            )
        return Interpretation(bands, gains, offsets, divisor=1.0)
    if sensor.scale is not None and sensor.scale < full and "scale" not in sensor.inherited:
        # Percentages in bytes, unless the values say that the scale is meant for the dataset's other files.
        survey = survey_values(path, bands, (0.0, sensor.scale), sensor.nodata, chosen.alpha)
        if survey.beyond <= FEW * survey.count:
            return Interpretation(bands, divisor=sensor.scale)
    return Interpretation(bands, divisor=full)


def _code_faults(survey: ValueSurvey) -> tuple[Fault, ...]:
    if not survey.codes:
        return ()
    values = ", ".join(f"{code:g}" for code in survey.codes)
    return (
        Fault(
            f"{values} looks like undeclared nodata",
            declare(survey.codes),
            f"has {values}, taken for nodata",
        ),
    )


def _check_values(
    path: Path, sensor: SensorInfo, info: RasterInfo, survey: ValueSurvey, reading: Interpretation
) -> tuple[str, ...]:
    """Whether the values fit the divisor; a refusal for floats, notes for integers with a stated scale."""
    divisor = reading.divisor or 1.0
    gain, offset = (reading.gains[0], reading.offsets[0]) if reading.gains else (1.0, 0.0)
    high = (survey.high * gain + offset) / divisor
    stated = sensor.scale is not None
    share = survey.beyond / survey.count
    sure = stated and not np.issubdtype(np.dtype(info.dtype), np.floating)
    if share > FEW and not sure:
        raise ValueError(
            f"{path} is {info.dtype} with values up to {survey.high:g}: expected 0 to {divisor / gain:g}; write "
            f"{stated_key(sensor, 'scale', _likely_scale(survey.high))} in dataset.json: {FULL_WORDS}"
        )
    if survey.below / survey.count > FEW:
        raise ValueError(
            f"{path} is {info.dtype} with values down to {survey.low:g}: expected 0 to {divisor / gain:g}; "
            "undo its normalisation, or declare the values that mean no data (rio edit-info --nodata VALUE)"
        )
    if stated and divisor > 1 and high < BLACK:
        if not sure and survey.high <= BRIGHTEST:
            raise ValueError(
                f"{path} is {info.dtype} with values up to {survey.high:g}, but the scale {divisor:g} is stated: "
                f"expected values up to {divisor:g}; remove the scale, or export the image anew"
            )
        return (
            f"comes out nearly black: its values reach {survey.high:g}, while {divisor:g} is stated as full "
            f"reflectance; if {_likely_scale(survey.high)} is meant, write "
            f"{stated_key(sensor, 'scale', _likely_scale(survey.high))} in dataset.json",
        )
    if share > FEW:
        return (
            f"has {share:.0%} of its values above {BRIGHTEST * divisor:g}, while {divisor:g} is stated as full "
            "reflectance: they are clipped",
        )
    return ()


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value


def _likely_scale(high: float) -> int:
    """The usual range that holds a value, as an example in a message."""
    usual = (255, 1023, 4095, 10_000, 65_535)
    return next((top for top in usual if high <= top * 1.05), 65_535)
