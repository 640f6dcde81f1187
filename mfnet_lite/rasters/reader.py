"""From the files of a tile to the tensors of a sample, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Num, UInt8
from torch import Tensor

from mfnet_lite.rasters.io import own_mask, read_raster, read_window
from mfnet_lite.rasters.label_files import LabelFile, read_label
from mfnet_lite.rasters.open_files import OpenFiles
from mfnet_lite.rasters.raster import valid_mask
from mfnet_lite.rasters.scaling import Scaling, check_name
from mfnet_lite.rasters.streaming import fit_scaling_from_file
from mfnet_lite.rasters.tiles import OPTICAL, SensorInfo, Tile
from mfnet_lite.rasters.tiling import Window

PICTURES = (OPTICAL, "before", "after")


@dataclass(frozen=True, eq=False)
class Decoded:
    """A file held in memory in its own type."""

    array: Num[np.ndarray, "bands height width"]
    mask: Bool[np.ndarray, "height width"] | None
    nodata: float | None


class TileReader:
    """Reads windows of tiles as scaled float arrays.

    Args:
        sensors: Which to read; the first one's raster gives the size of a tile.
        scaling: For elevations: ``minmax``, ``robust`` or ``ground``.
    """

    def __init__(self, sensors: Sequence[str], scaling: str = "ground") -> None:
        check_name(scaling)
        if not sensors:
            raise ValueError("expected at least one sensor, got none; name one such as 'optical'")
        self.sensors = tuple(sensors)
        self.scaling = scaling
        self._files = OpenFiles()
        self._decoded: dict[Path, Decoded] = {}
        self._fitted: dict[tuple[Path, int], Scaling] = {}
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._labels: dict[Path, LabelFile] = {}
        self._decoded_labels: dict[Path, UInt8[np.ndarray, "height width"]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Handles stay behind when the reader is sent to another process."""
        return {key: value for key, value in self.__dict__.items() if key != "_files"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._files = OpenFiles()

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
                raster = read_raster(path)
                self._decoded[path] = Decoded(raster.array, raster.mask, raster.nodata)
        if tile.label is not None and tile.label not in self._decoded_labels:
            self._decoded_labels[tile.label] = read_label(tile.label, tile.info.coding)

    def fit(self, tile: Tile) -> None:
        """Compute the statistics of a tile's scaled sensors now instead of at its first crop.

        Args:
            tile: The tile.
        """
        one = Window(0, 0, 1, 1)
        for name in self.sensors:
            self._sensor(tile, name, one)

    def read(
        self, tile: Tile, window: Window
    ) -> tuple[dict[str, Float[np.ndarray, "bands height width"]], np.ndarray | None, np.ndarray]:
        """A window of all sensors.

        Args:
            tile: The tile.
            window: May hang over the tile: what lies outside is zero, not valid and not labelled.

        Returns:
            Sensors by name in [0, 1], the label (uint8, None if the tile has none) and the mask of
            pixels where every sensor holds data.
        """
        arrays: dict[str, np.ndarray] = {}
        valid = np.ones((window.height, window.width), dtype=bool)
        labelled = valid
        for name in self.sensors:
            arrays[name], usable = self._sensor(tile, name, window)
            valid = valid & usable
            if name == self.sensors[0]:
                labelled = usable
        if tile.label is None:
            return arrays, None, valid
        label = self._label(tile, tile.label, window)
        label[~labelled] = tile.info.ignore_index
        return arrays, label, valid

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
        self, path: Path, window: Window, bands: tuple[int, ...] | None
    ) -> tuple[np.ndarray, np.ndarray, float | None, tuple[slice, slice]]:
        """Pixels of the part inside the raster, their mask, nodata, and where they go."""
        held = self._decoded.get(path)
        if held is not None:
            inside = window.inside(*held.array.shape[1:])
            chosen = slice(None) if bands is None else [band - 1 for band in bands]
            array = held.array[chosen][(..., *inside.slices)]
            mask = None if held.mask is None else held.mask[inside.slices]
            nodata = held.nodata
        else:
            source, info = self._files.get(path)
            inside = window.inside(info.height, info.width)
            if inside.height and inside.width:
                array = read_window(source, path, inside, bands)
                mask = own_mask(source, inside)
            else:
                count = info.bands if bands is None else len(bands)
                array = np.zeros((count, inside.height, inside.width), dtype=info.dtype)
                mask = None
            nodata = info.nodata
        top, left = inside.row - window.row, inside.col - window.col
        where = (slice(top, top + inside.height), slice(left, left + inside.width))
        return array, valid_mask(array, nodata, mask), nodata, where

    def _sensor(self, tile: Tile, name: str, window: Window) -> tuple[np.ndarray, np.ndarray]:
        path, info = file_of(tile, name), tile.info.sensors[name]
        array, usable, _, where = self._raw(path, window, info.select)
        scaled = np.zeros((array.shape[0], window.height, window.width), dtype=np.float32)
        valid = np.zeros(scaled.shape[1:], dtype=bool)
        inside = Window(
            window.row + (where[0].start or 0), window.col + (where[1].start or 0), *usable.shape
        )
        factor = picture_scale(path, info, array.dtype, self.scaling)
        if factor is not None:
            part = np.clip(array.astype(np.float32) / np.float32(factor), 0, 1)
            scaled[(..., *where)] = np.where(usable, part, np.float32(0))
        else:
            for index in range(array.shape[0]):
                band = index + 1 if info.select is None else info.select[index]
                fitted = self._scaling(path, band, tile, info)
                scaled[(index, *where)] = fitted(array[index], usable, inside)
        valid[where] = usable
        return scaled, valid

    def _scaling(self, path: Path, band: int, tile: Tile, info: SensorInfo) -> Scaling:
        if (path, band) not in self._fitted:
            name = self.scaling if info.is_height else "robust"
            self._fitted[path, band] = fit_scaling_from_file(path, name, tile.info.gsd, band)
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


def picture_scale(path: Path, info: SensorInfo, dtype: np.dtype[Any], scaling: str) -> float | None:
    """The number a sensor is divided by to reach [0, 1], or None if it is fitted per tile.

    Args:
        path: The file, for messages.
        info: The sensor.
        dtype: Type of its pixels.
        scaling: Name of the scaling of elevations.

    Returns:
        255 for bytes, the stated scale, 1 for pictures in floats; None for elevations and for other
        measurements in floats (radar, thermal), which are fitted. Elevations in bytes are heights
        above ground already (Potsdam's normalised DSM): ``ground`` divides them by 255.

    Raises:
        ValueError: A picture in a wider integer type without a stated scale.
    """
    if info.is_height:
        return 255.0 if dtype == np.uint8 and scaling == "ground" else None
    if info.scale is not None:
        return info.scale
    if dtype == np.uint8:
        return 255.0
    if np.issubdtype(dtype, np.floating):
        return 1.0 if info.name in PICTURES else None
    raise ValueError(
        f"{path} is {dtype} and its range is not known: expected uint8, or image_scale in "
        "dataset.json; state the value which means full reflectance, such as 10000 for Sentinel-2"
    )


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
