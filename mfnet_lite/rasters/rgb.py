"""Three bands of any raster as an 8-bit image, part by part, as models of photographs read them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from mfnet_lite.rasters.interpretation.interpret import interpret_for_view
from mfnet_lite.rasters.interpretation.record import Interpretation
from mfnet_lite.rasters.io import open_raster, own_mask, raster_info, read_window
from mfnet_lite.rasters.notes import Notes
from mfnet_lite.rasters.raster import shared_nodata
from mfnet_lite.rasters.scaling import Scaling
from mfnet_lite.rasters.streaming import fit_scaling_from_file
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.utils.counted_nouns import counted


@dataclass(frozen=True)
class Stretch:
    """Which bands make the image, and how their values become 0–255.

    Attributes:
        bands: Red, green and blue, counted from 1; the same number three times for one band.
        scalings: One per band, from the whole scene; None for bytes of 8 bits, which are taken as they are.
        reading: Which pixels hold data.
    """

    bands: tuple[int, int, int]
    scalings: tuple[Scaling, ...] | None
    reading: Interpretation

    @classmethod
    def of(
        cls, path: str | Path, bands: tuple[int, ...] | None = None, grey: bool = False
    ) -> Stretch:
        """Choose the stretch of a file: bytes as they are, other types between two percentiles.

        The percentiles (2nd and 98th) are those of the whole scene, so that a thing looks the same in every
        part of it. Bytes of which fewer bits are in use are spread over 0–255.

        Args:
            path: The raster.
            bands: One band or three, counted from 1; None takes those that training takes first: red, green and
                blue where the file calls its bands so, else the first three.
            grey: With ``bands`` None: show the first band of a file that has fewer than three instead of refusing it.

        Returns:
            The stretch.

        Raises:
            FileNotFoundError: No such file.
            ValueError: Neither one band nor three, or one that the file lacks.
        """
        info = raster_info(path)
        if bands is not None:
            if len(bands) == 1:
                bands = bands * 3
            if len(bands) != 3:
                raise ValueError(f"expected one band or three, got {bands}")
            if min(bands) < 1 or max(bands) > info.bands:
                raise ValueError(
                    f"{path} has {counted(info.bands, 'band')}, but bands {bands} were asked for: "
                    f"choose from 1 to {info.bands}"
                )
        reading = interpret_for_view(path, bands)
        if len(reading.bands) < 3:
            if not grey:
                raise ValueError(
                    f"{path} has {counted(info.bands, 'band')}, {len(reading.bands)} of which hold an image: "
                    "expected red, green and blue; name one band to be taken for all three (--bands 1)"
                )
            reading = replace(reading, bands=reading.bands[:1] * 3)
        red, green, blue = bands = reading.bands
        notes = Notes()
        notes.add(Path(path), reading.remarks)
        notes.log()
        if info.dtype == "uint8":
            full = Scaling("minmax", high=float(2 ** (info.bits or 8) - 1))
            return cls((red, green, blue), None if full.high == 255 else (full,) * 3, reading)
        fitted = {
            band: fit_scaling_from_file(path, "robust", band=band, reading=reading)
            for band in set(bands)
        }
        return cls((red, green, blue), tuple(fitted[band] for band in bands), reading)


def read_rgb(
    path: str | Path, stretch: Stretch, window: Window | None = None
) -> tuple[UInt8[np.ndarray, "height width 3"], Bool[np.ndarray, "height width"]]:
    """Read a part of a scene as an image.

    Args:
        path: The raster.
        stretch: From :meth:`Stretch.of`.
        window: The part; None reads all.

    Returns:
        The image (0 where there is no data), and which pixels hold data.
    """
    reading = stretch.reading
    with open_raster(path) as source:
        array = read_window(source, path, window, stretch.bands)
        mask = own_mask(source, window, reading.alpha, stretch.bands)
        nodata = shared_nodata(source.nodatavals[band - 1] for band in stretch.bands)
        valid = reading.usable(array, nodata, mask)
    if stretch.scalings is not None:
        scaled = [
            scaling(band, valid) for scaling, band in zip(stretch.scalings, array, strict=True)
        ]
        array = np.round(255 * np.stack(scaled)).astype(np.uint8)
    image = np.where(valid, array, 0).transpose(1, 2, 0)
    return np.ascontiguousarray(image), valid
