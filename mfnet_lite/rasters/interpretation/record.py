"""How the numbers of one file become quantities, and which of them are no measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Num

from mfnet_lite.rasters.raster import valid_mask
from mfnet_lite.rasters.tiles import SensorInfo


@dataclass(frozen=True)
class Fault:
    """Something wrong with a file that can be read all the same.

    Attributes:
        problem: What is wrong, with numbers.
        remedy: What to do.
        note: What is done about it: the predicate of a sentence whose subject is the file.
    """

    problem: str
    remedy: str
    note: str


@dataclass(frozen=True)
class PixelCounts:
    """Pixels counted while a file was read through, so that it is not read again for them.

    Attributes:
        usable: Those that hold a measurement, see :meth:`Interpretation.usable`.
        not_finite: Those that are NaN or infinite while the file does not declare NaN as missing.
    """

    usable: int = 0
    not_finite: int = 0

    def plus(self, other: PixelCounts) -> PixelCounts:
        """Both together.

        Args:
            other: Pixels of another part of the file.

        Returns:
            The sums.
        """
        return PixelCounts(self.usable + other.usable, self.not_finite + other.not_finite)


@dataclass(frozen=True)
class Interpretation:
    """How the chosen bands of one file are read.

    Attributes:
        bands: Band numbers counted from 1.
        gains: Per band, what its values are multiplied with to give the quantity (metres, reflectance).
        offsets: Per band, what is added after that.
        nodata: A value that the dataset states as missing, in all bands like a declared one.
        codes: Values found that mean "no measurement" although nobody says so.
        limits: Lowest and highest value that can be a measurement, as the file writes it.
        alpha: Number of the band whose zeros mean "no data here", or None.
        divisor: The quantity that becomes 1; None where a scaling is fitted to each tile.
        notes: What had to be guessed, as predicates of a sentence whose subject is the file.
        faults: What is wrong with the file though it can be read.
        counts: Pixels counted on the way; None where not all of the file was read.
    """

    bands: tuple[int, ...]
    gains: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    nodata: float | None = None
    codes: tuple[float, ...] = ()
    limits: tuple[float, float] | None = None
    alpha: int | None = None
    divisor: float | None = None
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    counts: PixelCounts | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know before results are believed."""
        return (*self.notes, *(f"{fault.note}; {fault.remedy}" for fault in self.faults))

    def of_band(
        self, array: Num[np.ndarray, "height width"], band: int
    ) -> Num[np.ndarray, "height width"]:
        """One band's pixels as quantities.

        Args:
            array: Pixels as the file writes them.
            band: Which of :attr:`bands` they are from.

        Returns:
            float32; the array itself where the file's numbers are the quantities.
        """
        if not self.gains:
            return array
        index = self.bands.index(band)
        gain, offset = self.gains[index], self.offsets[index]
        return (array.astype(np.float64) * gain + offset).astype(np.float32)

    def usable(
        self,
        array: Num[np.ndarray, "bands height width"],
        nodata: float | None,
        mask: Bool[np.ndarray, "height width"] | None,
    ) -> Bool[np.ndarray, "height width"]:
        """Which pixels hold a measurement.

        Args:
            array: The chosen bands as the file writes them.
            nodata: The declared value of missing pixels, or None.
            mask: The file's own mask and its opacity, True = data, or None.

        Returns:
            ``(height, width)`` bool.
        """
        usable = valid_mask(array, nodata, mask)
        if self.nodata is not None:
            usable &= valid_mask(array, self.nodata)
        if self.codes:  # found in this file, so that they fit its type
            usable &= ~np.isin(array, np.asarray(self.codes).astype(array.dtype)).any(axis=0)
        if self.limits is not None:
            with np.errstate(invalid="ignore"):
                low, high = self.limits
                usable &= ((array >= low) & (array <= high)).all(axis=0)
        return usable


def stated_key(sensor: SensorInfo, key: str, value: object) -> str:
    """The line to add to ``dataset.json``, for messages.

    Args:
        sensor: The sensor it is about.
        key: ``scale``, ``unit``, ``nodata`` or ``tags``.
        value: An example.

    Example:
        >>> stated_key(SensorInfo("nir"), "scale", 10000)
        '"sensors": {"nir": {"scale": 10000}}'
        >>> stated_key(SensorInfo("optical"), "scale", 10000)
        '"image_scale": 10000'
    """
    shown = f'"{value}"' if isinstance(value, str) else f"{value}"
    if key == "scale" and sensor.is_image:
        return f'"image_scale": {shown}'
    return f'"sensors": {{"{sensor.name}": {{"{key}": {shown}}}}}'


def tag_values(
    sensor: SensorInfo,
    bands: tuple[int, ...],
    scales: tuple[float, ...],
    offsets: tuple[float, ...],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and offset that a file declares for the chosen bands.

    Args:
        sensor: Its ``tags`` may say that they are to be ignored.
        bands: Band numbers counted from 1.
        scales: Of all bands.
        offsets: Of all bands.

    Returns:
        Both, empty where they change nothing.
    """
    if sensor.tags == "ignore" or not scales:
        return (), ()
    gains = tuple(float(scales[band - 1]) for band in bands)
    adds = tuple(float(offsets[band - 1]) for band in bands)
    if all(g == 1 for g in gains) and not any(adds):
        return (), ()
    return gains, adds
