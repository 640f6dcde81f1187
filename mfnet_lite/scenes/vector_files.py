"""Vector files that grow batch by batch: GeoPackage through GDAL, GeoJSON as text.

A GeoJSON file in another system than longitude and latitude names it in the member ``crs``
(:mod:`mfnet_lite.rasters.geojson`).
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS

from mfnet_lite.rasters.geojson import DECIMALS, PIXELS, crs_member
from mfnet_lite.utils.files import replacing
from mfnet_lite.utils.optional_geometry import pyogrio_raw, shapely

__all__ = ["SUFFIXES", "VectorFile", "check_vector_name", "open_vector_file"]

SUFFIXES = (".gpkg", ".geojson", ".json")
BATCH = 20_000
"""Polygons that are handed to GDAL at once: it opens the file anew each time."""


class VectorFile(Protocol):
    """A file that polygons are added to."""

    def add(self, polygons: NDArray[np.object_], fields: Mapping[str, NDArray[Any]]) -> None:
        """Add polygons.

        Args:
            polygons: In the coordinates of the file.
            fields: A value per polygon of every attribute; NaN and None become null.
        """
        ...


def check_vector_name(path: str | Path) -> None:
    """Refuse names that say no format we write.

    Args:
        path: The file to be written.

    Raises:
        ValueError: For another suffix.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{path} cannot be written: expected a name ending in .gpkg (GeoPackage) or .geojson; rename it"
        )


@contextmanager
def open_vector_file(path: str | Path, crs: CRS | None) -> Iterator[VectorFile]:
    """Write a vector file; it appears under its name when it is complete.

    Args:
        path: Ends in ``.gpkg``, ``.geojson`` or ``.json``; an existing file is replaced.
        crs: Coordinate system of the polygons; None for pixels.

    Yields:
        What polygons are added to.

    Raises:
        ValueError: For another suffix.
    """
    path = Path(path)
    check_vector_name(path)
    with replacing(path) as temporary:
        if path.suffix.lower() == ".gpkg":
            temporary.unlink()  # GDAL takes an empty file for a broken one
            package = _GeoPackage(temporary, path, crs)
            yield package
            package.finish()
        else:
            with temporary.open("w", encoding="utf-8") as text:
                yield _GeoJson(text, path.stem, crs)
                text.write("\n]}\n")


class _GeoJson:
    """A FeatureCollection, one feature per line."""

    def __init__(self, text: TextIO, name: str, crs: CRS | None) -> None:
        head: dict[str, Any] = {"type": "FeatureCollection", "name": name}
        head |= {"description": PIXELS} if crs is None else {"crs": crs_member(crs)}
        text.write(json.dumps(head)[:-1] + ', "features": [')
        self.text, self.before = text, "\n"

    def add(self, polygons: NDArray[np.object_], fields: Mapping[str, NDArray[Any]]) -> None:
        """Add polygons."""
        rounded = shapely().transform(polygons, lambda xy: xy.round(DECIMALS))
        columns = [[_plain(value) for value in column.tolist()] for column in fields.values()]
        shapes = shapely().to_geojson(rounded)
        for shape, *values in zip(shapes, *columns, strict=True):
            said = json.dumps(dict(zip(fields, values, strict=True)), ensure_ascii=False)
            self.text.write(
                f'{self.before}{{"type": "Feature", "properties": {said}, "geometry": {shape}}}'
            )
            self.before = ",\n"


def _plain(value: Any) -> Any:
    """NaN is no JSON."""
    return None if isinstance(value, float) and math.isnan(value) else value


class _GeoPackage:
    """One layer of a GeoPackage."""

    def __init__(self, path: Path, name: Path, crs: CRS | None) -> None:
        self.path, self.name, self.layer = path, name, name.stem
        self.crs = None if crs is None else crs.to_wkt()
        self.waiting: list[tuple[NDArray[np.object_], dict[str, NDArray[Any]]]] = []
        self.count, self.begun = 0, False

    def add(self, polygons: NDArray[np.object_], fields: Mapping[str, NDArray[Any]]) -> None:
        """Add polygons."""
        self.waiting.append((shapely().to_wkb(polygons), dict(fields)))
        self.count += len(polygons)
        if self.count >= BATCH:
            self.finish()

    def finish(self) -> None:
        """Write what waits."""
        if not self.waiting:
            return
        names = list(self.waiting[0][1])
        creation: dict[str, Any] = {}
        if not self.begun:
            creation = {"layer_options": {"DESCRIPTION": PIXELS}} if self.crs is None else {}
        with warnings.catch_warnings():
            # of a file without a coordinate system, which is what is meant
            warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
            try:
                pyogrio_raw().write(
                    self.path,
                    np.concatenate([geometry for geometry, _ in self.waiting]),
                    [
                        np.concatenate([fields[name] for _, fields in self.waiting])
                        for name in names
                    ],
                    names,
                    layer=self.layer,
                    driver="GPKG",
                    geometry_type="Polygon",
                    crs=self.crs,
                    append=self.begun,
                    **creation,
                )
            except (
                RuntimeError
            ) as error:  # what GDAL says, under the many names that pyogrio has for it
                raise OSError(
                    f"{self.name} cannot be written ({error}): the disk may be full; make room and call again"
                ) from error
        self.waiting, self.count, self.begun = [], 0, True
