"""Object and boundary maps that belong to tiles: where their files lie, and a window of them.

SAM-assisted training (Ma et al. 2024, arXiv 2312.02464) reads two more maps beside image and label: ids
of objects (SGO) and their boundaries (SGB). Four ways to lay them out are understood, ``<id>`` being the
name of a tile::

    train/objects/<id>.tif, train/boundaries/<id>.tif   beside train/image, or under a folder of their own
    objects/<id>.tif, boundaries/<id>.tif               what `mfnet-lite masks DATASET` writes
    <id>/objects.tif, <id>/boundaries.tif               what `mfnet-lite masks SCENE --out <id>` writes
    <id>_objects.png, <id>_Boundary.png                 the authors' names

A map of objects alone will do, such as the ``instances`` of the procedural world: boundaries then run
wherever two ids meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from mfnet_lite.rasters.grids import check_same_grid
from mfnet_lite.rasters.identity import TAG, raster_hash
from mfnet_lite.rasters.io import (
    RASTER_SUFFIXES,
    open_raster,
    own_mask,
    raster_info,
    read_raster,
    read_window,
)
from mfnet_lite.rasters.open_files import OpenFiles
from mfnet_lite.rasters.raster import valid_mask
from mfnet_lite.rasters.tiles import OPTICAL, Tile
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.utils.borders import borders
from mfnet_lite.utils.counted_nouns import counted

PATTERNS = (
    ("objects/{}", "boundaries/{}"),
    ("{}/objects", "{}/boundaries"),
    ("{}_objects", "{}_Boundary"),
)
"""Names of both maps without suffix, in the order in which they are looked for."""


@dataclass(frozen=True)
class ObjectFiles:
    """The files of one tile.

    Attributes:
        objects: Ids, 0 = no object, one band of integers.
        boundaries: Not 0 on boundaries; None where they follow from the ids.
    """

    objects: Path
    boundaries: Path | None = None


class ObjectWindow(NamedTuple):
    """What both maps say about a window.

    Args:
        objects: Ids as in the file, 0 = no object or a boundary.
        boundaries: Whether a boundary runs here.
    """

    objects: Int64[np.ndarray, "height width"]
    boundaries: Bool[np.ndarray, "height width"]


def find_object_files(tiles: Sequence[Tile], where: str | Path) -> tuple[ObjectFiles, ...]:
    """Find the maps of tiles.

    Args:
        tiles: The tiles.
        where: A folder in one of the layouts above, or the name of a folder beside the tiles' own, such
            as ``objects`` or ``instances``.

    Returns:
        The files of each tile, in their order.

    Raises:
        FileNotFoundError: A tile has no map of objects.
        ValueError: A map is no single band of integers, measures otherwise than its tile or lies elsewhere, or says
            that it was made from another image (those of ``mfnet-lite masks`` do).
    """
    found = []
    for tile in tiles:
        files = _beside(tile, str(where)) if _is_name(where) else _inside(tile, Path(where))
        if files is None:
            looked_in = f"beside {_home(tile)}" if _is_name(where) else f"in {where}"
            raise FileNotFoundError(
                f"tile {tile.id} has no map of objects {looked_in}: expected for example "
                f"{where if _is_name(where) else 'objects'}/{tile.id}.tif; make the maps with "
                "`mfnet-lite masks DATASET --out DIR` and give that folder"
            )
        _check(tile, files)
        found.append(files)
    return tuple(found)


class ObjectReader:
    """Reads windows of object maps; files stay open in a small store per process.

    Args:
        cache: Decode whole files at their first window and keep them: for maps which fit in memory and
            cannot be read in part (PNG).
    """

    def __init__(self, cache: bool = False) -> None:
        self.cache = cache
        self._files = OpenFiles()
        self._decoded: dict[Path, np.ndarray] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Handles stay behind when the reader is sent to another process."""
        return {key: value for key, value in self.__dict__.items() if key != "_files"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._files = OpenFiles()

    def read(self, files: ObjectFiles, window: Window) -> ObjectWindow:
        """Read a window.

        Args:
            files: Maps of a tile.
            window: May hang over the tile: outside there is neither object nor boundary.

        Returns:
            Ids and boundaries. Where the boundaries follow from the ids, one pixel around the window
            is read as well, so that they do not depend on where the window ends.
        """
        if files.boundaries is None:
            ids, where = self._inside(files.objects, window, margin=1)
            edges = borders(ids)
        else:
            ids, where = self._inside(files.objects, window)
            edges = self._inside(files.boundaries, window)[0] != 0
        objects = np.zeros((window.height, window.width), dtype=np.int64)
        boundaries = np.zeros(objects.shape, dtype=bool)
        into, out_of = where
        objects[into] = np.where(edges, 0, ids)[out_of]
        boundaries[into] = edges[out_of]
        return ObjectWindow(objects, boundaries)

    def _inside(
        self, path: Path, window: Window, margin: int = 0
    ) -> tuple[np.ndarray, tuple[tuple[slice, slice], tuple[slice, slice]]]:
        """Pixels of a window with a margin, and how the window's own lie in it: into, out of."""
        wide = Window(
            window.row - margin,
            window.col - margin,
            window.height + 2 * margin,
            window.width + 2 * margin,
        )
        if self.cache:
            if path not in self._decoded:
                raster = read_raster(path, None, (1,))
                self._decoded[path] = np.where(raster.valid, raster.array[0], 0)
            held = self._decoded[path]
            seen, own = (w.inside(*held.shape) for w in (wide, window))
            pixels = held[seen.slices]
        else:
            source, info = self._files.get(path)
            seen, own = (w.inside(info.height, info.width) for w in (wide, window))
            if seen.height and seen.width:
                array = read_window(source, path, seen, (1,))
                valid = valid_mask(array, info.nodata, own_mask(source, seen, bands=(1,)))
                pixels = np.where(valid, array[0], 0)  # nodata is no object
            else:
                pixels = np.zeros((seen.height, seen.width), dtype=info.dtype)
        into = Window(own.row - window.row, own.col - window.col, own.height, own.width)
        out_of = Window(own.row - seen.row, own.col - seen.col, own.height, own.width)
        return pixels, (into.slices, out_of.slices)


def _is_name(where: str | Path) -> bool:
    """Whether this is the name of a folder beside the tiles' own, and no folder itself."""
    return not Path(where).is_dir() and Path(where).name == str(where)


def _home(tile: Tile) -> Path:
    """The folder in which a tile's first raster lies."""
    return next(iter(tile.files.values())).parent


def _beside(tile: Tile, name: str) -> ObjectFiles | None:
    home = _home(tile).parent
    objects = _raster(home / name / tile.id)
    if objects is None:
        return None
    return ObjectFiles(
        objects, _raster(home / "boundaries" / tile.id) if name == "objects" else None
    )


def _inside(tile: Tile, folder: Path) -> ObjectFiles | None:
    for base in (folder, folder / _home(tile).parent.name):
        for pattern, partner in PATTERNS:
            objects = _raster(base / pattern.format(tile.id))
            if objects is not None:
                return ObjectFiles(objects, _raster(base / partner.format(tile.id)))
    return None


def _raster(stem: Path) -> Path | None:
    """The raster of this path without suffix (ids may hold dots)."""
    paths = (stem.with_name(stem.name + suffix) for suffix in RASTER_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _check(tile: Tile, files: ObjectFiles) -> None:
    """Refuse maps that cannot be those of the tile."""
    own = raster_info(next(iter(tile.files.values())))
    for path in (files.objects, files.boundaries):
        if path is None:
            continue
        info = raster_info(path)
        check_same_grid((own, info), "make it from that image")
        if info.bands != 1 or not np.issubdtype(np.dtype(info.dtype), np.integer):
            raise ValueError(
                f"{path} has {counted(info.bands, 'band')} of {info.dtype}, expected one band of integers; "
                "a colour image of objects is no map of ids"
            )
    if OPTICAL in tile.files:
        check_made_from(files.objects, tile.files[OPTICAL])


def check_made_from(made: Path, image: Path) -> bool:
    """Refuse a map that was made from something else than an image.

    Args:
        made: The map.
        image: The image.

    Returns:
        Whether the map knows what it was made from.

    Raises:
        ValueError: It knows, and that is not the image.
    """
    with open_raster(made) as source:
        known = source.tags().get(TAG)
    if known is not None and known != raster_hash(image):
        raise ValueError(
            f"{made} was made from another image than {image} is now; delete the map and make it again "
            "with `mfnet-lite masks`"
        )
    return known is not None
