"""From the files of a tile to the tensors of a sample, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Num, UInt8
from torch import Tensor

from mfnet_lite.rasters.grids import check_tile_grids
from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.interpretation.record import Interpretation
from mfnet_lite.rasters.io import open_raster, own_mask, read_window
from mfnet_lite.rasters.labels.label_files import LabelFile, read_label
from mfnet_lite.rasters.notes import Notes
from mfnet_lite.rasters.open_files import OpenFiles
from mfnet_lite.rasters.raster import RasterInfo, band_mask, shared_nodata
from mfnet_lite.rasters.scaling import DEFAULT_GSD, Scaling, check_name
from mfnet_lite.rasters.streaming import fit_scaling_from_file
from mfnet_lite.rasters.tiles import Tile
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.utils.lists_of_names import check_list_of_names

NodataPolicy = Literal["images", "any", "first"]
POLICIES = get_args(NodataPolicy)


@dataclass(frozen=True, eq=False)
class Decoded:
    """A file held in memory in its own type.

    Attributes:
        array: Its pixels.
        mask: The mask stored with it, True = data, or None.
        nodatas: Per band, its declared value of missing pixels, or None.
    """

    array: Num[np.ndarray, "bands height width"]
    mask: Bool[np.ndarray, "height width"] | None
    nodatas: tuple[float | None, ...]


class Patch(NamedTuple):
    """A window of a tile.

    Args:
        arrays: Sensors by name, ``(bands, height, width)`` float32 in [0, 1].
        label: Class indices ``(height, width)`` uint8; None if the tile has no label.
        valid: Where every sensor holds data.
        counted: Where a pixel counts, which the reader's nodata policy says.
    """

    arrays: dict[str, Float[np.ndarray, "bands height width"]]
    label: UInt8[np.ndarray, "height width"] | None
    valid: Bool[np.ndarray, "height width"]
    counted: Bool[np.ndarray, "height width"]


class TileReader:
    """Reads windows of tiles as scaled float arrays.

    Args:
        sensors: Which to read; the first one's raster gives the size of a tile.
        scaling: For elevations: ``minmax``, ``robust`` or ``ground``.
        nodata_policy: Which pixels do not count: those where one of the ``images`` (optical sensors, of both dates)
            lacks data, where ``any`` sensor does, or where the ``first`` does. Where no sensor is an image, the first
            stands for them.

    Attributes:
        notes: Remarks on the files read so far.
    """

    def __init__(
        self,
        sensors: Sequence[str],
        scaling: str = "ground",
        nodata_policy: NodataPolicy = "images",
    ) -> None:
        check_name(scaling)
        check_list_of_names("sensors", sensors)
        if not sensors:
            raise ValueError("expected at least one sensor, got none; name one such as 'optical'")
        if nodata_policy not in POLICIES:
            raise ValueError(
                f"unknown nodata policy {nodata_policy!r} for holes: expected one of {', '.join(POLICIES)}"
            )
        self.sensors = tuple(sensors)
        self.scaling = scaling
        self.nodata_policy = nodata_policy
        self.notes = Notes()
        self._files = OpenFiles()
        self._decoded: dict[Path, Decoded] = {}
        # by sensor, too: one file may hold two
        self._readings: dict[tuple[Path, str], Interpretation] = {}
        self._fitted: dict[tuple[Path, int], Scaling] = {}
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._checked: set[tuple[Path, ...]] = set()
        self._labels: dict[Path, LabelFile] = {}
        self._decoded_labels: dict[Path, UInt8[np.ndarray, "height width"]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Handles stay behind when the reader is sent to another process."""
        return {key: value for key, value in self.__dict__.items() if key != "_files"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._files = OpenFiles()

    def deciding(self, tile: Tile) -> tuple[str, ...]:
        """The sensors without which a pixel does not count.

        Args:
            tile: Its dataset says which sensors are images.

        Returns:
            Their names, at least one.
        """
        images = tuple(name for name in self.sensors if tile.info.sensors[name].is_image)
        by_policy = {"any": self.sensors, "images": images, "first": ()}
        return by_policy[self.nodata_policy] or self.sensors[:1]

    def close(self) -> None:
        """Close the open files of this process and thread."""
        self._files.close()

    def size(self, tile: Tile) -> tuple[int, int]:
        """Rows and columns of a tile.

        Args:
            tile: The tile.

        Returns:
            Size of the first sensor's raster.
        """
        path = file_of(tile, self.sensors[0])
        if path not in self._sizes:
            _, info = self._files.get(path)
            self._sizes[path] = (info.height, info.width)
        return self._sizes[path]

    def preload(self, tile: Tile) -> None:
        """Decode the files of a tile, in their own type, and keep them; the label as class indices.

        Args:
            tile: The tile.
        """
        for path in [file_of(tile, name) for name in self.sensors]:
            if path not in self._decoded:
                with open_raster(path) as source:
                    array, mask = read_window(source, path), own_mask(source, bands=())
                    self._decoded[path] = Decoded(array, mask, tuple(source.nodatavals))
        if tile.label is not None and tile.label not in self._decoded_labels:
            self._decoded_labels[tile.label] = read_label(tile.label, tile.info.coding)

    def prepare(self, tile: Tile) -> None:
        """Check a tile's grids, learn how its files are read and fit its scalings, now instead of at its first crop.

        Args:
            tile: The tile.

        Raises:
            ValueError: Files that do not lie upon each other, or numbers whose meaning is not known.
        """
        self._check(tile)
        for name in self.sensors:
            reading = self._reading(tile, name)
            if reading.divisor is None:
                for band in reading.bands:
                    self._scaling(tile, name, band)

    def _header(self, path: Path) -> RasterInfo:
        """The header of a file, read once while it is open."""
        return self._files.get(path)[1]

    def _check(self, tile: Tile) -> None:
        if tile.every_file not in self._checked:
            check_tile_grids(tile, self._header)
            self._checked.add(tile.every_file)

    def read(
        self, tile: Tile, window: Window
    ) -> tuple[dict[str, Float[np.ndarray, "bands height width"]], np.ndarray | None, np.ndarray]:
        """A window of all sensors: the first three parts of :meth:`patch`.

        Args:
            tile: The tile.
            window: May hang over the tile: what lies outside is zero, not valid and not labelled.

        Returns:
            Sensors by name in [0, 1], the label (uint8, None if the tile has none) and the mask of pixels where
            every sensor holds data.
        """
        found = self.patch(tile, window)
        return found.arrays, found.label, found.valid

    def patch(self, tile: Tile, window: Window) -> Patch:
        """A window of all sensors, and which of its pixels count.

        Args:
            tile: The tile.
            window: May hang over the tile: what lies outside is zero, not valid and not labelled.

        Returns:
            Sensors, label and masks. Where a pixel does not count the label is the ignored one, so that what is
            learnt and scored is what a map shows.

        Raises:
            ValueError: Files that do not lie upon each other, or numbers whose meaning is not known.
        """
        self._check(tile)
        arrays: dict[str, np.ndarray] = {}
        valid = np.ones((window.height, window.width), dtype=bool)
        counted, deciding = valid, self.deciding(tile)
        for name in self.sensors:
            arrays[name], usable = self._sensor(tile, name, window)
            valid = valid & usable
            if name in deciding:
                counted = counted & usable
        self.notes.log()
        if tile.label is None:
            return Patch(arrays, None, valid, counted)
        label = self._label(tile, tile.label, window)
        label[~counted] = tile.info.ignore_index
        return Patch(arrays, label, valid, counted)

    def _label(self, tile: Tile, path: Path, window: Window) -> UInt8[np.ndarray, "height width"]:
        """A window of a label; what lies outside the file is not labelled."""
        label = np.full((window.height, window.width), tile.info.ignore_index, dtype=np.uint8)
        held = self._decoded_labels.get(path)
        if held is not None:
            inside = window.inside(*held.shape)
            part = held[inside.slices]
        else:
            source, info = self._files.get(path)
            inside = window.inside(info.height, info.width)
            if not (inside.height and inside.width):
                return label
            if path not in self._labels:
                self._labels[path] = LabelFile.of(source, info, tile.info.coding)
            part = self._labels[path].read(source, inside)
        top, left = inside.row - window.row, inside.col - window.col
        label[top : top + inside.height, left : left + inside.width] = part
        return label

    def _raw(
        self, path: Path, window: Window, bands: tuple[int, ...] | None, alpha: int | None = None
    ) -> tuple[np.ndarray, np.ndarray | None, float | None, tuple[slice, slice]]:
        """Pixels of the part inside the raster, the file's mask, nodata, and where they go."""
        held = self._decoded.get(path)
        if held is not None:
            inside = window.inside(*held.array.shape[1:])
            chosen = slice(None) if bands is None else [band - 1 for band in bands]
            array = held.array[chosen][(..., *inside.slices)]
            values = held.nodatas if bands is None else [held.nodatas[band - 1] for band in bands]
            opaque = None if alpha is None else held.array[alpha - 1][inside.slices] > 0
            stored = None if held.mask is None else held.mask[inside.slices]
            masks = [m for m in (stored, band_mask(array, values), opaque) if m is not None]
            mask = np.logical_and.reduce(masks) if masks else None
            nodata = shared_nodata(values)
        else:
            source, info = self._files.get(path)
            inside = window.inside(info.height, info.width)
            if inside.height and inside.width:
                array = read_window(source, path, inside, bands)
                mask = own_mask(source, inside, alpha, bands)
            else:
                count = info.bands if bands is None else len(bands)
                array = np.zeros((count, inside.height, inside.width), dtype=info.dtype)
                mask = None
            nodata = info.nodata_of(bands)
        top, left = inside.row - window.row, inside.col - window.col
        where = (slice(top, top + inside.height), slice(left, left + inside.width))
        return array, mask, nodata, where

    def _sensor(self, tile: Tile, name: str, window: Window) -> tuple[np.ndarray, np.ndarray]:
        path, reading = file_of(tile, name), self._reading(tile, name)
        array, mask, nodata, where = self._raw(path, window, reading.bands, reading.alpha)
        usable = reading.usable(array, nodata, mask)
        scaled = np.zeros((array.shape[0], window.height, window.width), dtype=np.float32)
        valid = np.zeros(scaled.shape[1:], dtype=bool)
        inside = Window(
            window.row + (where[0].start or 0), window.col + (where[1].start or 0), *usable.shape
        )
        for index, band in enumerate(reading.bands):
            quantity = reading.of_band(array[index], band)
            if reading.divisor is not None:
                part = np.clip(quantity.astype(np.float32) / np.float32(reading.divisor), 0, 1)
                scaled[(index, *where)] = np.where(usable, part, np.float32(0))
            else:
                fitted = self._scaling(tile, name, band)
                scaled[(index, *where)] = fitted(quantity, usable, inside)
        valid[where] = usable
        return scaled, valid

    def _reading(self, tile: Tile, name: str) -> Interpretation:
        """How a file is read, learnt once."""
        path = file_of(tile, name)
        if (path, name) not in self._readings:
            info = tile.info.sensors[name]
            gsd = tile.info.width_of(self._header(path))
            found = interpret(path, info, self.scaling, gsd, self._header(path))
            self.notes.add(path, found.remarks)
            self._readings[path, name] = found
        return self._readings[path, name]

    def _scaling(self, tile: Tile, name: str, band: int) -> Scaling:
        path, info = file_of(tile, name), tile.info.sensors[name]
        if (path, band) not in self._fitted:
            scaling = self.scaling if info.is_height else "robust"
            gsd = tile.info.width_of(self._header(path))
            if gsd is None and scaling == "ground":
                self.notes.add(path, (
                    f"does not say how wide its pixels are: {DEFAULT_GSD:g} m is assumed to find the ground; "
                    'write "gsd_m" in dataset.json',
                ))  # fmt: skip
            reading = self._reading(tile, name)
            self._fitted[path, band] = fit_scaling_from_file(path, scaling, gsd, band, reading)
        return self._fitted[path, band]


def file_of(tile: Tile, sensor: str) -> Path:
    """The file of a sensor.

    Args:
        tile: The tile.
        sensor: Its name.

    Returns:
        The path.

    Raises:
        ValueError: The tile has no such sensor.
    """
    if sensor not in tile.files:
        raise ValueError(
            f"tile {tile.id} has no sensor {sensor!r}: found {', '.join(tile.files)}; "
            "open the dataset with that sensor or ask for another"
        )
    return tile.files[sensor]


def to_sample(
    arrays: dict[str, np.ndarray], label: np.ndarray | None, valid: np.ndarray | None
) -> dict[str, Tensor]:
    """Arrays as tensors, in the form every model of the package takes.

    Args:
        arrays: Sensors by name, ``(bands, height, width)``.
        label: Class indices or None.
        valid: Mask to add under the key ``valid``, or None.

    Returns:
        Sensors as float32, ``label`` as int64, ``valid`` as bool.
    """
    sample = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
    if label is not None:
        sample["label"] = torch.from_numpy(label.astype(np.int64))
    if valid is not None:
        sample["valid"] = torch.from_numpy(np.ascontiguousarray(valid))
    return sample
