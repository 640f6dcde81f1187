"""Objects and boundaries of a scene of any size, tile by tile (``mfnet-lite masks``).

SAM sees one image at a time, so a large scene is cut into overlapping tiles. Every tile numbers its
objects from 1; here the numbers are made unique, and an object which a seam cuts in two becomes one
again: two halves are the same object if they agree on the strip that both tiles see. (The authors' files
copy tile after tile without either, so that unrelated objects share a number; fact sheet of
SAM_RS, section 3.)

Each finished tile is a file in ``OUT/tiles``; a run that was interrupted goes on where it was. In memory
there are a tile and the strips along a row of tiles, however many rows the scene has.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from jaxtyping import Bool, Int32, Int64
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from segment_anything.modeling import Sam
from tqdm.auto import tqdm

from mfnet_lite.rasters.identity import TAG, hash_rasters
from mfnet_lite.rasters.io import quiet, raster_info
from mfnet_lite.rasters.rgb import Stretch, read_rgb
from mfnet_lite.rasters.tiling import Window, window_positions
from mfnet_lite.rasters.write import check_spares, geotiff_profile
from mfnet_lite.sam.objects import ObjectSettings, find_objects
from mfnet_lite.scenes.seams import Grid, matching, shared_strip
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import hash_values

OBJECTS, BOUNDARIES = "objects.tif", "boundaries.tif"


class MaskedScene(NamedTuple):
    """What :func:`mask_scene` wrote.

    Args:
        objects: Path of the object map.
        boundaries: Path of the boundary map.
        total: Number of objects.
    """

    objects: Path
    boundaries: Path
    total: int


def mask_scene(
    sam: Sam,
    path: str | Path,
    out: str | Path,
    settings: ObjectSettings | None = None,
    *,
    tile: int | None = None,
    overlap: int | None = None,
    bands: tuple[int, ...] = (1, 2, 3),
    progress: bool = True,
) -> MaskedScene:
    """Write the objects and the boundaries of a scene as GeoTIFFs.

    Args:
        sam: The model, on the device it shall run on.
        path: The scene; three bands of it are read. Other types than 8 bits are stretched between the
            2nd and 98th percentile of the whole scene.
        out: Folder for ``objects.tif`` (int32, 0 = no object), ``boundaries.tif`` (uint8, 1 = boundary)
            and, until both are complete, ``tiles/``.
        settings: How masks are found.
        tile: Side of a tile, pixels; the model's input size without.
        overlap: Pixels that neighbouring tiles share; a quarter of a tile without.
        bands: Which bands are red, green and blue, counted from 1; one band is repeated.
        progress: Whether to draw a progress bar.

    Returns:
        Paths of both maps and the number of objects.

    Raises:
        FileNotFoundError: If there is no scene.
        ValueError: If bands or sizes do not fit, ``out`` holds tiles of another scene or setting, or
            the scene is one of the files to be written or has an orientation tag.
    """
    path, out, settings = Path(path), Path(out), settings or ObjectSettings()
    info = raster_info(path)
    for name in (OBJECTS, BOUNDARIES):
        check_spares(out / name, [path])
    tile = sam.image_encoder.img_size if tile is None else tile
    overlap = tile // 4 if overlap is None else overlap
    if not 0 <= overlap < tile:
        raise ValueError(f"overlap must be between 0 and the tile's {tile} pixels, got {overlap}")
    grid = Grid(
        tuple(window_positions(info.height, tile, tile - overlap)),
        tuple(window_positions(info.width, tile, tile - overlap)),
        tile,
        info.height,
        info.width,
    )
    stretch = Stretch.of(path, bands)
    folder = out / "tiles"
    scene = hash_rasters({"scene": path}, progress=progress)["scene"]
    stat = [path.name, path.stat().st_size, info.height, info.width]
    is_old = begin_folder(folder, {
        "scene": scene,
        "settings": asdict(settings),
        "tile": tile,
        "overlap": overlap,
        "bands": list(bands),
        "weights": weights_hash(sam),
    }, {"scene": stat}, path)  # fmt: skip
    if is_old and progress:
        tqdm.write(
            f"note: {folder} is of an earlier version and knows its scene by name and size only",
            sys.stderr,
        )
    places = grid.places()
    bar = tqdm(total=len(places), unit="tile", disable=not progress)
    with bar, quiet():
        for place in places:
            if not _file(folder, place).exists():
                image, valid = read_rgb(path, stretch, grid.tile(*place))
                _save(folder, place, sam, image, valid, settings)
            bar.update()
    numbers = _join(folder, grid)
    written = _write(folder, grid, numbers, out, info, scene)
    shutil.rmtree(folder)
    return written


def begin_folder(
    folder: Path,
    plan: dict[str, Any],
    earlier: dict[str, Any] | None = None,
    scene: Path | None = None,
) -> bool:
    """Start a folder of tiles, or see that the one there belongs to the same plan.

    Args:
        folder: The folder.
        plan: What its tiles are made from and how.
        earlier: Entries of the plan as an earlier version wrote them.
        scene: The file to name if the scene is another one.

    Returns:
        Whether the folder is one of that version.

    Raises:
        ValueError: If the folder was begun with another plan.
    """
    note = folder / "plan.json"
    if not note.exists():
        write_text(note, json.dumps(plan, sort_keys=True))
        return False
    old = json.loads(note.read_text(encoding="utf-8"))
    of_earlier = {key for key, value in (earlier or {}).items() if old.get(key) == value}
    differing = [key for key in plan if old.get(key) != plan[key] and key not in of_earlier]
    if differing:
        which = f" ({scene} or a file beside it has changed)" if "scene" in differing else ""
        raise ValueError(
            f"{folder} holds tiles made with another {', '.join(differing)}{which}; delete it or choose "
            "another folder"
        )
    return bool(of_earlier)


def weights_hash(sam: Sam) -> str:
    """A short hash of the weights: tiles of two models must not be mixed."""
    return hash_values(sam.state_dict().values())[:16]


def _file(folder: Path, place: tuple[int, int]) -> Path:
    return folder / f"{place[0]}_{place[1]}.npz"


def _save(
    folder: Path,
    place: tuple[int, int],
    sam: Sam,
    image: NDArray[np.uint8],
    valid: Bool[np.ndarray, "height width"],
    settings: ObjectSettings,
) -> None:
    """Find the objects of one tile and write them; a tile without data is not asked about."""
    if valid.any():
        found = find_objects(sam, image, settings)
        whole, boundaries = np.where(valid, found.whole, 0), found.boundaries & valid
    else:
        whole, boundaries = np.zeros(valid.shape, np.int32), np.zeros(valid.shape, bool)
    with replacing(_file(folder, place)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, whole=whole.astype(np.int32), boundaries=np.packbits(boundaries))


def _load(
    folder: Path, place: tuple[int, int]
) -> tuple[Int32[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    with np.load(_file(folder, place), allow_pickle=False) as file:
        whole = file["whole"]
        flat = np.unpackbits(file["boundaries"], count=whole.size)
    return whole, flat.astype(bool).reshape(whole.shape)


def _join(folder: Path, grid: Grid) -> dict[tuple[int, int], Int64[np.ndarray, " ids"]]:
    """Give every object of every tile its number in the scene: a table per tile.

    Objects are the nodes of a graph, agreement on a shared strip its edges; the scene's objects are the
    connected components. Every tile is read once: of those before it only the strips that a later tile shares
    are kept, a row of them at most.
    """
    counts: dict[tuple[int, int], int] = {}
    first: dict[tuple[int, int], int] = {}
    strips: dict[tuple[tuple[int, int], tuple[int, int]], Int32[np.ndarray, "h w"]] = {}
    edges = [np.zeros((0, 2), dtype=np.int64)]
    total = 0
    for place in grid.places():
        whole = _load(folder, place)[0]
        counts[place], first[place] = int(whole.max(initial=0)), total
        total += counts[place]
        here = grid.tile(*place)
        for other in grid.earlier(*place):
            _, inside = shared_strip(grid.tile(*other), here)
            if inside is not None:
                pairs = matching(strips.pop((other, place)), whole[inside])
                edges.append(pairs - 1 + np.array([first[other], first[place]]))
        for other in grid.later(*place):
            inside, _ = shared_strip(here, grid.tile(*other))
            if inside is not None:
                strips[place, other] = whole[inside].copy()  # a view would keep the tile alive
    pairs = np.concatenate(edges)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(total, total))
    component = connected_components(graph, directed=False)[1] if total else np.zeros(0, int)
    return {
        place: np.concatenate([[0], component[first[place] : first[place] + count] + 1])
        for place, count in counts.items()
    }


def _write(
    folder: Path,
    grid: Grid,
    numbers: dict[tuple[int, int], Int64[np.ndarray, " ids"]],
    out: Path,
    info: Any,
    scene: str,
) -> MaskedScene:
    """Put the tiles' cores together; ids are those that are left, 1, 2, … in scanning order."""
    objects, boundaries = out / OBJECTS, out / BOUNDARIES
    total = 1 + max((int(table.max()) for table in numbers.values()), default=0)
    final = np.zeros(total, dtype=np.int32)
    used = 0
    with replacing(objects) as first, replacing(boundaries) as second, quiet():
        profiles = [
            geotiff_profile(info.height, info.width, 1, kind, info, categorical=True)
            for kind in ("int32", "uint8")
        ]
        with (
            rasterio.open(first, "w", **profiles[0]) as map_o,
            rasterio.open(second, "w", **profiles[1]) as map_b,
        ):
            for made in (map_o, map_b):
                made.update_tags(**{TAG: scene})
            map_o.set_band_description(1, "object, 0 = none")
            map_b.set_band_description(1, "boundary")
            for place in grid.places():
                whole, outline = _load(folder, place)
                tile, core = grid.tile(*place), grid.core(*place)
                inner = Window(core.row - tile.row, core.col - tile.col, core.height, core.width)
                ids = np.where(outline, 0, numbers[place][whole])[inner.slices]
                fresh = np.unique(ids[(final[ids] == 0) & (ids > 0)])
                final[fresh] = np.arange(used + 1, used + 1 + len(fresh))
                used += len(fresh)
                where = core.to_rasterio()
                map_o.write(final[ids], 1, window=where)
                map_b.write(outline[inner.slices].astype(np.uint8), 1, window=where)
    return MaskedScene(objects, boundaries, used)
