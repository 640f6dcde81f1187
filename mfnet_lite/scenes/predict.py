"""Maps of whole scenes, also of scenes that do not fit into memory.

Windows are read from the files, run through the model, blended (:mod:`mfnet_lite.scenes.windows`) and
written row by row. What is in memory at any time is one buffer of logits, as high as a window and as
wide as a panel of columns; the size of the scene does not matter. The map is a GeoTIFF in the place
of its inputs, with a colour table, and it appears under its name only when it is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Unpack

import numpy as np
import rasterio
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from tqdm.auto import tqdm

from mfnet_lite.rasters.cog import replacing_geotiff
from mfnet_lite.rasters.datasets.tile_reader import NodataPolicy, TileReader, to_sample
from mfnet_lite.rasters.grids import best_placed, check_grid
from mfnet_lite.rasters.identity import hash_rasters
from mfnet_lite.rasters.io import quiet
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.raster import Colour, RasterInfo
from mfnet_lite.rasters.tiles import DatasetInfo, SensorInfo, Tile
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.rasters.write import (
    check_spares,
    colour_table,
    geotiff_profile,
)
from mfnet_lite.scenes.confidence import NO_CONFIDENCE, STEPS, confidence_of, times_seen
from mfnet_lite.scenes.evaluate import evaluating, read_from
from mfnet_lite.scenes.map_areas import AreaFiles, Rows, areas_of, network_plan, panels
from mfnet_lite.scenes.map_rows import MAP_DIGEST, RowWriter, map_digest
from mfnet_lite.scenes.part_folder import end_folder
from mfnet_lite.scenes.windows import WindowOptions, Windows, blend_windows, choose_windows
from mfnet_lite.utils.devices import pick_device
from mfnet_lite.utils.labels import IGNORE_INDEX
from mfnet_lite.utils.lists_of_names import check_list_of_names
from mfnet_lite.utils.processes import working_together

NODATA = IGNORE_INDEX
GDAL_CACHE_MB = 48  # GDAL's own default is a share of the machine's memory
PANEL = 2048  # columns held at once, whole blocks of the file


def predict_array(
    model: nn.Module,
    sample: Mapping[str, Float[Tensor, "channels height width"]],
    windows: Windows | None = None,
    **options: Unpack[WindowOptions],
) -> Float[Tensor, "classes height width"]:
    """Predict one scene held in memory, in overlapping windows.

    Args:
        model: Maps ``{sensor: (batch, channels, h, w)}`` to logits.
        sample: Sensors on one grid; a label of two axes is not passed on.
        windows: Size, stride and overlap mode of the windows; defaults to 256 pixels that overlap by half.
        **options: Fields of ``windows`` by keyword instead: ``window``, ``stride``, ``blend``, ….

    Returns:
        Logits on the CPU, float32; with ``"sum"`` they are sums over as many windows as saw the
        pixel.

    Raises:
        ValueError: If the sensors do not lie on one grid, or the windows would leave gaps.

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
    windows = choose_windows(windows, options)
    with evaluating(model):
        rows = blend_windows(model, read_from(sensors), height, width, windows)
        return torch.cat([logits for _, logits in rows], dim=1)


def predict_scene(
    model: nn.Module,
    paths: Mapping[str, str | Path],
    out: str | Path,
    windows: Windows | None = None,
    *,
    scaling: str = "ground",
    sensors: Mapping[str, SensorInfo] | None = None,
    gsd: float | None = None,
    gsd_measured: bool = False,
    classes: Sequence[str] | None = None,
    palette: Sequence[Colour] | None = None,
    holes: NodataPolicy = "any",
    device: str = "auto",
    progress: bool = True,
    panel: int = PANEL,
    confidence: str | Path | None = None,
    cog: bool = False,
    **options: Unpack[WindowOptions],
) -> Path:
    """Predict a map of a scene of any size.

    Under ``torchrun`` every process calls this and makes its share of the map, each on a GPU of its own; the parts
    lie in a folder beside ``out``, ``NAME.tif.parts``, which all of them must see, until the first process puts
    them together. Called again after a failure they make what is missing.

    Args:
        model: Maps ``{sensor: (batch, channels, h, w)}`` to logits; it is moved to ``device``.
        paths: A raster per sensor, all on one grid. The map takes the place of the first that has a coordinate system.
        out: The GeoTIFF to write.
        windows: Size, stride and overlap mode of the windows; defaults to 256 pixels that overlap by half.
        scaling: Of elevations, as in training: ``minmax``, ``robust`` or ``ground``; its statistics
            are those of the whole scene.
        sensors: What is known about the sensors (bands to take, scale); defaults to what their names
            say.
        gsd: Metres per pixel, for ``ground``, of files whose coordinate system does not say.
        gsd_measured: Whether that was measured in other files: then a file's own transform goes before it.
        classes: Names, stored in the file's metadata.
        palette: A colour per class, for the colour table.
        holes: Where the map has no data: where ``"any"`` sensor has none, one of the ``"images"``, or only the
            ``"first"``; the map's tag ``NODATA_POLICY`` says which.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``.
        progress: Whether to draw a progress bar.
        panel: Columns of the scene held at once, and under ``torchrun`` side of the areas that processes share; it is
            rounded up to whole blocks of the file and at least as large as a window. It bounds the memory and changes
            no result.
        confidence: A second GeoTIFF to write: the probability of the class that was chosen
            (:mod:`mfnet_lite.scenes.confidence`), one band of uint8 in steps of 1/250 as its scale says, 255 = no data.
        cog: Whether to write cloud-optimised GeoTIFFs, with overviews.
        **options: Fields of ``windows`` by keyword instead: ``window``, ``stride``, ``blend``, ….

    Returns:
        The path written: one band of uint8, class indices, 255 = no data.

    Raises:
        ConnectionError: If another of several processes has ended.
        FileNotFoundError: If a raster is missing.
        ValueError: If the rasters do not lie on one grid, the model does not fit them, ``out`` is one
            of them, the windows would leave gaps, ``classes`` is a string, or the device is not here.
    """
    check_list_of_names("classes", classes)
    windows = choose_windows(windows, options)
    out = Path(out)
    written = [out] if confidence is None else [out, Path(confidence)]
    for path in written:
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise ValueError(f"{path} cannot be written: expected a name ending in .tif; rename it")
    if len({path.resolve() for path in written}) < len(written):
        raise ValueError(
            f"{out} would be both the map and its confidence: expected two names; choose another one"
        )
    target_device = pick_device(device)
    infos = check_grid(paths)
    for path in written:
        check_spares(path, paths.values())
    placed = best_placed(infos.values())
    known = dict(sensors or {})
    described = {name: known.get(name, SensorInfo(name)) for name in paths}
    dataset = DatasetInfo((), LabelCoding(1), described, gsd=gsd, gsd_measured=gsd_measured)
    reader = TileReader(tuple(paths), scaling, holes)
    tile = Tile("scene", {name: Path(path) for name, path in paths.items()}, None, dataset)
    with rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB):
        reader.prepare(tile)  # what cannot be read is refused before anything is written
    reader.notes.log()
    side = max(panel, windows.size)
    with ExitStack() as stack:
        ranks = stack.enter_context(working_together())
        model.to(ranks.device(target_device))
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB))
        stack.enter_context(evaluating(model))
        stack.callback(reader.close)
        stack.enter_context(quiet())
        bar = stack.enter_context(
            tqdm(unit="px", unit_scale=True, disable=not progress or not ranks.first)
        )

        def computed(
            left: int, right: int, rows: tuple[int, int] = (0, placed.height)
        ) -> Iterator[Rows]:
            """Compute rows of a panel."""
            shape = placed.height, placed.width
            scene = _Scene(reader, tile, windows, shape, (left, right))
            for found in _finished(
                model, scene, shape, windows, (left, right), rows, confidence is not None
            ):
                bar.update(found[0].size)
                yield found

        source: Callable[[int, int], Iterator[Rows]] = computed
        bar.reset(total=placed.height * placed.width)
        files = AreaFiles(
            out.with_name(out.name + ".parts"), areas_of(placed.height, placed.width, side)
        )
        if ranks.world > 1:
            plan = {}
            if ranks.first:
                plan = {
                    **{f"raster of {k}": v for k, v in hash_rasters(tile.files).items()},
                    **network_plan(model),
                    "windows": asdict(windows),
                    "area": side,
                    "confidence": confidence is not None,
                    "settings": repr(
                        (scaling, holes, gsd, gsd_measured, classes, sorted(described.items()))
                    ),
                }
            files.begin(ranks, plan)
            own = files.missing(ranks)
            bar.reset(total=sum(area.size for area in own))
            for area in own:
                files.save(area, computed(area.left, area.right, (area.top, area.bottom)))
            ranks.wait()
            source = files.rows
        if ranks.first:
            _write(source, placed, out, confidence, holes, classes, palette, side, cog)
            if ranks.world > 1:
                end_folder(files.folder)
        ranks.wait()
    return out


def _finished(
    model: nn.Module,
    scene: _Scene,
    shape: tuple[int, int],
    windows: Windows,
    columns: tuple[int, int],
    rows: tuple[int, int],
    sure: bool,
) -> Iterator[Rows]:
    """Compute the classes of a rectangle of the scene from top to bottom, and how sure they are."""
    down, across = (times_seen(windows, length) for length in shape)
    for top, logits in blend_windows(model, scene.read, *shape, windows, columns, rows):
        if logits.shape[0] >= NODATA:
            raise ValueError(f"a map of bytes holds 254 classes, got {logits.shape[0]}")
        # the first of the largest, as argmax says; over a leading axis that takes seven times as long (torch 2.15, CPU)
        labels = logits.max(0).indices.to(torch.uint8).numpy()
        valid = scene.valid_rows(top, labels.shape[0])
        found = None
        if sure:
            if windows.blend == "sum":
                logits = logits / (down[top : top + len(labels), None] * across[slice(*columns)])
            found = np.where(valid, confidence_of(logits), np.uint8(NO_CONFIDENCE))
        yield np.where(valid, labels, np.uint8(NODATA)), found


def _write(
    source: Callable[[int, int], Iterator[Rows]],
    like: RasterInfo,
    out: Path,
    confidence: str | Path | None,
    holes: NodataPolicy,
    classes: Sequence[str] | None,
    palette: Sequence[Colour] | None,
    panel: int,
    cog: bool,
) -> None:
    """Write the map, and its confidence if that is wanted, panel by panel."""
    profile = geotiff_profile(
        like.height,
        like.width,
        1,
        "uint8",
        like,
        nodata=NODATA,
        palette=palette is not None,
        categorical=True,
    )
    with ExitStack() as stack:
        temporary = stack.enter_context(replacing_geotiff(out, cog, "mode"))
        sure = None
        if confidence is not None:
            second = stack.enter_context(replacing_geotiff(confidence, cog, "average"))
            sure = stack.enter_context(_confidence_file(second, like))
        with rasterio.open(temporary, "w", **profile) as target:
            target.set_band_description(1, "class")
            target.update_tags(NODATA_POLICY=holes)
            if classes is not None:
                target.update_tags(CLASSES="; ".join(f"{i} {c}" for i, c in enumerate(classes)))
            if palette is not None:
                target.write_colormap(1, colour_table(palette))
            digest = map_digest()
            for left, right in panels(like.width, panel):
                rows = RowWriter(target, left, right)
                sure_rows = None if sure is None else RowWriter(sure, left, right)
                for labels, found in source(left, right):
                    rows.add(labels)
                    digest.update(labels.tobytes())
                    if sure_rows is not None and found is not None:
                        sure_rows.add(found)
                rows.flush()
                if sure_rows is not None:
                    sure_rows.flush()
            for made in (target, sure):  # so that a confidence is not taken for that of a later map
                if made is not None:
                    made.update_tags(**{MAP_DIGEST: digest.hexdigest()})


def _confidence_file(path: Path, like: RasterInfo) -> rasterio.io.DatasetWriter:
    """Begin the raster of the confidence."""
    profile = geotiff_profile(like.height, like.width, 1, "uint8", like, nodata=NO_CONFIDENCE)
    file = rasterio.open(path, "w", **profile)
    file.set_band_description(1, "confidence")
    file.scales = (1 / STEPS,)
    return file


class _Scene:
    """Windows of the files, and which pixels of the open rows of a panel hold data.

    The rows of all windows that reach into the panel are read in one piece, and what the next row of windows shares
    with them is kept: however much windows overlap, no pixel of a panel is decoded and scaled twice.
    """

    def __init__(
        self,
        reader: TileReader,
        tile: Tile,
        windows: Windows,
        shape: tuple[int, int],
        columns: tuple[int, int],
    ) -> None:
        self.reader, self.tile = reader, tile
        height, width = shape
        left, right = columns
        rows, wide = min(windows.size, height), min(windows.size, width)
        starts = windows.reaching(width, left, right)
        self.first, self.end = starts[0], starts[-1] + wide
        self.inside = slice(left - self.first, right - self.first)
        self.strip: dict[str, np.ndarray] = {}
        self.counted = np.zeros((0, self.end - self.first), dtype=bool)
        self.bottom = 0
        self.valid = np.zeros((rows, right - left), dtype=bool)
        self.top = 0

    def read(self, window: Window) -> dict[str, Tensor]:
        """Return the sensors in a window and note where they hold data."""
        if not self.strip or window.row != self.bottom - len(self.counted):
            self._advance(window.row, window.height)
        columns = slice(window.col - self.first, window.col - self.first + window.width)
        return to_sample(
            {name: array[..., columns] for name, array in self.strip.items()}, None, None
        )

    def _advance(self, row: int, height: int) -> None:
        """Read the rows of the next windows, and keep those that are here already."""
        kept = max(self.bottom - row, 0) if self.strip else 0
        below = Window(row + kept, self.first, height - kept, self.end - self.first)
        patch = self.reader.patch(self.tile, below)
        if kept:
            self.strip = {
                name: np.concatenate([self.strip[name][:, -kept:], array], axis=1)
                for name, array in patch.arrays.items()
            }
            self.counted = np.concatenate([self.counted[-kept:], patch.counted])
        else:
            self.strip, self.counted = patch.arrays, patch.counted
        self.bottom = row + height
        self._close(row)
        self.valid[:height] = self.counted[:, self.inside]

    def valid_rows(self, top: int, rows: int) -> Bool[np.ndarray, "rows width"]:
        """Return the mask of finished rows."""
        return self.valid[top - self.top : top - self.top + rows].copy()

    def _close(self, row: int) -> None:
        """Move on: all rows above a window that is read now are finished."""
        if row > self.top:
            kept = self.valid[row - self.top :].copy()
            self.valid[: len(kept)] = kept
            self.valid[len(kept) :] = False
            self.top = row
