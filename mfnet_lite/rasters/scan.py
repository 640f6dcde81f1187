"""Finding files: rasters of a folder, folders of splits, partners, and values of labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mfnet_lite.rasters.io import RASTER_SUFFIXES, open_raster, read_window
from mfnet_lite.rasters.tiles import ALL, SPLITS, DatasetInfo, Problem, SensorInfo, Tile
from mfnet_lite.rasters.tiling import Window

SPELLINGS = {"val": ("valid", "validation")}  # other names of a split's folder
STRIP_PIXELS = 4_000_000  # pixels held at once when a file is read through


def rasters_in(folder: Path) -> dict[str, Path]:
    """Raster files of a folder by stem; of ``a.tif`` and ``a.png`` the GeoTIFF counts.

    Args:
        folder: May be missing.

    Returns:
        Stem → path, sorted by stem.

    Raises:
        ValueError: Two rasters of one name of which not exactly one is a GeoTIFF.
    """
    if not folder.is_dir():
        return {}
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in RASTER_SUFFIXES:
            continue
        other = found.get(path.stem)
        if other is not None:
            geotiffs = [p for p in (other, path) if p.suffix.lower() in (".tif", ".tiff")]
            if len(geotiffs) != 1:
                raise ValueError(
                    f"{folder} holds {other.name} and {path.name}, two rasters of one name: expected one; "
                    "remove or rename the other"
                )
            path = geotiffs[0]
        found[path.stem] = path
    return dict(sorted(found.items()))


def split_folders(root: Path, inside: str) -> dict[str, Path]:
    """Folders of the splits: those of train, val and test holding ``inside``, or the root itself.

    Args:
        root: The dataset.
        inside: Folder every split must have, such as ``image``.

    Returns:
        Split name → folder; ``{"all": root}`` without split folders; empty if neither is there.
    """
    found = {
        split: root / spelled
        for split in SPLITS
        for spelled in (split, *SPELLINGS.get(split, ()))
        if (root / spelled / inside).is_dir()
    }
    if not found and (root / inside).is_dir():
        return {ALL: root}
    return found


def gather(
    files: Mapping[str, Mapping[str, Path]], labels: Mapping[str, Path], info: DatasetInfo
) -> tuple[tuple[Tile, ...], tuple[Problem, ...]]:
    """Put files of the same stem together.

    Args:
        files: Sensor → stem → file.
        labels: Stem → label; empty for a split without labels.
        info: The dataset.

    Returns:
        The complete tiles by id, and a problem for each file whose partner is missing.
    """
    parts = {**files, "label": labels} if labels else dict(files)
    stems = sorted(set().union(*parts.values())) if parts else []
    tiles, problems = [], []
    for stem in stems:
        lacking = [name for name, found in parts.items() if stem not in found]
        if not lacking:
            own = {name: found[stem] for name, found in files.items()}
            tiles.append(Tile(stem, own, labels.get(stem), info))
            continue
        present = next(found[stem] for found in parts.values() if stem in found)
        problems.append(
            Problem(
                present,
                f"missing partner: no {' and no '.join(lacking)} of this name",
                "add the missing file or remove this one",
            )
        )
    return tuple(tiles), tuple(problems)


def empty_folder(folder: Path) -> tuple[Problem, ...]:
    """Complain about a folder of labels that holds none.

    Args:
        folder: May be missing: tiles without labels are no fault, only a folder that promises them.

    Returns:
        One problem, or none.
    """
    if not folder.is_dir() or rasters_in(folder):
        return ()
    what = f"the folder {folder.name}/ holds no raster"
    return (Problem(folder, what, "add the labels or remove the folder"),)


def strips(height: int, width: int, rows_per_block: int = 1) -> Iterator[Window]:
    """Full-width windows of bounded size, from top to bottom.

    Args:
        height: Rows of the raster.
        width: Columns of the raster.
        rows_per_block: Height of the file's blocks: strips begin where a block does, so that each
            block is decoded once.

    Yields:
        Windows that together are the raster.
    """
    rows = max(1, STRIP_PIXELS // width)
    rows = max(rows_per_block, rows - rows % rows_per_block)
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)


def file_strips(source: Any) -> Iterator[Window]:
    """:func:`strips` of an open raster.

    Args:
        source: What :func:`~mfnet_lite.rasters.io.open_raster` returned.

    Yields:
        Windows that together are the raster.
    """
    return strips(source.height, source.width, int(source.block_shapes[0][0]))


def label_values(paths: Iterable[Path]) -> set[int]:
    """All values which occur in label files, nodata left out.

    Args:
        paths: Single-band labels.

    Returns:
        The distinct values.
    """
    seen: set[int] = set()
    for path in paths:
        with open_raster(path) as source:
            nodata = source.nodata
            for window in file_strips(source):
                seen |= {int(v) for v in np.unique(read_window(source, path, window, (1,)))}
        if nodata is not None and np.isfinite(nodata):
            seen.discard(int(nodata))
    return seen


def name_lists(root: Path) -> dict[str, tuple[Path, list[str]]]:
    """Lists of tile names: ``train.txt`` … or ``list.txt``, in the folder itself or in ``list/``.

    Args:
        root: The dataset.

    Returns:
        Split → the list's path and its stems in order; ``list.txt`` alone is the split ``all``.
    """
    found: dict[str, tuple[Path, list[str]]] = {}
    for folder in (root, root / "list", root / "lists"):
        for split in SPLITS:
            path = folder / f"{split}.txt"
            if path.is_file():
                found.setdefault(split, (path, _names(path)))
    if not found and (root / "list.txt").is_file():
        found[ALL] = (root / "list.txt", _names(root / "list.txt"))
    return found


def _names(path: Path) -> list[str]:
    """Stems of the first word of each line (some lists add the label's path behind it)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Path(line.split()[0]).stem for line in lines if line.strip()]


def choose_sensors(
    root: Path, available: Mapping[str, SensorInfo], wanted: Sequence[str] | None
) -> dict[str, SensorInfo]:
    """The sensors asked for, in that order.

    Args:
        root: The dataset, for messages.
        available: What it has.
        wanted: Names; None takes all.

    Returns:
        Name → sensor.

    Raises:
        FileNotFoundError: A sensor the dataset does not have.
    """
    if wanted is None:
        return dict(available)
    for name in wanted:
        if name not in available:
            raise FileNotFoundError(
                f"{root} has no sensor {name!r}: found {', '.join(available)}; choose among them "
                "or add its files"
            )
    return {name: available[name] for name in wanted}
