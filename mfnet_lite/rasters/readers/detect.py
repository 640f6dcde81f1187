"""The table of all readers, and opening a dataset without saying which one it needs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.readers.folder import is_folder, open_folder
from mfnet_lite.rasters.readers.hunan import is_hunan, open_hunan
from mfnet_lite.rasters.readers.isprs import is_isprs, open_potsdam, open_vaihingen
from mfnet_lite.rasters.readers.loveda import loveda_folders, open_loveda
from mfnet_lite.rasters.readers.mf_street import is_mf_street, open_mf_street
from mfnet_lite.rasters.readers.nyud import is_nyud, is_sunrgbd, open_nyud, open_sunrgbd
from mfnet_lite.rasters.readers.pairs import open_pairs, pair_folders
from mfnet_lite.rasters.readers.plate_images import (
    are_plates,
    not_for_training,
    open_plate_tiles,
)
from mfnet_lite.rasters.readers.pst900 import is_pst900, open_pst900
from mfnet_lite.rasters.readers.reader import Reader
from mfnet_lite.rasters.readers.whu_opt_sar import is_whu_opt_sar, open_whu_opt_sar
from mfnet_lite.rasters.tiles import TileSet


def _is_own_folder(root: Path) -> bool:
    """The project's layout, but not WHU-OPT-SAR with its optical images in ``image``: ``lbl`` is no sensor."""
    return is_folder(root) and not is_whu_opt_sar(root)


_RECORDS = (
    Reader("folder", _is_own_folder, open_folder, "image/ or train/image/ (folder layout)"),
    Reader("pairs", lambda root: bool(pair_folders(root)), open_pairs, "A/ and B/ (pairs)"),
    Reader("loveda", lambda root: bool(loveda_folders(root)), open_loveda, "Train/Urban/images_png/ (LoveDA)"),
    Reader("hunan", is_hunan, open_hunan, "train/s2/ or dsm_pngs/ (MMHunan)"),
    Reader("mf_street", is_mf_street, open_mf_street, "images/00001D.png and labels/ (MFNet street set)"),
    Reader("pst900", is_pst900, open_pst900, "train/rgb/, train/thermal/ and train/labels/ (PST900)"),
    # Before NYUDv2, which has the same folders.
    Reader("sunrgbd", is_sunrgbd, open_sunrgbd, "the same folders as NYUDv2 in SUN-RGBD/ (SUN RGB-D)"),
    Reader("nyud", is_nyud, open_nyud, "RGB/0.jpg, HHA/ or Depth/, and Label/ (NYUDv2)"),
    Reader("whu_opt_sar", is_whu_opt_sar, open_whu_opt_sar, "optical/, sar/ and lbl/ (WHU-OPT-SAR)"),
    Reader("vaihingen", partial(is_isprs, "vaihingen"), open_vaihingen, "top_mosaic_09cm_area*.tif (Vaihingen)"),
    Reader("potsdam", partial(is_isprs, "potsdam"), open_potsdam, "top_potsdam_*.tif (Potsdam)"),
    Reader("plates", are_plates, open_plate_tiles, "images/ and masks/ (plates)", not_for_training),
)  # fmt: skip
READERS: dict[str, Reader] = {reader.name: reader for reader in _RECORDS}
"""Every format by its name, in the order in which a folder is tried."""

KINDS = tuple(name for name, reader in READERS.items() if reader.refusal is None)
"""Names of the formats that :func:`open_dataset` opens, for training and scoring."""


def detect_kind(root: str | Path) -> str | None:
    """Recognise a dataset by its folders and file names.

    Args:
        root: The folder.

    Returns:
        A key of :data:`READERS`, or None.
    """
    return next((name for name, reader in READERS.items() if reader.matches(Path(root))), None)


def find_reader(root: str | Path, kind: str = "auto") -> Reader:
    """The reader of a dataset, whatever it is to be opened for.

    Args:
        root: The folder.
        kind: ``auto``, or a key of :data:`READERS`.

    Returns:
        Its record.

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
    if name is None:
        *formats, last = (reader.looks_for for reader in READERS.values())
        raise FileNotFoundError(
            f"{root} is no dataset we know: looked for {', '.join(formats)} and {last}; arrange the "
            "files in one of these ways"
        )
    return READERS[name]


def open_dataset(
    root: str | Path,
    kind: str = "auto",
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    **options: Any,
) -> TileSet:
    """Open any dataset that can be trained on and scored.

    Args:
        root: The folder.
        kind: ``auto``, or one of :data:`KINDS`.
        sensors: Which to use, in the order of the samples; None takes all.
        seed: Choice of the tiles held out for validation.
        val_fraction: Part of ``train`` held out if there is no ``val``.
        **options: Further arguments of the reader, such as ``optical_bands`` or ``eroded``.

    Returns:
        The dataset.

    Raises:
        FileNotFoundError: No such folder, or nothing in it that we know.
        ValueError: Another word for ``kind``, or an argument that this reader does not have.
    """
    reader = find_reader(root, kind)
    if reader.refusal is not None:
        raise FileNotFoundError(f"{root} {reader.refusal(Path(root))}")
    unknown = [option for option in options if option not in reader.options]
    if unknown:
        raise ValueError(
            f"{root} is read as {reader.name}, which has no choice of {', '.join(unknown)}: leave it out, or "
            "arrange the files as the folder layout and choose there"
        )
    return reader.open(Path(root), sensors, seed=seed, val_fraction=val_fraction, **options)
