"""Polygons of a map: class maps, object maps, changes and plates as vectors, also of maps larger than memory.

Every part of the map, pixels of one value that hang together by their sides, becomes a polygon with attributes. Parts
are found window by window (:mod:`mfnet_lite.scenes.parts`) and written as soon as they are complete.

::

    write_vectors("map.tif", "map.gpkg", min_area=10, simplify=1)

Memory holds a row of windows and the outlines of the parts that are still open. It does not grow with the height of
the map, unless one part does: a background around everything is one polygon with a hole for everything else, and a
polygon is written as a whole. ``omit`` leaves such a value out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from jaxtyping import Float64, Int64
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine
from tqdm.auto import tqdm

from mfnet_lite.rasters.geojson import PIXELS
from mfnet_lite.rasters.grids import check_same_grid
from mfnet_lite.rasters.interpretation.georeference import (
    misplaced_by,
)
from mfnet_lite.rasters.io import info_of, open_raster, own_mask, quiet, raster_info, read_window
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.rasters.write import check_spares
from mfnet_lite.scenes.map_rows import MAP_DIGEST
from mfnet_lite.scenes.object_scores import SCORES_DIGEST, read_scores, scores_beside
from mfnet_lite.scenes.part_outlines import NO_PART
from mfnet_lite.scenes.parts import WINDOW, Parts, find_parts
from mfnet_lite.scenes.polygon_areas import areas_on_ground, metres_per_unit
from mfnet_lite.scenes.vector_files import check_vector_name, open_vector_file
from mfnet_lite.utils.optional_geometry import shapely

__all__ = ["Vectors", "confidence_beside", "write_vectors"]

GDAL_CACHE_MB = 48  # GDAL's own default is a share of the machine's memory


class Vectors(NamedTuple):
    """What :func:`write_vectors` wrote.

    Args:
        path: The file.
        polygons: Number of polygons in it.
        small: Number of parts that were left out because they are too small.
        crs: Coordinate system; None if coordinates are pixels.
        confidence: The raster that the mean confidence was taken from, if there was one.
    """

    path: Path
    polygons: int
    small: int
    crs: CRS | None
    confidence: Path | None


def write_vectors(
    path: str | Path,
    out: str | Path,
    *,
    confidence: str | Path | None = None,
    min_area: float = 0.0,
    simplify: float = 0.0,
    omit: Collection[int] = (),
    window: int = WINDOW,
    progress: bool = False,
) -> Vectors:
    """Write the parts of a map as polygons.

    Attributes are ``class`` and, if the map tells names, ``name``; of an object map ``object`` and, if ``scores.csv``
    lies beside it, ``score``. Further ``area_m2``, or ``area_px`` where the map has no coordinate system, and
    ``confidence``, the mean over the part. An object in several pieces becomes several polygons of one number.

    Args:
        path: The map: one band of whole numbers. Pixels without data become no polygon, nor do those of number 0 in
            an object map (its band is described as ``object``, as :mod:`mfnet_lite.scenes.masks` does).
        out: The file to write, ``.gpkg`` or ``.geojson``, in the coordinate system of the map. Without one,
            coordinates are pixels from the upper left corner, y downwards.
        confidence: Raster on the same grid; defaults to ``NAME_confidence.tif`` beside the map if it is there, which
            then must have been made with it.
        min_area: Smaller polygons are left out: square metres, or pixels without a coordinate system.
        simplify: Side of a square, in pixels, as large as the triangles that may be cut off at borders; 1 takes the
            steps of pixels away, 0 keeps everything. Neighbours keep their common border, whatever the number.
        omit: Further values of the map that become no polygon.
        window: Side of the windows in pixels. Without ``simplify`` it changes no polygon; with it, borders keep a
            point wherever they cross the border of a window.
        progress: Whether to draw a progress bar.

    Returns:
        The file, and what is in it.

    Raises:
        FileNotFoundError: If there is no map.
        ValueError: If it holds no classes or objects, a number is out of range, ``confidence`` lies elsewhere,
            ``confidence`` or ``scores.csv`` belong to another map, the map is placed by ground control points that no
            affine transform fits to half a pixel, or ``out`` is one of the inputs or of an unknown kind.
        ImportError: If shapely or pyogrio is not installed.
    """
    path, out = Path(path), Path(out)
    check_vector_name(out)
    for value, what in ((min_area, "min_area"), (simplify, "simplify")):
        if not (value >= 0 and math.isfinite(value)):
            raise ValueError(f"{what} must be 0 or a positive number, got {value:g}")
    if window < 1:
        raise ValueError(f"window must be at least 1 pixel, got {window}")
    info = raster_info(path)
    _check_map(info)
    made = _digest(path)
    if confidence is None:
        confidence = confidence_beside(path)
        if confidence is not None and _digest(confidence) != made:
            raise ValueError(
                f"{confidence} was not made with {path}, which may have been predicted again since; delete it, predict "
                "with --confidence, or name the raster to use as confidence"
            )
    elif made and _digest(Path(confidence)) not in (None, made):
        raise ValueError(
            f"{confidence} was made with another map than {path}: expected that of this one; predict both again"
        )
    weights = None if confidence is None else raster_info(confidence)
    if weights is not None:
        _check_confidence(weights, info)
    check_spares(out, [path] if weights is None else [path, weights.path])
    is_objects = (info.descriptions[0] or "").startswith("object")
    crs, transform = _georeference(info)
    total, small, pixels = 0, 0, info.height * info.width
    with (
        rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE_MB),
        quiet(),
        _Values(info, {*omit, *([0] if is_objects else [])}) as values,
        _Weights(weights) as weigh,
        open_vector_file(out, crs) as file,
        tqdm(total=pixels, unit="px", unit_scale=True, disable=not progress) as bar,
    ):

        def read(part: Window) -> Int64[np.ndarray, "h w"]:
            # neighbouring windows share pixels, which are counted once
            bar.update(min(window**2, part.height * part.width, pixels - bar.n))
            return values.read(part)

        described = _Attributes(
            "object" if is_objects else "class",
            None if is_objects else class_names(values.tags),
            read_scores(scores_beside(path), values.tags.get(SCORES_DIGEST))
            if is_objects
            else None,
            weights is not None,
            crs,
            abs(_determinant(transform)),
        )
        for parts in find_parts(
            read,
            info.height,
            info.width,
            weigh=None if weights is None else weigh.read,
            tolerance=simplify,
            window=window,
        ):
            polygons = _placed(parts.polygons, transform)
            fields = described.of(parts, polygons)
            large = fields[described.area] >= min_area * (1 - 1e-9)  # rounding
            file.add(polygons[large], {name: column[large] for name, column in fields.items()})
            total, small = total + int(large.sum()), small + int((~large).sum())
        if not total:
            file.add(np.zeros(0, object), described.none())
    return Vectors(out, total, small, crs, None if weights is None else weights.path)


def _digest(path: str | Path) -> str | None:
    """Return what says which map a file is, or was made with; None in files that do not say."""
    with quiet(), open_raster(path) as source:
        found: str | None = source.tags().get(MAP_DIGEST)
    return found


def confidence_beside(path: str | Path) -> Path | None:
    """Find the confidence that lies beside a map: ``map_confidence.tif`` beside ``map.tif``.

    Args:
        path: The map.

    Returns:
        The file; None if there is none.
    """
    path = Path(path)
    found = path.with_name(f"{path.stem}_confidence.tif")
    return found if found.is_file() else None


def class_names(tags: dict[str, str]) -> dict[int, str]:
    """Read the names of classes as :func:`~mfnet_lite.scenes.predict.predict_scene` writes them.

    Args:
        tags: Of the map.

    Returns:
        Names by number; empty if the map tells none.

    Example:
        >>> class_names({"CLASSES": "0 road; 1 low plants"})
        {0: 'road', 1: 'low plants'}
    """
    found = re.findall(r"(?:^|; )(\d+) (.*?)(?=; \d+ |$)", tags.get("CLASSES", ""))
    return {int(number): name for number, name in found}


def _check_map(info: RasterInfo) -> None:
    """Refuse what is no map."""
    if info.bands != 1:
        raise ValueError(
            f"{info.path} has {info.bands} bands, expected a map of one band: classes or objects; give the map that "
            "was made from it"
        )
    if info.descriptions[0] == "confidence":
        raise ValueError(
            f"{info.path} holds the confidence of a map, expected classes or objects; give the map itself"
        )
    if np.dtype(info.dtype).kind not in "iu":
        raise ValueError(
            f"{info.path} holds {info.dtype}, expected whole numbers: classes or objects; give the map, not its "
            "probabilities or heights"
        )


def _check_confidence(weights: RasterInfo, info: RasterInfo) -> None:
    if weights.bands != 1:
        raise ValueError(
            f"{weights.path} has {weights.bands} bands, expected one: the confidence of the chosen class; give another "
            "raster"
        )
    check_same_grid([info, weights])


def _georeference(info: RasterInfo) -> tuple[CRS | None, Affine]:
    """Coordinate system and transform; none and the identity for pixels."""
    transform = info.place
    if info.crs is None or transform is None:
        return None, Affine.identity()
    if info.transform is None and (words := misplaced_by(list(info.gcps))) is not None:
        raise ValueError(f"{info.path} {words}")
    return info.crs, transform


def _placed(polygons: NDArray[np.object_], t: Affine) -> NDArray[np.object_]:
    """Polygons in coordinates, their outer rings against the clock."""

    def place(xy: Float64[np.ndarray, "points 2"]) -> Float64[np.ndarray, "points 2"]:
        # every point by the same operations: neighbours agree in the last digit
        x, y = xy.T
        return np.stack([t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f], axis=1)

    placed = shapely().transform(polygons, place)
    return np.asarray(shapely().reverse(placed) if _determinant(t) < 0 else placed)


def _determinant(t: Affine) -> float:
    return float(t.a * t.e - t.b * t.d)


@dataclass(frozen=True)
class _Attributes:
    """Attributes of polygons: which there are, and their values."""

    key: str
    names: dict[int, str] | None
    scores: Float64[np.ndarray, " numbers"] | None
    confidence: bool
    crs: CRS | None
    pixel: float

    @property
    def area(self) -> str:
        return "area_px" if self.crs is None else "area_m2"

    def of(self, parts: Parts, polygons: NDArray[np.object_]) -> dict[str, NDArray[Any]]:
        """The attributes of some polygons."""
        fields: dict[str, NDArray[Any]] = {self.key: parts.values}
        if self.names:
            fields["name"] = np.array([self.names.get(int(v)) for v in parts.values], object)
        fields[self.area] = self._areas(parts.polygons, polygons)
        if self.confidence:
            fields["confidence"] = parts.means
        if self.scores is not None:
            known = parts.values < len(self.scores)
            fields["score"] = np.where(known, self.scores[np.where(known, parts.values, 0)], np.nan)
        if self.crs is None:
            fields["coordinates"] = np.full(len(polygons), PIXELS, object)
        return fields

    def _areas(
        self, in_pixels: NDArray[np.object_], polygons: NDArray[np.object_]
    ) -> Float64[np.ndarray, " polygons"]:
        unit = 1.0 if self.crs is None else metres_per_unit(self.crs)
        if unit is None:
            assert self.crs is not None
            return areas_on_ground(polygons, self.crs)
        # counted in pixels, since coordinates in millions of metres leave few digits for the area of a pixel
        return np.asarray(shapely().area(in_pixels)) * self.pixel * unit**2

    def none(self) -> dict[str, NDArray[Any]]:
        """The attributes of no polygon."""
        nothing = Parts(
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, object)
        )
        return self.of(nothing, nothing.polygons)


class _Open:
    """A raster that is open while it is needed."""

    def __init__(self, info: RasterInfo | None) -> None:
        self.info = info
        self.source: Any = None

    def __enter__(self) -> Any:
        if self.info is not None:
            self.source = open_raster(self.info.path)
            self.info = info_of(self.source, self.info.path)
        return self

    def __exit__(self, *_: object) -> None:
        if self.source is not None:
            self.source.close()

    def pixels(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Pixels of a window, and whether they hold data."""
        assert self.info is not None
        array = read_window(self.source, self.info.path, window, [1])[0]
        valid = own_mask(self.source, window, bands=(1,))
        valid = np.ones(array.shape, bool) if valid is None else valid
        if self.info.nodata is not None and not np.isnan(self.info.nodata):
            valid = valid & (array != self.info.nodata)
        return array, valid


class _Values(_Open):
    """The values of the map."""

    def __init__(self, info: RasterInfo, omit: set[int]) -> None:
        super().__init__(info)
        self.omit = sorted(omit)

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.source.tags())

    def read(self, window: Window) -> Int64[np.ndarray, "h w"]:
        """Values in a window, no part where there is no data."""
        array, valid = self.pixels(window)
        values = array.astype(np.int64)
        valid &= ~np.isin(values, self.omit)
        lowest = int(values.min(initial=0, where=valid))
        if lowest < 0:
            assert self.info is not None
            raise ValueError(
                f"{self.info.path} holds the value {lowest}, expected classes or objects from 0; state it as nodata "
                "or leave it out with omit"
            )
        return np.where(valid, values, NO_PART)


class _Weights(_Open):
    """The confidence per pixel."""

    def read(self, window: Window) -> Float64[np.ndarray, "h w"]:
        """Confidence in a window, in the unit that the file's scale says; NaN without data."""
        assert self.info is not None
        array, valid = self.pixels(window)
        scaled = array * float(self.info.scales[0]) + float(self.info.offsets[0])
        return np.where(valid, scaled, np.nan)
