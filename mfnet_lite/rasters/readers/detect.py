"""Open a dataset without saying which it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.readers.folder import open_folder
from mfnet_lite.rasters.readers.hunan import is_hunan, open_hunan
from mfnet_lite.rasters.readers.isprs import isprs_kind, open_potsdam, open_vaihingen
from mfnet_lite.rasters.readers.loveda import loveda_folders, open_loveda
from mfnet_lite.rasters.readers.pairs import open_pairs, pair_folders
from mfnet_lite.rasters.readers.plate_images import plate_files
from mfnet_lite.rasters.scan import split_folders
from mfnet_lite.rasters.tiles import TileSet

READERS: dict[str, Callable[..., TileSet]] = {
    "folder": open_folder,
    "pairs": open_pairs,
    "loveda": open_loveda,
    "hunan": open_hunan,
    "vaihingen": open_vaihingen,
    "potsdam": open_potsdam,
}


def detect_kind(root: str | Path) -> str | None:
    """Tell a dataset by its folders and file names.

    Args:
        root: The folder.

    Returns:
        A key of :data:`READERS`, or None.
    """
    root = Path(root)
    if split_folders(root, "image"):
        return "folder"
    if pair_folders(root):
        return "pairs"
    if loveda_folders(root):
        return "loveda"
    if is_hunan(root):
        return "hunan"
    return isprs_kind(root)


def open_dataset(
    root: str | Path,
    kind: str = "auto",
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    **options: Any,
) -> TileSet:
    """Open any dataset we have a reader for.

    Args:
        root: The folder.
        kind: ``auto``, or a key of :data:`READERS`.
        sensors: Which to use, in the order of the samples; None takes all.
        seed: Choice of the tiles held out for validation.
        val_fraction: Part of ``train`` held out if there is no ``val``.
        **options: Further arguments of the reader, such as ``optical_bands`` or ``eroded``.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: No such folder, or nothing in it that we know.
        ValueError: Another word for ``kind``.
    """
    root = Path(root)
    if kind != "auto" and kind not in READERS:
        raise ValueError(f"unknown kind {kind!r}; available: auto, {', '.join(READERS)}")
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder: expected a dataset; check the path")
    name = detect_kind(root) if kind == "auto" else kind
    plates = plate_files(root)[0] if name is None else ""
    if plates:
        raise FileNotFoundError(
            f"{root} holds images of vehicles with number plates (layout {plates}), which this does not "
            "read: open them with mfnet_lite.rasters.open_plates and train with "
            "mfnet_lite.runs.samlp.train_plates as chapter 6 does, or put images and masks (0 elsewhere, "
            "1 plate) of one name into train/image/ and train/label/"
        )
    if name is None:
        raise FileNotFoundError(
            f"{root} is no dataset we know: looked for image/ or train/image/ (folder layout), A/ "
            "and B/ (pairs), Train/Urban/images_png/ (LoveDA), train/s2/ or dsm_pngs/ (MMHunan), "
            "top_mosaic_09cm_area*.tif (Vaihingen) and top_potsdam_*.tif (Potsdam); arrange the "
            "files in one of these ways"
        )
    return READERS[name](root, sensors, seed=seed, val_fraction=val_fraction, **options)
