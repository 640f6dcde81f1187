"""One label file, read the same way by every command: what it says about itself, then the coding.

Not labelled, whatever the classes are: pixels outside the file's own mask (inside the TIFF or a ``.msk``
beside it), its declared nodata value, NaN, and transparent pixels. An alpha band counts as a mask only if
it holds nothing but 0 and one other value; else it is an image's soft edge and says nothing.

A single band with a colour table is ambiguous: its values may be class indices, coloured for the eye, or
indices into a table that a drawing program made. If the dataset states its colours, the table decides; see
:func:`table_reading`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Num, UInt8
from rasterio.enums import ColorInterp

from mfnet_lite.rasters.interpretation.missing import alpha_is_mask
from mfnet_lite.rasters.io import info_of, open_raster, own_mask, read_window
from mfnet_lite.rasters.labels.coding import UNKNOWN, LabelCoding
from mfnet_lite.rasters.labels.label_colours import BLACK, Nearest
from mfnet_lite.rasters.raster import Colour, RasterInfo, valid_mask
from mfnet_lite.rasters.scan import file_strips
from mfnet_lite.rasters.tiling import Window

WHOLE_TABLE = 256  # GeoTIFF writes every table to this length, the rest black


class LabelPart(NamedTuple):
    """What a window of a label file holds.

    Args:
        indices: Class index, the ignored index, or −1 where the value is not known.
        array: The pixels they were found from; the colours, where a colour table was looked up.
        looked_up: Indices before unknown values were given a class.
        nearest: What was read by the nearest colour.
    """

    indices: Int[np.ndarray, "height width"]
    array: Num[np.ndarray, "bands height width"]
    looked_up: Int[np.ndarray, "height width"]
    nearest: Nearest


@dataclass(frozen=True, eq=False)
class LabelFile:
    """How one file is to be read.

    Attributes:
        path: The file.
        nodata: The nodata value that the label's bands declare, or None, also where they declare several.
        coding: Of this file: by colour if it is written so.
        bands: Bands that hold the label, counted from 1.
        alpha: Band that masks, or None.
        table: Colour of each value, where the colours tell the classes.
        clear: Values that are transparent by the file's colour table.
        declared: Whether that is because the file declares a value as nodata, which GDAL shows as transparent.
    """

    path: Path
    nodata: float | None
    coding: LabelCoding
    bands: tuple[int, ...]
    alpha: int | None = None
    table: UInt8[np.ndarray, "values 3"] | None = None
    clear: tuple[int, ...] = ()
    declared: bool = True

    @classmethod
    def of(cls, source: Any, info: RasterInfo, coding: LabelCoding) -> LabelFile:
        """Look at the header of an open label, and at its alpha band if there is one.

        Args:
            source: What :func:`~mfnet_lite.rasters.io.open_raster` returned.
            info: Its header.
            coding: Of the dataset.

        Returns:
            How to read the file.
        """
        alphas = [
            band for band, kind in enumerate(source.colorinterp, 1) if kind == ColorInterp.alpha
        ]
        bands = tuple(band for band in range(1, info.bands + 1) if band not in alphas)
        if not bands:
            bands, alphas = tuple(range(1, info.bands + 1)), []
        alpha = alphas[0] if alphas and alpha_is_mask(info.path, alphas[0])[0] else None
        nodata = info.nodata_of(bands)
        if len(bands) >= 3 and coding.palette and not coding.exact:
            return cls(info.path, nodata, replace(coding, colours=coding.palette), bands, alpha)
        if len(bands) != 1 or info.colours is None or coding.threshold is not None:
            return cls(info.path, nodata, coding, bands, alpha)
        full = source.colormap(1)
        declared = source.driver == "GTiff"  # whose colour table has no opacity of its own
        clear = tuple(value for value, rgba in full.items() if rgba[3] == 0)
        if table_reading(info.colours, coding) != "colours":
            return cls(info.path, nodata, coding, bands, alpha, clear=clear, declared=declared)
        table = np.zeros((max(full) + 1, 3), dtype=np.uint8)
        for value, rgba in full.items():
            table[value] = rgba[:3]
        by_colour = replace(coding, colours=coding.colours or coding.palette)
        return cls(info.path, nodata, by_colour, bands, alpha, table, clear, declared)

    @property
    def hidden_classes(self) -> tuple[set[int], set[int]]:
        """Class values that count as not labelled, since the file declares them as nodata or makes them transparent.

        GDAL reports the only transparent value of a PNG's colour table as nodata: that is no declaration. Where colours
        tell the classes, a value counts only if its colour is that of its own class.
        """
        values = set() if self.nodata is None else {self.nodata}
        transparent = set() if self.declared else set(self.clear)
        known = self.coding.class_of_value()
        if self.table is not None:
            colours = (tuple(self.table[value].tolist()) for value in transparent)
            meant = dict(zip(transparent, map(self.coding.colours.get, colours), strict=True))
            known = {v: index for v, index in known.items() if meant.get(v, index) == index}
        return (
            {int(value) for value in values - transparent if value in known},
            {value for value in transparent if value in known},
        )

    def part(self, source: Any, window: Window) -> LabelPart:
        """Read a window without complaining of unknown values.

        Args:
            source: The open file.
            window: Inside the raster.

        Returns:
            Class indices and what they come from.

        Raises:
            ValueError: Unreadable, or a number of bands that does not suit the coding (then the message
                begins with ``expected``, without the file).
        """
        array, mask = self.masked(source, window)
        nodata = self.nodata
        if self.table is not None:
            mask, nodata = valid_mask(array, nodata, mask), None
            array, mask = self._colours(array[0], mask)
        indices = self.coding.lookup(array, nodata, mask)
        settled, nearest = self.coding.settle(array, indices)
        return LabelPart(settled, array, indices, nearest)

    def masked(
        self, source: Any, window: Window
    ) -> tuple[Num[np.ndarray, "bands height width"], Bool[np.ndarray, "height width"] | None]:
        """Pixels of a window as they are, and where the file's masks say that they hold something.

        Args:
            source: The open file.
            window: Inside the raster.

        Returns:
            The label's bands; True = valid by mask, alpha and colour table (nodata is not looked at), or
            None if the file has none of these.
        """
        array = read_window(source, self.path, window, self.bands)
        mask = own_mask(source, window, bands=self.bands)
        if self.alpha is not None:
            opaque = read_window(source, self.path, window, (self.alpha,))[0] > 0
            mask = opaque if mask is None else mask & opaque
        if self.clear:
            shown = ~np.isin(array[0], self.clear)
            mask = shown if mask is None else mask & shown
        return array, mask

    def _colours(
        self, band: Num[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"]
    ) -> tuple[UInt8[np.ndarray, "3 height width"], Bool[np.ndarray, "height width"]]:
        """Values as their colours; a value that is not labelled need not have a known one."""
        assert self.table is not None
        ignored = self.coding.ignore_index
        voids = {value for value, index in self.coding.values.items() if index == ignored}
        for void in (voids | {ignored}) & set(range(len(self.table))):
            if tuple(self.table[void].tolist()) not in self.coding.colours:
                mask = mask & (band != void)
        used = band[mask]
        if used.size and int(used.max()) >= len(self.table):
            raise ValueError(
                f"expected values of its colour table, 0 to {len(self.table) - 1}, got "
                f"{int(used.max())}; export the label anew"
            )
        shown = self.table[np.where(mask, band, 0)]
        return np.ascontiguousarray(np.moveaxis(shown, -1, 0)), mask

    def unknown(self, part: LabelPart) -> dict[Any, int]:
        """What the coding does not know in a part and gives no class.

        Args:
            part: From :meth:`part`.

        Returns:
            Value, colour, or a text with both → pixels, the most frequent first.
        """
        if not (part.indices == UNKNOWN).any():
            return {}
        found = self.coding.unknown_values(part.array, part.looked_up)
        if self.table is None:
            return dict(found)
        values: dict[tuple[int, ...], int] = {}
        for value, colour in enumerate(self.table.tolist()):
            values.setdefault(tuple(colour), value)
        return {f"{values[c]} shown as {c}": n for c, n in found.items() if isinstance(c, tuple)}

    def read(self, source: Any, window: Window) -> UInt8[np.ndarray, "height width"]:
        """Read a window.

        Args:
            source: The open file.
            window: Inside the raster.

        Returns:
            ``(height, width)`` uint8: 0 to ``num_classes - 1``, or the ignored index.

        Raises:
            ValueError: Unknown values, a wrong number of bands, or an unreadable file.
        """
        try:
            part = self.part(source, window)
        except ValueError as error:
            if str(error).startswith("expected"):
                raise ValueError(f"{self.path}: {error}") from error
            raise
        unknown = self.unknown(part)
        if unknown:
            raise ValueError(f"{self.path} {self.coding.complaint(unknown, self.path)}")
        return part.indices.astype(np.uint8)


def read_label(path: Path, coding: LabelCoding) -> UInt8[np.ndarray, "height width"]:
    """Read a whole label file, strip by strip.

    Args:
        path: The file.
        coding: Of the dataset.

    Returns:
        ``(height, width)`` uint8 class indices, or the ignored index.

    Raises:
        FileNotFoundError: No such file.
        ValueError: As :meth:`LabelFile.read`.
    """
    with open_raster(path) as source:
        info = info_of(source, path)
        file = LabelFile.of(source, info, coding)
        out = np.empty((info.height, info.width), dtype=np.uint8)
        for window in file_strips(source):
            out[window.slices] = file.read(source, window)
    return out


def table_reading(
    table: Mapping[int, Colour], coding: LabelCoding
) -> Literal["colours", "values", "none"]:
    """Whether a colour table tells the classes, or only paints class values.

    Args:
        table: Value → colour.
        coding: Of the dataset, with its colours.

    Returns:
        ``colours``: the colours tell; a used one that is no class's is an error. ``values``: the values
        are the classes, and their colours agree or the dataset states none. ``none``: the dataset states
        colours, and the table has none of them, so that the values have to be the classes.
    """
    if coding.colours:
        return "colours"
    meant = {value: colour for value, colour in table.items() if value < _painted(table)}
    palette, by_value = coding.palette, coding.class_of_value()
    if not palette:
        return "values"
    shown = {
        v: palette[c] for v, c in meant.items() if palette.get(c) not in (None, coding.ignore_index)
    }
    if not shown:
        return "none"
    if coding.exact and any(colour not in palette for colour in meant.values()):
        return "values"
    agree = all(by_value.get(value) == index for value, index in shown.items()) and all(
        palette.get(meant[value]) == index for value, index in by_value.items() if value in meant
    )
    return "values" if agree else "colours"


def _painted(table: Mapping[int, Colour]) -> int:
    """Length of a table without the black that only fills it up."""
    if len(table) < WHOLE_TABLE:
        return max(table, default=-1) + 1
    return max((value for value, colour in table.items() if colour != BLACK), default=-1) + 1
