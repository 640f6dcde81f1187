"""Maps of whole scenes, also of scenes that do not fit into memory.

Windows are read from the files, run through the model, blended (:mod:`mfnet_lite.blending`) and
written row by row. What is in memory at any time is one band of logits as high as a window; the
height of the scene does not matter. The map is a GeoTIFF in the place of its inputs, with a colour
table, and it appears under its name only when it is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn
from tqdm.auto import tqdm

from mfnet_lite.blending import Blend, stitch
from mfnet_lite.rasters.io import quiet, raster_info
from mfnet_lite.rasters.labels import LabelCoding
from mfnet_lite.rasters.raster import Colour, RasterInfo
from mfnet_lite.rasters.reader import TileReader, to_sample
from mfnet_lite.rasters.tiles import DatasetInfo, SensorInfo, Tile
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.rasters.write import BLOCK, colour_table, geotiff_profile, replacing
from mfnet_lite.training.evaluate import cutter, evaluating

NODATA = 255
GDAL_CACHE_MB = 128  # GDAL's own default is a share of the machine's memory
GRID_TOLERANCE = 0.01  # pixels by which two grids may differ


def predict_array(
    model: nn.Module,
    sample: Mapping[str, Float[Tensor, "channels height width"]],
    window: int = 256,
    stride: int | None = None,
    blend: Blend = "smooth",
    margin: int = 0,
    batch: int = 4,
    official: bool = False,
) -> Float[Tensor, "classes height width"]:
    """Predict one scene held in memory, in overlapping windows.

    Args:
        model: maps ``{sensor: (batch, channels, h, w)}`` to logits.
        sample: sensors on one grid; a label of two axes is not passed on.
        window: side of a window.
        stride: step of the windows, half a window without.
        blend: ``"smooth"`` (weighted mean of logits) or ``"sum"`` (raw sum, the authors').
        margin: pixels at inner window borders that do not count.
        batch: windows per forward pass.
        official: repeat border windows as MFNet's loop does.

    Returns:
        Logits on the CPU, float32; with ``"sum"`` they are sums over as many windows as saw the
        pixel.

    Example:
        >>> import torch
        >>> class Brightness(torch.nn.Module):
        ...     def forward(self, sample):
        ...         return torch.cat([1 - sample["optical"], sample["optical"]], dim=1)
        >>> scene = torch.rand(1, 50, 70)
        >>> logits = predict_array(Brightness(), {"optical": scene}, window=16)
        >>> torch.equal(logits.argmax(0), (scene[0] > 0.5).long())
        True
    """
    sensors = {name: value for name, value in sample.items() if value.ndim == 3}
    if not sensors or len({value.shape[1:] for value in sensors.values()}) > 1:
        shapes = {name: tuple(value.shape) for name, value in sensors.items()}
        raise ValueError(f"expected sensors of one (channels, height, width) grid, got {shapes}")
    height, width = next(iter(sensors.values())).shape[1:]
    with evaluating(model):
        parts = [
            logits
            for _, logits in stitch(
                model,
                cutter(sensors),
                height,
                width,
                window=window,
                stride=stride,
                blend=blend,
                margin=margin,
                batch=batch,
                official=official,
            )
        ]
    return torch.cat(parts, dim=1)


def predict_scene(
    model: nn.Module,
    paths: Mapping[str, str | Path],
    out: str | Path,
    *,
    window: int = 256,
    stride: int | None = None,
    blend: Blend = "smooth",
    margin: int = 0,
    batch: int = 4,
    official: bool = False,
    scaling: str = "ground",
    sensors: Mapping[str, SensorInfo] | None = None,
    gsd: float | None = None,
    classes: Sequence[str] | None = None,
    palette: Sequence[Colour] | None = None,
    holes: Literal["any", "first"] = "any",
    device: str = "auto",
    progress: bool = True,
) -> Path:
    """Predict a map of a scene of any size.

    Args:
        model: maps ``{sensor: (batch, channels, h, w)}`` to logits; it is moved to ``device``.
        paths: a raster per sensor, all on one grid.
        out: the GeoTIFF to write.
        window: side of a window.
        stride: step of the windows, half a window without.
        blend: ``"smooth"`` or ``"sum"``, see :mod:`mfnet_lite.blending`.
        margin: pixels at inner window borders that do not count.
        batch: windows per forward pass.
        official: repeat border windows as MFNet's loop does.
        scaling: of elevations, as in training: ``minmax``, ``robust`` or ``ground``; its statistics
            are those of the whole scene.
        sensors: what is known about the sensors (bands to take, scale); by name only without.
        gsd: metres per pixel, for ``ground``; the files' own without.
        classes: names, stored in the file's metadata.
        palette: a colour per class, for the colour table.
        holes: where the map has no data: where ``"any"`` sensor has none, or only the ``"first"``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
        progress: whether to draw a progress bar.

    Returns:
        The path written: one band of uint8, class indices, 255 = no data.

    Raises:
        FileNotFoundError: if a raster is missing.
        ValueError: if the rasters do not lie on one grid, or the model does not fit them.
    """
    out = Path(out)
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"{out} cannot be written: expected a name ending in .tif; rename it")
    infos = check_grid(paths)
    first = next(iter(infos.values()))
    known = dict(sensors or {})
    described = {name: known.get(name, SensorInfo(name)) for name in paths}
    dataset = DatasetInfo((), LabelCoding(1), described, gsd=gsd or first.gsd)
    tile = Tile("scene", {name: Path(path) for name, path in paths.items()}, None, dataset)
    model.to(pick_device(device))
    profile = geotiff_profile(
        first.height, first.width, 1, "uint8", first, nodata=NODATA, palette=palette is not None
    )
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB))
        stack.enter_context(evaluating(model))
        scene = _Scene(TileReader(tuple(paths), scaling), tile, holes, min(window, first.height))
        stack.callback(scene.reader.close)
        stack.callback(scene.first.close)
        temporary = stack.enter_context(replacing(out))
        stack.enter_context(quiet())
        bar = stack.enter_context(tqdm(total=first.height, unit="row", disable=not progress))
        with rasterio.open(temporary, "w", **profile) as target:
            target.set_band_description(1, "class")
            if classes is not None:
                target.update_tags(CLASSES="; ".join(f"{i} {c}" for i, c in enumerate(classes)))
            if palette is not None:
                target.write_colormap(1, colour_table(palette))
            rows = _RowWriter(target, first.width)
            for _, logits in stitch(
                model,
                scene.read,
                first.height,
                first.width,
                window=window,
                stride=stride,
                blend=blend,
                margin=margin,
                batch=batch,
                official=official,
            ):
                if logits.shape[0] >= NODATA:
                    raise ValueError(f"a map of bytes holds 254 classes, got {logits.shape[0]}")
                labels = logits.argmax(0).to(torch.uint8).numpy()
                rows.add(np.where(scene.finish(labels.shape[0]), labels, np.uint8(NODATA)))
                bar.update(labels.shape[0])
            rows.flush()
    return out


def check_grid(paths: Mapping[str, str | Path]) -> dict[str, RasterInfo]:
    """Read the headers of all sensors and make sure that their pixels lie upon each other.

    Args:
        paths: a raster per sensor.

    Returns:
        The headers, by sensor.

    Raises:
        ValueError: naming the file that lies elsewhere, and how.
    """
    if not paths:
        raise ValueError("expected at least one raster to predict from, got none")
    infos = {name: raster_info(path) for name, path in paths.items()}
    first, *others = infos.values()
    for other in others:
        advice = f"; resample it to the grid of {first.path} (e.g. with gdalwarp)"
        if (other.height, other.width) != (first.height, first.width):
            raise ValueError(
                f"{other.path} has {other.height} x {other.width} pixels, expected "
                f"{first.height} x {first.width} as in {first.path}{advice}"
            )
        if first.crs is not None and other.crs is not None and first.crs != other.crs:
            raise ValueError(f"{other.path} is in {other.crs}, expected {first.crs}{advice}")
        if first.transform is None or other.transform is None:
            continue  # a plain picture says nothing about its place: trust the size
        corners = [(0, 0), (first.width, 0), (0, first.height)]
        away = max(
            float(np.hypot(x - column, y - row))
            for column, row in corners
            for x, y in [~first.transform @ (other.transform @ (column, row))]
        )
        if away > GRID_TOLERANCE:
            raise ValueError(
                f"{other.path} lies up to {away:.2f} pixels off, expected the place and the pixel "
                f"size of {first.path}{advice}"
            )
    return infos


def pick_device(name: str = "auto") -> torch.device:
    """Turn ``"auto"`` into the best device here, and other names into themselves."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class _Scene:
    """Windows of the files, and which pixels of the open rows hold data."""

    def __init__(self, reader: TileReader, tile: Tile, holes: str, rows: int) -> None:
        if holes not in ("any", "first"):
            raise ValueError(f"holes must be 'any' or 'first', got {holes!r}")
        self.reader, self.tile, self.holes = reader, tile, holes
        self.first = TileReader(reader.sensors[:1], reader.scaling)
        self.valid = np.zeros((rows, reader.size(tile)[1]), dtype=bool)
        self.top = 0

    def read(self, window: Window) -> dict[str, Tensor]:
        """Return the sensors in a window and note where they hold data."""
        arrays, _, valid = self.reader.read(self.tile, window)
        if self.holes == "first":
            _, _, valid = self.first.read(self.tile, window)
        first = window.row - self.top
        self.valid[first : first + window.height, window.slices[1]] = valid
        return to_sample(arrays, None, None)

    def finish(self, rows: int) -> Bool[np.ndarray, "rows width"]:
        """Hand out the mask of the finished rows and move on."""
        done = self.valid[:rows].copy()
        self.valid = np.concatenate([self.valid[rows:], np.zeros_like(done)])
        self.top += rows
        return done


class _RowWriter:
    """Writes rows in whole blocks of the file, so that none is compressed twice."""

    def __init__(self, target: rasterio.io.DatasetWriter, width: int) -> None:
        self.target = target
        self.pending: UInt8[np.ndarray, "rows width"] = np.empty((0, width), np.uint8)
        self.row = 0

    def add(self, rows: UInt8[np.ndarray, "rows width"]) -> None:
        """Take rows and write those which fill blocks."""
        self.pending = np.concatenate([self.pending, rows])
        self._write(self.pending.shape[0] // BLOCK * BLOCK)

    def flush(self) -> None:
        """Write what is left."""
        self._write(self.pending.shape[0])

    def _write(self, count: int) -> None:
        if count:
            place = Window(self.row, 0, count, self.pending.shape[1]).to_rasterio()
            self.target.write(self.pending[:count], 1, window=place)
            self.pending, self.row = self.pending[count:], self.row + count
