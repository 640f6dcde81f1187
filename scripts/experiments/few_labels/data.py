"""Halves of small real images: one to learn from, one to be scored on, and the other way round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mfnet_lite.rasters import Tile, open_dataset, read_raster, write_raster
from scripts.experiments.made_once import made_once

FOLDERS = {
    "ign": "ign_ortho_lidar",
    "vaihingen": "vaihingen_tile",
    "levir": "change_levir",
    "dsifn": "change_dsifn",
}
"""Names of the data in the folder of real tiles."""
SIDE = 128
"""Side of the tiles that Vaihingen's image is cut into, pixels."""
VAIHINGEN = ("impervious surface", "building", "low vegetation", "tree", "car")

Halves = tuple[Sequence[Tile], Sequence[Tile]]


def cut_vaihingen(source: Path, folder: Path) -> None:
    """Cut the image into tiles: those of its left half become ``train``, those of its right half ``test``."""
    image = read_raster(next((source / "image").iterdir())).array
    label = read_raster(next((source / "label").iterdir())).array[0]
    known = np.where(label == 0, 255, label.astype(np.int16) - 1).astype(np.uint8)
    rows, columns = (side // SIDE for side in label.shape)
    for row in range(rows):
        for column in range(columns):
            split = "train" if column < columns // 2 else "test"
            part = np.s_[:, row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
            for name, array in (("image", image[part]), ("label", known[None][part])):
                path = folder / split / name / f"r{row}c{column}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_raster(path, array)
    (folder / "dataset.json").write_text(json.dumps({"classes": VAIHINGEN}), encoding="utf-8")


def halves(data: str, real: Path, root: Path) -> Halves:
    """Return the tiles of both halves.

    Args:
        data: A key of ``FOLDERS``.
        real: The folder of real tiles.
        root: Where tiles are written that have to be cut first.

    Raises:
        FileNotFoundError: If the data are not there.
    """
    source = real / FOLDERS[data]
    if not source.is_dir():
        raise FileNotFoundError(f"{source} does not exist: expected a folder of real tiles")
    if data == "vaihingen":
        source = made_once(root / f"vaihingen_{SIDE}", lambda folder: cut_vaihingen(source, folder))
    dataset = open_dataset(source, val_fraction=0.0)
    if data in ("levir", "dsifn"):
        pairs = dataset.tiles("train")
        return pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]
    return dataset.tiles("train"), dataset.tiles("test")


def drawn(tiles: Sequence[Tile], number: int, seed: int) -> Sequence[Tile]:
    """Draw some tiles; all of them where the number is 0."""
    if not number:
        return tiles
    order = np.random.default_rng(seed).permutation(len(tiles))[:number]
    return [tiles[k] for k in sorted(order.tolist())]
