"""Why is my DSM blank? One elevation file, looked at for everything that spoils its scaling.

``mfnet-lite data check`` asks whether a *data set* can be read and trained on. This asks what a
*network* would see of one height map: how much is missing, whether an undeclared nodata value hides
among the heights, and how many of 256 grey levels are left for houses and trees by each scaling of
:mod:`~mfnet_lite.rasters.scaling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mfnet_lite.rasters.interpretation.elevation import metres_of
from mfnet_lite.rasters.interpretation.missing import HIGHEST, ISOLATED, LOWEST, undeclared_codes
from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.scaling import SCALINGS, fit_scaling, reduce_cells
from mfnet_lite.rasters.tiles import Problem, SensorInfo
from mfnet_lite.utils.counted_nouns import counted

FEW_LEVELS = 16.0  # of 256; below, houses and streets are nearly one grey


@dataclass(frozen=True)
class ElevationReport:
    """What a network would see of one height map.

    Attributes:
        path: The file.
        shape: Rows and columns.
        dtype: Type of the pixels.
        nodata: The declared nodata value, or None.
        missing: Share of pixels without a height: declared, masked, NaN, or a code found here.
        codes: Values that look like undeclared nodata.
        low: Lowest remaining height.
        high: Highest remaining height.
        middle: Percentiles 5 and 95.
        tilt: How much the ground plane rises over the tile, in the heights' unit.
        standing: What rises above that plane, percentiles 2 to 98.
        levels: Of 256 grey levels, how many the middle 90 % of the heights span, for each scaling and
            for ``naive``, the min-max that takes nodata for a height.
        problems: What is wrong, and what to do.
    """

    path: Path
    shape: tuple[int, int]
    dtype: str
    nodata: float | None
    missing: float
    codes: tuple[float, ...]
    low: float
    high: float
    middle: tuple[float, float]
    tilt: float
    standing: float
    levels: dict[str, float]
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """A few lines for a terminal or a notebook."""
        nodata = "no nodata declared" if self.nodata is None else f"nodata {self.nodata:g} declared"
        lines = [
            f"{self.path.name}: {self.shape[0]} x {self.shape[1]} {self.dtype}, {nodata}",
            f"  missing   {self.missing:.1%}",
        ]
        if self.levels:
            levels = ", ".join(f"{name} {n:.0f}" for name, n in self.levels.items())
            lines += [
                f"  heights   {self.low:.1f} to {self.high:.1f}, "
                f"middle 90 % {self.middle[0]:.1f} to {self.middle[1]:.1f}",
                f"  ground    rises {self.tilt:.1f} over the tile, {self.standing:.1f} stand on it",
                f"  greys     {levels} of 256",
            ]
        lines += [f"  wrong     {p.problem}: {p.remedy}" for p in self.problems]
        return "\n".join(lines)


def describe_elevation(
    path: str | Path, band: int = 1, gsd: float | None = None
) -> ElevationReport:
    """Examine one elevation file, at bounded memory.

    Counts and extremes are exact; percentiles, slope and grey levels come from a regular grid of at
    most a million pixels.

    Args:
        path: GeoTIFF, PNG or JPEG.
        band: Band number counted from 1.
        gsd: Metres per pixel; None takes the file's, else 0.25.

    Returns:
        The report; printing it gives half a dozen lines.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Unreadable, or no such band.
    """
    header = raster_info(path)
    if not 1 <= band <= header.bands:
        raise ValueError(
            f"{path} has {counted(header.bands, 'band')}, not a band {band}; choose another"
        )
    gain, offset, _ = metres_of(Path(path), SensorInfo("dsm"), header, band)
    codes, seen = undeclared_codes(path, band, gain)
    info, ok = seen.info, seen.usable
    heights = seen.values * gain + offset
    low, high = seen.low * gain + offset, seen.high * gain + offset
    common: dict[str, Any] = {
        "path": info.path,
        "shape": (info.height, info.width),
        "dtype": info.dtype,
        "nodata": info.nodata_of((band,)),
        "missing": 1 - seen.valid / (info.height * info.width),
        "codes": codes,
    }
    if not seen.valid or not ok.any():
        nothing = Problem(info.path, "no pixel holds a height", "export it again or leave it out")
        return ElevationReport(
            **common, low=np.nan, high=np.nan, middle=(np.nan, np.nan), tilt=np.nan,
            standing=np.nan, levels={}, problems=(nothing,),
        )  # fmt: skip
    p2, p5, p95, p98 = (float(p) for p in np.percentile(heights[ok], (2, 5, 95, 98)))
    tilt, standing = _slope(heights, ok)
    pixel = (gsd or info.gsd or 0.25) * seen.step
    levels = {"naive": 256 * _share(p95 - p5, gain * (seen.naive[1] - seen.naive[0]))}
    for name in SCALINGS:
        scaled = fit_scaling(heights, ok, name, pixel)(heights, ok)[ok]
        levels[name] = 256 * float(np.subtract(*np.percentile(scaled, (95, 5))))
    report = ElevationReport(
        **common, low=low, high=high, middle=(p5, p95), tilt=tilt, standing=standing,
        levels=levels, problems=(),
    )  # fmt: skip
    return ElevationReport(
        **{**vars(report), "problems": tuple(_judge(report, p98 - p2, info.bands))}
    )


def _slope(
    heights: Float[np.ndarray, "rows cols"], ok: Bool[np.ndarray, "rows cols"]
) -> tuple[float, float]:
    """Rise of the ground plane over the tile, and the spread of what stands on it.

    The plane is fitted to low heights of some 16 x 16 cells, then again to the lower half of them, so
    that roofs do not carry it.
    """
    cell = max(1, min(heights.shape) // 16)
    low = reduce_cells(heights, ok, cell)
    rows, cols = np.indices(low.shape)
    design = np.stack([rows.ravel() * cell, cols.ravel() * cell, np.ones(low.size)], axis=1)
    z, keep = low.ravel().astype(np.float64), np.isfinite(low).ravel()
    plane = np.zeros(3)
    for _ in range(3):
        plane = np.linalg.lstsq(design[keep], z[keep], rcond=None)[0]
        rest = z - design @ plane
        keep = np.isfinite(rest) & (rest <= np.nanmedian(rest))
    fall = abs(plane[0]) * heights.shape[0] + abs(plane[1]) * heights.shape[1]
    at = np.indices(heights.shape)
    above = heights - (plane[0] * at[0] + plane[1] * at[1])
    p2, p98 = np.percentile(above[ok], (2, 98))
    return float(fall), float(p98 - p2)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def _judge(report: ElevationReport, spread: float, bands: int) -> list[Problem]:
    """Turn the figures into sentences."""
    found: list[tuple[str, str]] = []
    if report.codes:
        values = ", ".join(f"{value:g}" for value in report.codes)
        found.append(
            (f"{values} looks like undeclared nodata", "declare it (rio edit-info --nodata)")
        )
    if bands > 1:
        found.append((f"{bands} bands where heights have one", "name the band, or export one"))
    if report.high == report.low:
        found.append(("flat: min-max divides zero by zero", "leave the sensor out of this tile"))
        return [Problem(report.path, *pair) for pair in found]
    if report.dtype == "uint8":
        found.append(
            ("8 bits: grey values, metres are lost", "scale by minmax or robust, not ground")
        )
    elif report.high > HIGHEST or report.low < LOWEST:
        found.append(
            (
                f"heights from {report.low:.0f} to {report.high:.0f} are no metres",
                "divide by 100 or 1000",
            )
        )
    if report.missing > 0.3:
        found.append((f"{report.missing:.0%} missing", "cut the tile, or fill and mask it"))
    if report.high - report.low > ISOLATED * spread:
        found.append(("spikes set the range of min-max", "use robust or ground"))
    if report.tilt > report.standing:
        found.append(("the slope outweighs what stands on it", "use ground, or subtract a DTM"))
    if report.levels["naive"] < FEW_LEVELS <= report.levels["minmax"]:
        found.append(("blank where nodata counts as a height", "mask it before any minimum"))
    return [Problem(report.path, *pair) for pair in found]
