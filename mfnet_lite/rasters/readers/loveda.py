"""LoveDA: 0.3 m images of three Chinese cities, urban and rural, seven classes, no elevation.

::

    DIR/Train/Urban/images_png/1366.png    DIR/Train/Urban/masks_png/1366.png
    DIR/Train/Rural/…    DIR/Val/{Urban,Rural}/…    DIR/Test/{Urban,Rural}/images_png/…

Masks count from 1; 0 is "no data" and becomes the ignored label. The masks of ``Test`` were never
published, so that papers (SAM-assisted training among them) score on ``Val``; here ``Val`` is the
split ``test``, and validation is held out of ``Train``. The tree in which the authors keep all urban
tiles in one folder (``Urban/images_png``) is read as well: there the number of a tile tells its part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mfnet_lite.rasters.labels.label_colours import BLACK
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.folder import open_folder
from mfnet_lite.rasters.readers.layout import labels_by_value_or_colour
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import choose_sensors, gather, rasters_in, split_folders
from mfnet_lite.rasters.tiles import (
    OPTICAL,
    DatasetInfo,
    Problem,
    SensorInfo,
    Tile,
    TileSet,
)
from mfnet_lite.utils.labels import IGNORE_INDEX
from mfnet_lite.utils.lists_of_names import check_list_of_names

CLASSES = ("background", "building", "road", "water", "barren", "forest", "agriculture")
PALETTE: tuple[Colour, ...] = (
    (255, 255, 255),
    (255, 0, 0),
    (255, 255, 0),
    (0, 0, 255),
    (159, 129, 183),
    (0, 255, 0),
    (255, 195, 128),
)
SCENES = ("Urban", "Rural")
PARTS = {"Train": "train", "Val": "test", "Test": "unlabelled"}
LAST_TRAIN, LAST_VAL = 2521, 4190  # tile numbers


def loveda_folders(root: Path, scenes: Sequence[str] = SCENES) -> list[tuple[str, str, Path]]:
    """Folders holding ``images_png``.

    Args:
        root: The dataset.
        scenes: ``Urban``, ``Rural`` or both.

    Returns:
        Split (empty if the tile's number tells it), scene, folder.

    Raises:
        ValueError: ``scenes`` is a string.
    """
    check_list_of_names("scenes", scenes)
    nested = [
        (split, scene, root / spelled / scene)
        for part, split in PARTS.items()
        for spelled in (part, part.lower())
        for scene in scenes
    ]
    found = [entry for entry in nested if (entry[2] / "images_png").is_dir()]
    # On a file system that ignores case both spellings are the same folder.
    found = list({(split, scene): (split, scene, path) for split, scene, path in found}.values())
    flat = [("", scene, root / scene) for scene in scenes]
    return found or [entry for entry in flat if (entry[2] / "images_png").is_dir()]


def open_loveda(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    scenes: Sequence[str] = SCENES,
) -> TileSet:
    """Open LoveDA; also its tiles in plain ``image/`` and ``label/`` folders.

    Args:
        root: The folder.
        sensors: Only ``optical``.
        seed: Choice of the tiles held out for validation.
        val_fraction: Part of the training tiles held out.
        scenes: ``("Urban",)`` for the setting of SAM-assisted training.

    Returns:
        The dataset; tiles are named like ``Urban_1366``.

    Raises:
        FileNotFoundError: Not LoveDA's folders.
    """
    root = Path(root)
    if split_folders(root, "image"):
        return open_folder(
            root,
            sensors,
            seed=seed,
            val_fraction=val_fraction,
            classes=CLASSES,
            label_offset=-1,
            ignore_index=IGNORE_INDEX,
        )
    folders = loveda_folders(root, scenes)
    if not folders:
        raise FileNotFoundError(
            f"{root} is not LoveDA: expected Train/Urban/images_png and so on inside; "
            "unpack Train.zip and Val.zip there"
        )
    values = {0: IGNORE_INDEX} | {index + 1: index for index in range(len(CLASSES))}
    coding = labels_by_value_or_colour(CLASSES, PALETTE, values, void=(BLACK,))
    optical = SensorInfo(OPTICAL, "images_png", 3, None, ("R", "G", "B"), "uint8")
    described = choose_sensors(root, {OPTICAL: optical}, sensors)
    coding = adapt(coding, read_json(root), root)
    info = DatasetInfo(CLASSES, coding, described, PALETTE, 0.3, "LoveDA")
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    for split, scene, folder in folders:
        images = {f"{scene}_{s}": p for s, p in rasters_in(folder / "images_png").items()}
        labels = {f"{scene}_{s}": p for s, p in rasters_in(folder / "masks_png").items()}
        tiles, problems = gather({OPTICAL: images}, labels, info)
        for name, part in _parts(split, tiles):
            splits[name] = (*splits.get(name, ()), *part)
            incomplete[name] = (*incomplete.get(name, ()), *problems)
    return finished(
        *(root, "loveda", info, splits, incomplete), seed=seed, val_fraction=val_fraction
    )


def _parts(split: str, tiles: Sequence[Tile]) -> Iterator[tuple[str, tuple[Tile, ...]]]:
    """The tiles under their split, or divided by their numbers where no folder tells it."""
    if split:
        yield split, tuple(tiles)
        return
    bounds = {"train": (0, LAST_TRAIN), "test": (LAST_TRAIN + 1, LAST_VAL)}
    for name, (low, high) in bounds.items():
        yield name, tuple(t for t in tiles if low <= int(t.id.rsplit("_", 1)[1]) <= high)
