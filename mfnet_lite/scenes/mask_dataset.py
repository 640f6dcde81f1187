"""Objects and boundaries of every training tile of a dataset (``mfnet-lite masks DATASET``).

SAM serves as a teacher only while a network is trained, so the tiles to show it are those of the
training split. Each is treated as a scene of its own by :func:`mfnet_lite.scenes.masks.mask_scene`; a run that was
interrupted goes on with the tiles that are not there yet.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from segment_anything.modeling import Sam
from tqdm.auto import tqdm

from mfnet_lite.rasters.datasets.object_maps import ObjectFiles, check_made_from
from mfnet_lite.rasters.tiles import OPTICAL, Tile
from mfnet_lite.sam.objects import ObjectSettings
from mfnet_lite.scenes.masks import mask_plan, mask_scene
from mfnet_lite.scenes.part_folder import begin_folder
from mfnet_lite.utils.counted_nouns import agreeing, counted
from mfnet_lite.utils.processes import Ranks, is_first_process, working_together

UNFINISHED = "unfinished"
OWN = "of each file"  # the bands that it calls red, green and blue, else 1, 2, 3


def mask_tiles(
    sam: Sam,
    tiles: Sequence[Tile],
    out: str | Path,
    settings: ObjectSettings | None = None,
    *,
    tile: int | None = None,
    overlap: int | None = None,
    bands: tuple[int, ...] | None = None,
    progress: bool = True,
) -> tuple[ObjectFiles, ...]:
    """Write ``OUT/objects/<id>.tif`` and ``OUT/boundaries/<id>.tif`` for every tile.

    Under ``torchrun`` every process calls this and does its share of the tiles.

    Args:
        sam: The model, on the device it shall run on.
        tiles: Tiles with the sensor ``optical``.
        out: The folder to write; give it to ``mfnet-lite train --objects``.
        settings: How masks are found.
        tile: Side of SAM's own tiles in pixels, as in :func:`~mfnet_lite.scenes.masks.mask_scene`.
        overlap: What they share.
        bands: Which bands are red, green and blue, counted from 1; defaults to those that the
            dataset takes, else to those that each file calls so, else 1, 2, 3.
        progress: Whether to draw a progress bar.

    Returns:
        The files of each tile, in their order.

    Raises:
        ConnectionError: If another of several processes has ended.
        ValueError: If a tile has no optical image, or ``out`` holds maps made with other settings,
            other weights, of other bands or from other images, or maps and no ``plan.json`` that says with which.
    """
    out, settings = Path(out), settings or ObjectSettings()
    for one in tiles:
        if OPTICAL not in one.files:
            raise ValueError(
                f"tile {one.id} has the sensors {', '.join(one.files)}, but SAM needs {OPTICAL}; "
                "masks of pairs are not made, use one date as a dataset of its own"
            )
    done = [
        ObjectFiles(out / "objects" / f"{one.id}.tif", out / "boundaries" / f"{one.id}.tif")
        for one in tiles
    ]
    selected = [one.info.sensors[OPTICAL].select for one in tiles]
    chosen = [bands or (select[:3] if select else None) for select in selected]
    unknown = 0
    progress = progress and is_first_process()
    with working_together() as ranks:
        if ranks.first:
            plan = mask_plan(sam, settings, tile, overlap, None) | {
                "bands": _plan_of(chosen or [bands])
            }
            # an earlier version wrote down only the bands that a call named
            earlier = {"bands": None} if bands is None else {}
            is_old = begin_folder(out, plan, earlier, parts=[files.objects for files in done])
            if is_old and progress:
                tqdm.write(
                    f"note: {out} is of an earlier version and does not know of which bands its maps were made",
                    sys.stderr,
                )
        ranks.wait()
        own = ranks.share(list(zip(tiles, chosen, done, strict=True)))
        for one, rgb, files in tqdm(own, unit="tile", disable=not progress):
            if files.objects.exists():  # moved last, so both are there
                unknown += not check_made_from(files.objects, one.files[OPTICAL])
                continue
            work = out / UNFINISHED / one.id
            written = mask_scene(
                sam,
                one.files[OPTICAL],
                work,
                settings,
                tile=tile,
                overlap=overlap,
                bands=rgb,
                progress=False,
                ranks=Ranks(),
            )
            for made, path in (
                (written.boundaries, files.boundaries),
                (written.objects, files.objects),
            ):
                assert path is not None
                path.parent.mkdir(parents=True, exist_ok=True)
                made.replace(path)
            shutil.rmtree(work)
        ranks.wait()
        if ranks.first:
            shutil.rmtree(out / UNFINISHED, ignore_errors=True)
        ranks.wait()
    if unknown and progress:
        tqdm.write(
            f"note: {counted(unknown, 'map')} in {out} {agreeing(unknown, 'is', 'are')} of an earlier version and "
            f"{agreeing(unknown, 'does not know what it was', 'do not know what they were')} made from",
            sys.stderr,
        )
    return tuple(done)


def _plan_of(chosen: Iterable[tuple[int, ...] | None]) -> list[Any] | str:
    """The bands of all tiles as they are noted in a folder: a choice, or several where tiles differ."""
    each = [OWN if bands is None else list(bands) for bands in sorted(set(chosen), key=repr)]
    return each[0] if len(each) == 1 else each
