"""Data of the experiments with objects: scenes, halves of real tiles, and maps of three kinds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from skimage.segmentation import felzenszwalb

from mfnet_lite import load_sam
from mfnet_lite.rasters import (
    ObjectFiles,
    ObjectReader,
    Tile,
    Window,
    find_object_files,
    read_raster,
    write_raster,
)
from mfnet_lite.rasters.labels.label_files import read_label
from mfnet_lite.sam.objects import ObjectSettings
from mfnet_lite.scenes.mask_dataset import mask_tiles
from mfnet_lite.utils.borders import borders
from mfnet_lite.utils.files import write_text
from mfnet_lite.world import write_folder
from scripts.experiments.made_once import made_once
from scripts.experiments.objects.plan import Run

TILE, GSD = 256, 0.18
"""Side of a scene in pixels (one image for the small SAM), metres per pixel."""
SCENES, TEST_SCENES = 4, 4
SUPERPIXELS = {"scale": 100.0, "sigma": 0.8, "min_size": 20}
"""Of Felzenszwalb and Huttenlocher's graph-based segmentation, in scikit-image."""

REAL: dict[str, dict[str, Any]] = {
    "vaihingen": {
        "folder": "vaihingen_tile",
        "axis": 0,  # the upper half to train on: the left one has no trees and hardly any lawn
        "offset": -1,
        "classes": ["impervious surfaces", "building", "low vegetation", "tree", "car", "clutter"],
    },
    "loveda": {
        "folder": "loveda",
        "axis": 1,
        "offset": -1,
        "classes": ["background", "building", "road", "water", "barren", "forest", "agriculture"],
    },
}
"""Real images with labels but without a split: halves, cut across rows (0) or columns (1)."""


def scenes(root: Path, seed: int) -> Path:
    """Folder of the training and test scenes of a seed; scenes of two seeds never overlap."""
    number = SCENES + TEST_SCENES
    share = (SCENES / number, 0.0, TEST_SCENES / number)

    def make(folder: Path) -> None:
        write_folder(folder, number, TILE, 200_000 + 100 * seed, None, share, GSD, quiet=True)

    return made_once(root / f"world_{seed}", make)


def halves(root: Path, real: Path, name: str) -> Path:
    """Folder of the two halves of a real image."""
    layout = REAL[name]
    source = real / layout["folder"]

    def make(folder: Path) -> None:
        for path in sorted((source / "image").iterdir()):
            image = read_raster(path).array
            raw = read_raster(source / "label" / path.name).array[0].astype(int)
            known = (raw > 0) & (raw + layout["offset"] < len(layout["classes"]))
            label = np.where(known, raw + layout["offset"], 255).astype(np.uint8)
            for part, split in enumerate(("train", "test")):
                for kind, array in (("image", image), ("label", label)):
                    half = np.array_split(array, 2, axis=array.ndim - 2 + layout["axis"])[part]
                    path_of_half = folder / split / kind / f"{path.stem}.tif"
                    write_raster(path_of_half, half, categorical=kind == "label")
        write_text(
            folder / "dataset.json",
            json.dumps({"classes": layout["classes"], "ignore_index": 255}),
        )

    return made_once(root / name, make)


def pointed(folder: Path, share: float, seed: int) -> str:
    """Write labels of which only a share of the pixels is left; return the folder's name."""
    name = f"label_{share}_{seed}"
    if not (folder / "train" / name).exists():
        rng = np.random.default_rng(seed)
        for path in sorted((folder / "train" / "label").glob("*.tif")):
            label = read_raster(path)
            kept = rng.random(label.array.shape) < share
            array = np.where(kept, label.array, 255).astype(np.uint8)
            write_raster(folder / "train" / f".{name}" / path.name, array, label, categorical=True)
        (folder / "train" / f".{name}").rename(folder / "train" / name)
    return name


def maps_of(run: Run, tiles: Sequence[Tile], root: Path, digest: str) -> tuple[ObjectFiles, ...]:
    """Maps of the training tiles of a run, made at their first use.

    Args:
        run: The run that reads them.
        tiles: the tiles.
        root: folder for what is made.
        digest: of the small SAM's weights: maps of two models never mix.
    """
    if run.maps == "perfect":
        return find_object_files(tiles, "instances")
    source = f"{run.data}_{run.seed}" if run.data == "world" else run.data
    if run.maps == "sam":
        out = root / f"sam_{digest[:8]}_{source}"
        return mask_tiles(load_sam("tiny"), tiles, out, ObjectSettings.small(), progress=False)
    out = root / f"superpixels_{source}"
    for tile in tiles:
        path = out / "objects" / f"{tile.id}.tif"
        if not path.exists():
            image = np.moveaxis(read_raster(tile.files["optical"]).array[:3], 0, -1)
            ids = 1 + felzenszwalb(image, channel_axis=-1, **SUPERPIXELS)
            write_raster(path, ids.astype(np.int32), categorical=True)
    return find_object_files(tiles, out)


def quality(tiles: Sequence[Tile], files: Sequence[ObjectFiles]) -> dict[str, float]:
    """How good maps are, measured by the full labels of their tiles.

    Args:
        tiles: the tiles.
        files: their maps.

    Returns:
        ``objects`` (a tile's number of them), ``covered`` (share of labelled pixels in an object),
        ``pure`` (share of those that carry their object's commonest label), ``edges_found`` (share of the
        labels' borders with a boundary within two pixels) and ``edges_true`` (share of the boundaries
        with a border of labels within two pixels).
    """
    found: list[dict[str, float]] = []
    for tile, maps in zip(tiles, files, strict=True):
        assert tile.label is not None
        label = read_label(tile.label, tile.info.coding).astype(int)
        ids, edges = ObjectReader().read(maps, Window(0, 0, *label.shape))
        known = label != tile.info.ignore_index
        inside = known & (ids > 0)
        counts = np.zeros((ids.max() + 1, label[known].max() + 1))
        np.add.at(counts, (ids[inside], label[inside]), 1)
        real = borders(label) & known
        found.append({
            "objects": float(len(np.unique(ids[ids > 0]))),
            "covered": inside.sum() / known.sum(),
            "pure": counts.max(axis=1).sum() / max(1, inside.sum()),
            "edges_found": (real & widened(edges)).sum() / max(1, real.sum()),
            "edges_true": (edges & known & widened(real)).sum() / max(1, (edges & known).sum()),
        })  # fmt: skip
    return {key: round(float(np.mean([x[key] for x in found])), 4) for key in found[0]}


def widened(edges: np.ndarray, by: int = 2) -> np.ndarray:
    """Mark what lies at most ``by`` rows and columns from a marked pixel."""
    from scipy.ndimage import maximum_filter

    return np.asarray(maximum_filter(edges, size=2 * by + 1, mode="constant"), dtype=bool)
