"""Objects and boundaries of a scene of any size, tile by tile (``mfnet-lite masks``).

SAM sees one image at a time, so a large scene is cut into overlapping tiles. Every tile numbers its
objects from 1; here the numbers are made unique, and an object which a seam cuts in two becomes one
again: two halves are the same object if they agree on the strip that both tiles see. (The authors' files
copy tile after tile without either, so that unrelated objects share a number; page
*Paper versus code*.)

Each finished tile is a file in ``OUT/tiles``; a run that was interrupted goes on where it was. In memory
there are a tile and the strips along a row of tiles, however many rows the scene has.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from jaxtyping import Bool, Float64, Int32, Int64
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from segment_anything.modeling import Sam
from tqdm.auto import tqdm

from mfnet_lite.rasters.cog import replacing_geotiff
from mfnet_lite.rasters.identity import TAG, hash_rasters
from mfnet_lite.rasters.io import quiet, raster_info
from mfnet_lite.rasters.rgb import Stretch, read_rgb
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.rasters.write import check_spares, geotiff_profile
from mfnet_lite.sam.objects import ObjectSettings, find_objects
from mfnet_lite.scenes.object_scores import SCORES, SCORES_DIGEST, scores_digest, table_of
from mfnet_lite.scenes.part_folder import begin_folder, end_folder
from mfnet_lite.scenes.seams import Cell, TileGrid, match_objects, shared_strip
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import hash_values
from mfnet_lite.utils.processes import Ranks, is_first_process, working_together

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
    bands: tuple[int, ...] | None = None,
    progress: bool = True,
    cog: bool = False,
    ranks: Ranks | None = None,
) -> MaskedScene:
    """Write the objects and the boundaries of a scene as GeoTIFFs.

    Under ``torchrun`` every process calls this and finds the objects of its share of the tiles; ``out`` must be a
    folder that all of them see, and the first process joins what they found.

    Args:
        sam: The model, on the device it shall run on.
        path: The scene; three bands of it are read. Other types than 8 bits are stretched between the
            2nd and 98th percentile of the whole scene.
        out: Folder for ``objects.tif`` (int32, 0 = no object), ``boundaries.tif`` (uint8, 1 = boundary),
            ``scores.csv`` (:mod:`mfnet_lite.scenes.object_scores`) and, until all are complete, ``tiles/``.
        settings: How masks are found.
        tile: Side of a tile, pixels; defaults to the model's input size.
        overlap: Pixels that neighbouring tiles share; defaults to a quarter of a tile.
        bands: Which bands are red, green and blue, counted from 1; one band is repeated. Defaults to those that the
            file calls so, else 1, 2, 3.
        progress: Whether to draw a progress bar.
        cog: Whether to write cloud-optimised GeoTIFFs, with overviews.
        ranks: The processes that share this scene; defaults to those that ``torchrun`` started.

    Returns:
        Paths of both maps and the number of objects.

    Raises:
        ConnectionError: If another of several processes has ended.
        FileNotFoundError: If there is no scene.
        ValueError: If bands or sizes do not fit, ``out`` holds tiles of another scene or setting or of unknown
            ones, or the scene is one of the files to be written or has an orientation tag.
    """
    path, out, settings = Path(path), Path(out), settings or ObjectSettings()
    info = raster_info(path)
    for name in (OBJECTS, BOUNDARIES):
        check_spares(out / name, [path])
    tile = sam.image_encoder.img_size if tile is None else tile
    overlap = tile // 4 if overlap is None else overlap
    grid = TileGrid.over(info.height, info.width, tile, overlap)
    stretch = Stretch.of(path, bands)
    folder = out / "tiles"
    progress = progress and is_first_process()
    scene = hash_rasters({"scene": path}, progress=progress)["scene"]
    stat = [path.name, path.stat().st_size, info.height, info.width]
    plan = {"scene": scene} | mask_plan(sam, settings, tile, overlap, bands or stretch.bands)
    with working_together() if ranks is None else nullcontext(ranks) as ranks, quiet():
        if ranks.first:
            is_old = begin_folder(folder, plan, {"scene": stat}, path)
            if is_old and progress:
                tqdm.write(
                    f"note: {folder} is of an earlier version and knows its scene by name and size only",
                    sys.stderr,
                )
        ranks.wait()
        with tqdm(ranks.share(list(grid.cells())), unit="tile", disable=not progress) as cells:
            for cell in cells:
                if not _file(folder, cell).exists():
                    image, valid = read_rgb(path, stretch, grid.tile(*cell))
                    _save(folder, cell, sam, image, valid, settings)
        ranks.wait()
        written = None
        if ranks.first:
            numbers = _join(folder, grid)
            written = _write(folder, grid, numbers, out, info, scene, cog)
            end_folder(folder)
        return MaskedScene(*ranks.tell(written))


def mask_plan(
    sam: Sam,
    settings: ObjectSettings,
    tile: int | None,
    overlap: int | None,
    bands: tuple[int, ...] | None,
) -> dict[str, Any]:
    """Return what decides about masks beside the image, as it is noted in a folder of them.

    Args:
        sam: The model.
        settings: How masks are found.
        tile: Side of a tile, pixels; None for the model's input size.
        overlap: Pixels that neighbouring tiles share; None for a quarter of a tile.
        bands: Which bands are red, green and blue; None for those that the dataset takes.
    """
    return {
        "settings": asdict(settings),
        "tile": tile,
        "overlap": overlap,
        "bands": None if bands is None else list(bands),
        "weights": weights_hash(sam),
    }


def weights_hash(sam: Sam) -> str:
    """A short hash of the weights: tiles of two models must not be mixed."""
    return hash_values(sam.state_dict().values())[:16]


def _file(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell[0]}_{cell[1]}.npz"


def _save(
    folder: Path,
    cell: Cell,
    sam: Sam,
    image: NDArray[np.uint8],
    valid: Bool[np.ndarray, "height width"],
    settings: ObjectSettings,
) -> None:
    """Find the objects of one tile and write them; one without data is not shown to the model."""
    if valid.any():
        found = find_objects(sam, image, settings)
        whole, boundaries = np.where(valid, found.whole, 0), found.boundaries & valid
        scores = np.zeros(0) if found.scores is None else found.scores
    else:
        whole, boundaries = np.zeros(valid.shape, np.int32), np.zeros(valid.shape, bool)
        scores = np.zeros(0)
    with replacing(_file(folder, cell)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            whole=whole.astype(np.int32),
            boundaries=np.packbits(boundaries),
            scores=scores,
        )


def _load(
    folder: Path, cell: Cell
) -> tuple[Int32[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    with np.load(_file(folder, cell), allow_pickle=False) as file:
        whole = file["whole"]
        flat = np.unpackbits(file["boundaries"], count=whole.size)
    return whole, flat.astype(bool).reshape(whole.shape)


def _load_scores(folder: Path, cell: Cell, numbers: int) -> Float64[np.ndarray, " numbers"]:
    """Scores by number of the object in its tile; NaN for 0, and in tiles of an earlier version."""
    scores = np.full(numbers, np.nan)
    with np.load(_file(folder, cell), allow_pickle=False) as file:
        known = file["scores"][: numbers - 1] if "scores" in file else np.zeros(0)
    scores[1 : len(known) + 1] = known
    return scores


def _join(folder: Path, grid: TileGrid) -> dict[Cell, Int64[np.ndarray, " ids"]]:
    """Give every object of every tile its number in the scene: a table per tile.

    Objects are the nodes of a graph, agreement on a shared strip its edges; the scene's objects are the
    connected components. Every tile is read once: of those before it only the strips that a later tile shares
    are kept, a row of them at most.
    """
    counts: dict[Cell, int] = {}
    first: dict[Cell, int] = {}
    strips: dict[tuple[Cell, Cell], Int32[np.ndarray, "h w"]] = {}
    edges = [np.zeros((0, 2), dtype=np.int64)]
    total = 0
    for cell in grid.cells():
        whole = _load(folder, cell)[0]
        counts[cell], first[cell] = int(whole.max(initial=0)), total
        total += counts[cell]
        here = grid.tile(*cell)
        for other in grid.neighbours_before(*cell):
            _, inside = shared_strip(grid.tile(*other), here)
            if inside is not None:
                pairs = match_objects(strips.pop((other, cell)), whole[inside])
                edges.append(pairs - 1 + np.array([first[other], first[cell]]))
        for other in grid.neighbours_after(*cell):
            inside, _ = shared_strip(here, grid.tile(*other))
            if inside is not None:
                strips[cell, other] = whole[inside].copy()  # a view would keep the tile alive
    # With 64-bit indices SciPy 1.11 finds no component and raises nothing.
    pairs = np.concatenate(edges).astype(np.int32)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(total, total))
    component = connected_components(graph, directed=False)[1] if total else np.zeros(0, int)
    return {
        cell: np.concatenate([[0], component[first[cell] : first[cell] + count] + 1])
        for cell, count in counts.items()
    }


def _write(
    folder: Path,
    grid: TileGrid,
    numbers: dict[Cell, Int64[np.ndarray, " ids"]],
    out: Path,
    info: Any,
    scene: str,
    cog: bool,
) -> MaskedScene:
    """Put the tiles' cores together; ids are those that are left, 1, 2, … in scanning order."""
    objects, boundaries = out / OBJECTS, out / BOUNDARIES
    total = 1 + max((int(table.max()) for table in numbers.values()), default=0)
    final = np.zeros(total, dtype=np.int32)
    used = 0
    scores, pixels = np.zeros(total), np.zeros(total)  # sums over the pixels whose score is known
    with (
        quiet(),
        replacing_geotiff(objects, cog, "nearest") as first,
        replacing_geotiff(boundaries, cog, "mode") as second,
    ):
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
            for cell in grid.cells():
                whole, outline = _load(folder, cell)
                tile, core = grid.tile(*cell), grid.core(*cell)
                inner = Window(core.row - tile.row, core.col - tile.col, core.height, core.width)
                own = np.where(outline, 0, whole)[inner.slices]
                ids = numbers[cell][own]
                fresh = np.unique(ids[(final[ids] == 0) & (ids > 0)])
                final[fresh] = np.arange(used + 1, used + 1 + len(fresh))
                used += len(fresh)
                score = _load_scores(folder, cell, len(numbers[cell]))
                number = np.nonzero(np.isfinite(score))[0]
                times = np.bincount(own.ravel(), minlength=len(score))[number]
                target = final[numbers[cell][number]]
                np.add.at(scores, target, times * score[number])
                np.add.at(pixels, target, times)
                where = core.to_rasterio()
                map_o.write(final[ids], 1, window=where)
                map_b.write(outline[inner.slices].astype(np.uint8), 1, window=where)
            mean = np.full(used + 1, np.nan)
            seen = pixels[: used + 1]
            np.divide(scores[: used + 1], seen, out=mean, where=seen > 0)
            table = table_of(mean)
            map_o.update_tags(**{SCORES_DIGEST: scores_digest(table)})
        write_text(out / SCORES, table)
    return MaskedScene(objects, boundaries, used)
