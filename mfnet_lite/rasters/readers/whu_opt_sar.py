"""WHU-OPT-SAR: optical and radar scenes of Hubei at 5 m, seven classes of land use, large GeoTIFFs.

::

    DIR/optical/NH49E001013.tif    blue, green, red, near infrared
    DIR/sar/NH49E001013.tif        radar
    DIR/lbl/NH49E001013.tif        10 farmland, 20 city, 30 village, 40 water, 50 forest, 60 road, 70 others
    DIR/train.txt  test.txt        optional: names, one per line
    DIR/{train,val,test}/{optical,sar,lbl}/…    or divided by folders

Facts from the authors' repository and their answers there (Li et al., *MCANet: A joint semantic segmentation framework
of optical and SAR images for land use classification*, JAG 2022): 100 scenes of 5556 × 3704 pixels, GF-1 and GF-3,
5 m; bands 3, 2, 1 of the optical images are red, green, blue and 4 is near infrared; label 0 is background, which is
none of the seven classes; the folder of the optical images was called ``image`` once; the optical image NH49E010015
has a gap; the colours below.

Label 0 is not labelled here. There is no official split. Where neither lists nor folders tell it, a fifth of the
*whole scenes* is the split ``test``: those that come first in the order of a hash of their names, the same whatever
the seed is. Validation is held out of the rest. Crops of one scene are never divided between splits.

Training and mapping read windows of a scene, see :class:`~mfnet_lite.rasters.RandomCrops`; validation and scoring hold
one scene at a time, which takes a process of about 1.6 GB at the full size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mfnet_lite.rasters.labels.label_colours import BLACK
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.layout import (
    divide,
    folder_named,
    folders_named,
    labels_by_value_or_colour,
    stated_sensor,
)
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import (
    SPELLINGS,
    choose_sensors,
    empty_folder,
    gather,
    labels_in,
    name_lists,
    rasters_in,
)
from mfnet_lite.rasters.tiles import (
    ALL,
    OPTICAL,
    SPLITS,
    DatasetInfo,
    Problem,
    SensorInfo,
    Tile,
    TileSet,
)
from mfnet_lite.utils.labels import IGNORE_INDEX

CLASSES = ("farmland", "city", "village", "water", "forest", "road", "others")
PALETTE: tuple[Colour, ...] = (
    (204, 102, 0),
    (255, 0, 0),
    (255, 255, 0),
    (0, 0, 255),
    (85, 167, 0),
    (0, 255, 255),
    (153, 102, 153),
)
OPTICAL_FOLDERS = ("optical", "opt", "image")
SAR_FOLDERS = ("sar",)
LABEL_FOLDERS = ("lbl",)
BANDS = ("B", "G", "R", "NIR")
RED_GREEN_BLUE = (3, 2, 1)
TEST_FRACTION = 0.2


def _scene_folders(root: Path) -> dict[str, Path]:
    """Folders holding scenes, by split; ``all`` without split folders, empty if there are none."""
    found = {
        split: root / spelled
        for split in SPLITS
        for spelled in (split, *SPELLINGS.get(split, ()))
        if _holds_scenes(root / spelled)
    }
    return found or ({ALL: root} if _holds_scenes(root) else {})


def _holds_scenes(folder: Path) -> bool:
    needed = (OPTICAL_FOLDERS, SAR_FOLDERS, LABEL_FOLDERS)
    return all(folders_named(folder, names) for names in needed)


def is_whu_opt_sar(root: Path) -> bool:
    """Whether a folder, or its split folders, hold ``optical`` (or ``image``), ``sar`` and ``lbl``.

    Args:
        root: The folder.

    Returns:
        True if they do and there is no folder ``label``, which the project's own layout has.
    """
    folders = _scene_folders(root)
    return bool(folders) and not any((path / "label").is_dir() for path in folders.values())


def open_whu_opt_sar(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
) -> TileSet:
    """Open WHU-OPT-SAR.

    Args:
        root: The folder.
        sensors: ``optical`` and ``sar``; None takes both.
        seed: Choice of the scenes held out for validation.
        val_fraction: Part of ``train`` held out if there is no ``val``.
        optical_bands: Counted from 1; None takes (3, 2, 1), red, green, blue.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: Not its folders.
        ValueError: Two folders of one purpose, or a ``dataset.json`` that cannot be understood.
    """
    root = Path(root)
    folders = _scene_folders(root)
    if not folders:
        raise FileNotFoundError(
            f"{root} is not WHU-OPT-SAR: expected optical/, sar/ and lbl/ inside; unpack the dataset there"
        )
    stated = read_json(root)
    bands = tuple(optical_bands or RED_GREEN_BLUE)
    available = {
        OPTICAL: SensorInfo(OPTICAL, "optical", len(BANDS), bands, BANDS),
        "sar": SensorInfo("sar", "sar"),
    }
    available = {name: stated_sensor(sensor, stated) for name, sensor in available.items()}
    described = choose_sensors(root, available, sensors)
    values = {0: IGNORE_INDEX} | {10 * (index + 1): index for index in range(len(CLASSES))}
    coding = labels_by_value_or_colour(CLASSES, PALETTE, values, void=(BLACK,))
    coding = adapt(coding, stated, root)
    info = DatasetInfo(CLASSES, coding, described, PALETTE, 5.0, "WHU-OPT-SAR")
    names = {OPTICAL: OPTICAL_FOLDERS, "sar": SAR_FOLDERS}
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    notes: list[str] = []
    faults: list[Problem] = []
    for split, path in folders.items():
        files = {}
        for name in described:
            folder = folder_named(path, names[name])
            assert folder is not None
            files[name] = rasters_in(folder)
        label_folder = folder_named(path, LABEL_FOLDERS)
        assert label_folder is not None
        labels, left = labels_in(label_folder)
        notes += left
        faults += empty_folder(label_folder)
        splits[split], incomplete[split] = gather(files, labels, info)
    if set(folders) == {ALL}:
        lists = name_lists(root)
        if lists:
            divided = divide(root, splits[ALL], incomplete[ALL], lists)
            splits, incomplete = divided.splits, divided.incomplete
            notes += divided.notes
            faults += divided.faults
        else:
            splits, held_out = _scenes_held_out(splits[ALL])
            incomplete = dict.fromkeys(splits, incomplete[ALL])
            notes += held_out
    return finished(
        *(root, "whu_opt_sar", info, splits, incomplete, notes, faults),
        seed=seed,
        val_fraction=val_fraction,
    )


def _scenes_held_out(
    scenes: Sequence[Tile],
) -> tuple[dict[str, tuple[Tile, ...]], list[str]]:
    """Hold out whole scenes for the test by a hash of their names, and say so."""
    if len(scenes) < 2:
        return {"train": tuple(scenes)}, ["a single scene: there is no split test"]
    ordered = sorted(scenes, key=lambda tile: hashlib.blake2b(tile.id.encode()).digest())
    count = max(1, round(TEST_FRACTION * len(scenes)))
    held_out = {tile.id for tile in ordered[:count]}
    splits = {
        "train": tuple(tile for tile in scenes if tile.id not in held_out),
        "test": tuple(tile for tile in scenes if tile.id in held_out),
    }
    return splits, [
        f"no official split: {count} of {len(scenes)} whole scenes, chosen by a hash of their names, are the split "
        "test; write train.txt and test.txt for another choice"
    ]
