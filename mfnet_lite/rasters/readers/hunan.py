"""MMHunan: Sentinel-2 and topography over Hunan, 256-pixel tiles at 10 m, seven classes of land cover.

Two forms are in use and both are read::

    DIR/{train,val,test}/{s2,topo,lc}/12.tif        the original (also s2_12.tif, topo_12.tif, lc_12.tif)
    DIR/images_png/12.png  dsm_pngs/12.png  masks_png/12.tif     as prepared for MFNet

In the original, ``s2`` has 13 bands (bands 4, 3, 2 counted from 1 are red, green, blue), ``topo`` has
elevation in its first band, ``lc`` the codes of the land cover product. The prepared form holds class
indices with −1 for "not labelled". Its split of 450 training and 50 test tiles exists only as a list
of numbers in the authors' code, which we do not copy: put ``train.txt`` and ``test.txt`` (one number
per line) beside the folders, else all tiles form one split.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.readers.dataset_json import read_json
from mfnet_lite.rasters.readers.oddities import HUNAN_CODES
from mfnet_lite.rasters.readers.pairs import by_lists
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import choose_sensors, gather, rasters_in, split_folders
from mfnet_lite.rasters.tiles import (
    ALL,
    OPTICAL,
    DatasetInfo,
    Problem,
    SensorInfo,
    Tile,
    TileSet,
)
from mfnet_lite.utils.labels import IGNORE_INDEX

CLASSES = ("cropland", "forest", "grassland", "wetland", "water", "unused land", "built-up area")
PALETTE: tuple[Colour, ...] = (
    (196, 90, 17),
    (51, 129, 88),
    (177, 205, 61),
    (228, 84, 96),
    (91, 154, 214),
    (225, 174, 110),
    (239, 159, 2),
)
ORIGINAL = {
    0: IGNORE_INDEX,
    1: 0,
    2: 1,
    3: 2,
    5: 3,
    6: 4,
    8: 5,
    9: 6,
    IGNORE_INDEX: IGNORE_INDEX,
} | dict.fromkeys((4, 7, 10, 11), IGNORE_INDEX)
PREPARED = {-1: IGNORE_INDEX, IGNORE_INDEX: IGNORE_INDEX} | {
    index: index for index in range(len(CLASSES))
}
REFLECTANCE = 10_000.0  # Sentinel-2's digital number of full reflectance


def is_hunan(root: Path) -> bool:
    """Whether a folder has one of the two forms.

    Args:
        root: The folder.

    Returns:
        True if it has.
    """
    return bool(split_folders(root, "s2")) or (root / "dsm_pngs").is_dir()


def _unprefixed(folder: Path, prefix: str) -> dict[str, Path]:
    return {stem.removeprefix(prefix): path for stem, path in rasters_in(folder).items()}


def open_hunan(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
) -> TileSet:
    """Open MMHunan in its original or its prepared form.

    Args:
        root: The folder.
        sensors: ``optical`` and ``dsm``; None takes both.
        seed: Choice of the tiles held out for validation.
        val_fraction: Part of ``train`` held out if there is no ``val``.
        optical_bands: Of the original, counted from 1; None takes (4, 3, 2), red, green, blue.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: Neither form.
    """
    root = Path(root)
    folders = split_folders(root, "s2")
    if not folders and not (root / "images_png").is_dir():
        raise FileNotFoundError(
            f"{root} is not MMHunan: expected train/s2, train/topo, train/lc or images_png, "
            "dsm_pngs, masks_png inside; unpack the dataset there"
        )
    if folders:
        bands = tuple(optical_bands or (4, 3, 2))
        optical = SensorInfo(OPTICAL, "s2", 13, bands, scale=REFLECTANCE)
        height = SensorInfo("dsm", "topo", None, (1,), unit="m")
    else:
        folders = {ALL: root}
        chosen = None if optical_bands is None else tuple(optical_bands)
        optical = SensorInfo(OPTICAL, "images_png", 3, chosen, ("R", "G", "B"), "uint8")
        height = SensorInfo("dsm", "dsm_pngs", 1, dtype="uint8")
    described = choose_sensors(root, {OPTICAL: optical, "dsm": height}, sensors)
    original = optical.folder == "s2"
    label_folder = "lc" if original else "masks_png"
    labels = {s: _unprefixed(path / label_folder, "lc_") for s, path in folders.items()}
    first = next((path for found in labels.values() for path in found.values()), None)
    # Files already recoded to class indices are signed, because of the −1.
    recoded = not original or (first is not None and raster_info(first).dtype.startswith("int"))
    coding = LabelCoding(
        len(CLASSES), IGNORE_INDEX, PREPARED if recoded else ORIGINAL, classes=CLASSES
    )
    coding = adapt(coding, read_json(root), root)
    info = DatasetInfo(CLASSES, coding, described, PALETTE, 10.0, "MMHunan")
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    for split, path in folders.items():
        files = {
            name: _unprefixed(path / str(sensor.folder), f"{sensor.folder}_")
            for name, sensor in described.items()
        }
        splits[split], incomplete[split] = gather(files, labels[split], info)
    notes = [] if recoded else [HUNAN_CODES]
    if set(folders) == {ALL}:
        splits, incomplete, unlisted = by_lists(root, splits[ALL], incomplete[ALL])
        notes += unlisted
    return finished(
        *(root, "hunan", info, splits, incomplete, notes), seed=seed, val_fraction=val_fraction
    )
