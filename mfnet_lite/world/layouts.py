"""Write worlds as folders of GeoTIFFs, in the layouts of the public datasets.

- :func:`write_folder`: one folder per sensor, the layout that everything in this package reads.
- :func:`write_pairs`: ``A``, ``B``, ``label`` for change detection, as LEVIR-CD has it.
- :func:`write_isprs`: the arrangement and file names of ISPRS Vaihingen.

All files lie in EPSG:25832 (metres) around an invented origin, side by side without overlap.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.fresh_folders import finish_folder, fresh_folder
from mfnet_lite.world.config import (
    CLASSES,
    IGNORE_INDEX,
    NODATA,
    PALETTE,
    WorldConfig,
    check_size,
)
from mfnet_lite.world.output import CRS, split_names, write_tif
from mfnet_lite.world.scene import Scene, make_scene
from mfnet_lite.world.two_dates import make_pair

SOURCE = "mfnet_lite.world, procedural"

SENSORS: dict[str, dict[str, object]] = {
    "optical": {"folder": "image", "bands": ["red", "green", "blue"], "dtype": "uint8", "unit": "grey"},
    "nir": {"folder": "nir", "bands": ["near infrared"], "dtype": "uint8", "unit": "grey"},
    "dsm": {"folder": "dsm", "bands": ["surface height"], "dtype": "float32", "unit": "metre"},
    "dtm": {"folder": "dtm", "bands": ["terrain height"], "dtype": "float32", "unit": "metre"},
    "sar": {"folder": "sar", "bands": ["intensity"], "dtype": "float32", "unit": "decibel"},
    "thermal": {"folder": "thermal", "bands": ["temperature"], "dtype": "float32", "unit": "kelvin"},
}  # fmt: skip


def _description(gsd: float, extra: dict[str, object]) -> str:
    content: dict[str, object] = {"gsd_m": gsd, "crs": CRS, "source": SOURCE} | extra
    return json.dumps(content, indent=1) + "\n"


def _scenes(
    tiles: int, size: int, seed: int, gsd: float, config: WorldConfig | None, quiet: bool
) -> Iterator[tuple[int, Scene]]:
    for index in tqdm(range(tiles), desc="scenes", unit="scene", disable=quiet):
        yield index, make_scene(seed + index, size, gsd, config)


def _arguments(size: int, seed: int, config: WorldConfig | None, gsd: float) -> dict[str, Any]:
    """What all scenes follow from."""
    return {"size": size, "seed": seed, "gsd": gsd, "world": asdict(config or WorldConfig())}


def write_folder(
    out: str | Path,
    tiles: int = 10,
    size: int = 512,
    seed: int = 0,
    config: WorldConfig | None = None,
    splits: tuple[float, float, float] = (0.6, 0.2, 0.2),
    gsd: float = 0.25,
    quiet: bool = False,
) -> Path:
    """Write scenes as ``{train,val,test}/{image,nir,dsm,dtm,sar,thermal,label,instances}/<tile>.tif``.

    Tile k is ``make_scene(seed + k)``. The rasters of the DSM carry the nodata value, those of the
    label ISPRS's colours; ``dataset.json`` says the rest.

    Args:
        out: A new or empty folder, or one that the same call left unfinished.
        tiles: How many scenes.
        size: Side of a scene, pixels.
        seed: Of the first scene.
        config: The parameters.
        splits: Shares of train, val and test.
        gsd: Metres per pixel.
        quiet: No progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: For a folder with content, or values out of range.
    """
    check_size(size, gsd, seed)
    split_of = split_names(tiles, splits)
    plan = {"layout": "folder", "tiles": tiles, "splits": splits}
    folder = fresh_folder(out, plan | _arguments(size, seed, config, gsd))
    for index, scene in _scenes(tiles, size, seed, gsd, config, quiet):
        home, name = folder / split_of[index], f"scene_{seed + index:05d}.tif"
        rasters = {
            "image": scene.optical[:3],
            "nir": scene.optical[3],
            "dsm": scene.dsm,
            "dtm": scene.dtm,
            "sar": scene.sar,
            "thermal": scene.thermal,
        }
        bands = {str(s["folder"]): tuple(map(str, s["bands"])) for s in SENSORS.values()}  # type: ignore[call-overload]
        for key, raster in rasters.items():
            nodata = NODATA if key == "dsm" else None
            write_tif(
                home / key / name, raster, gsd=gsd, column=index, nodata=nodata, names=bands[key]
            )
        where: dict[str, Any] = {"gsd": gsd, "column": index}
        label, instances = (home / key / name for key in ("label", "instances"))
        write_tif(label, scene.label, **where, palette=PALETTE, categorical=True)
        kind = np.uint16 if scene.instances.max() < 2**16 else np.int32
        write_tif(instances, scene.instances.astype(kind), **where, categorical=True)
    extra: dict[str, object] = {
        "classes": list(CLASSES),
        "palette": [list(colour) for colour in PALETTE],
        "ignore_index": IGNORE_INDEX,
        "image_bands": ["red", "green", "blue"],
        "sensors": SENSORS,
        "seed": seed,
    }
    write_text(folder / "dataset.json", _description(gsd, extra))
    return finish_folder(folder)


def write_pairs(
    out: str | Path,
    tiles: int = 10,
    size: int = 512,
    seed: int = 0,
    config: WorldConfig | None = None,
    splits: tuple[float, float, float] = (0.6, 0.2, 0.2),
    gsd: float = 0.25,
    changed: float = 0.3,
    pseudo_change: float = 1.0,
    quiet: bool = False,
) -> Path:
    """Write pairs as ``{train,val,test}/{A,B,label}/<tile>.tif`` with a ``list.txt`` per split.

    Args:
        out: A new or empty folder, or one that the same call left unfinished.
        tiles: How many pairs.
        size: Side of a scene, pixels.
        seed: Of the first pair; pair k is ``make_pair(seed + k)``.
        config: The parameters of both dates.
        splits: Shares of train, val and test.
        gsd: Metres per pixel.
        changed: Share of the buildings that come or go.
        pseudo_change: 0…1, see :func:`~mfnet_lite.world.two_dates.make_pair`.
        quiet: No progress bar.

    Returns:
        The folder. Labels are 0 (unchanged) and 255 (changed).

    Raises:
        ValueError: For a folder with content, or values out of range.
    """
    check_size(size, gsd, seed)
    split_of = split_names(tiles, splits)
    plan = {
        "layout": "pairs",
        "tiles": tiles,
        "splits": splits,
        "changed": changed,
        "pseudo": pseudo_change,
    }
    folder = fresh_folder(out, plan | _arguments(size, seed, config, gsd))
    listed: dict[str, list[str]] = {}
    for index in tqdm(range(tiles), desc="pairs", unit="pair", disable=quiet):
        pair = make_pair(
            seed + index, size, gsd, config, changed=changed, pseudo_change=pseudo_change
        )
        home, name = folder / split_of[index], f"pair_{seed + index:05d}.tif"
        for date, scene in (("A", pair.before), ("B", pair.after)):
            write_tif(home / date / name, scene.optical[:3], gsd=gsd, column=index)
        mask = np.where(pair.change, 255, 0).astype(np.uint8)
        write_tif(home / "label" / name, mask, gsd=gsd, column=index, categorical=True)
        listed.setdefault(split_of[index], []).append(name)
    for split, names in listed.items():
        write_text(folder / split / "list.txt", "\n".join(names) + "\n")
    extra: dict[str, object] = {
        "classes": ["unchanged", "changed"],
        "palette": [[0, 0, 0], [255, 255, 255]],
        "ignore_index": IGNORE_INDEX,
        "image_bands": ["red", "green", "blue"],
        "sensors": {
            name: SENSORS["optical"] | {"folder": subfolder}
            for name, subfolder in (("before", "A"), ("after", "B"))
        },
        "label_values": {"unchanged": 0, "changed": 255},
        "seed": seed,
    }
    write_text(folder / "dataset.json", _description(gsd, extra))
    return finish_folder(folder)


def write_isprs(
    out: str | Path,
    areas: tuple[int, ...] = (1, 3, 5),
    size: int = 512,
    seed: int = 0,
    config: WorldConfig | None = None,
    gsd: float = 0.25,
    quiet: bool = False,
) -> Path:
    """Write scenes under the folder and file names of ISPRS Vaihingen.

    ``top`` holds IR, R, G; ``dsm`` raw heights without a declared nodata value and with holes filled
    by the nearest height, as the official files have it; ``gts_for_participants`` the class colours,
    ``gts_eroded_for_participants`` the same with black (undefined) three pixels around class borders.

    Args:
        out: A new or empty folder, or one that the same call left unfinished.
        areas: Area numbers; ``(1, 3, 5)`` has two training areas and one test area of the usual split.
        size: Side of an area, pixels.
        seed: Of the first area.
        config: The parameters.
        gsd: Metres per pixel; the file names say 9 cm whatever it is.
        quiet: No progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: For a folder with content, or values out of range.
    """
    check_size(size, gsd, seed)
    folder = fresh_folder(
        out, {"layout": "isprs", "areas": areas} | _arguments(size, seed, config, gsd)
    )
    colours = np.asarray(PALETTE, np.uint8)
    for index, scene in _scenes(len(areas), size, seed, gsd, config, quiet):
        area = areas[index]
        paint = colours[scene.label]
        border = ndimage.maximum_filter(scene.label, 3) != ndimage.minimum_filter(scene.label, 3)
        paint_eroded = np.where(ndimage.binary_dilation(border, iterations=2)[..., None], 0, paint)
        top = f"top_mosaic_09cm_area{area}"
        files = {
            f"top/{top}.tif": scene.optical[[3, 0, 1]],
            f"dsm/dsm_09cm_matching_area{area}.tif": scene.dsm_filled,
            f"gts_for_participants/{top}.tif": np.moveaxis(paint, -1, 0),
            f"gts_eroded_for_participants/{top}_noBoundary.tif": np.moveaxis(paint_eroded, -1, 0),
        }
        for name, raster in files.items():
            write_tif(folder / name, raster, gsd=gsd, column=index)
    return finish_folder(folder)
