"""Finding files: rasters of a folder, folders of splits, partners, lists of names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.io import RASTER_SUFFIXES
from mfnet_lite.rasters.tiles import ALL, OPTICAL, SPLITS, DatasetInfo, Problem, SensorInfo, Tile
from mfnet_lite.rasters.tiling import Window
from mfnet_lite.utils.counted_nouns import agreeing, counted
from mfnet_lite.utils.lists_of_names import check_list_of_names

SPELLINGS = {"val": ("valid", "validation")}  # other names of a split's folder
LISTED_SUFFIXES = (*RASTER_SUFFIXES, ".bmp", ".npy")
LOSSY_SUFFIXES = (".jpg", ".jpeg")
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
    found: dict[str, Path] = {}
    for stem, paths in _by_stem(folder).items():
        geotiffs = [path for path in paths if path.suffix.lower() in (".tif", ".tiff")]
        if len(paths) > 1 and len(geotiffs) != 1:
            raise ValueError(
                f"{folder} holds {' and '.join(path.name for path in paths)}, rasters of one name: expected one; "
                "remove or rename the others"
            )
        found[stem] = geotiffs[0] if geotiffs else paths[0]
    return found


def has_rasters(folder: Path) -> bool:
    """Whether a folder holds a raster.

    Args:
        folder: May be missing.

    Returns:
        True if it does.
    """
    return bool(_by_stem(folder))


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Raster files of a folder, which may be missing, in the order of their names."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not path.name.startswith(".") and path.suffix.lower() in RASTER_SUFFIXES:
            found.setdefault(path.stem, []).append(path)
    return dict(sorted(found.items()))


def labels_in(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """Label files of a folder by stem: of several that differ in their suffix the one without loss counts.

    Args:
        folder: May be missing.

    Returns:
        Stem → path, sorted by stem; and a note if some files are left out.
    """
    found: dict[str, Path] = {}
    left = []
    for stem, paths in _by_stem(folder).items():
        # GeoTIFF first, then what keeps its values, then JPEG
        first, *others = sorted(
            paths,
            key=lambda path: (
                path.suffix.lower() not in (".tif", ".tiff"),
                path.suffix.lower() in LOSSY_SUFFIXES,
            ),
        )
        found[stem] = first
        left += [path.name for path in others]
    if not left:
        return found, []
    kept = found[Path(left[0]).stem].name
    return found, [
        f"{folder.parent.name}/{folder.name}: {counted(len(left), 'label')} of a name that another bears as well "
        f"{agreeing(len(left), 'is', 'are')} not read, such as {left[0]} beside {kept}"
    ]


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
    if not folder.is_dir() or has_rasters(folder):
        return ()
    what = f"the folder {folder.name}/ holds no raster"
    return (Problem(folder, what, "add the labels or remove the folder"),)


def strips(
    height: int, width: int, rows_per_block: int = 1, pixels: int | None = None
) -> Iterator[Window]:
    """Full-width windows of bounded size, from top to bottom.

    Args:
        height: Rows of the raster.
        width: Columns of the raster.
        rows_per_block: Height of the file's blocks: strips begin where a block does, so that each
            block is decoded once.
        pixels: At most so many in a strip, unless a row of blocks has more; defaults to :data:`STRIP_PIXELS`.

    Yields:
        Windows that together are the raster.
    """
    rows = max(1, (pixels or STRIP_PIXELS) // width)
    rows = max(rows_per_block, rows - rows % rows_per_block)
    for row in range(0, height, rows):
        yield Window(row, 0, min(rows, height - row), width)


def file_strips(source: Any, pixels: int | None = None) -> Iterator[Window]:
    """:func:`strips` of an open raster.

    Args:
        source: What :func:`~mfnet_lite.rasters.io.open_raster` returned.
        pixels: At most so many in a strip, unless a row of blocks has more.

    Yields:
        Windows that together are the raster.
    """
    return strips(source.height, source.width, int(source.block_shapes[0][0]), pixels)


def name_lists(root: Path) -> dict[str, tuple[Path, list[str]]]:
    """Lists of tile names: ``train.txt`` … or ``list.txt``, in the folder itself or in ``list/``.

    Args:
        root: The dataset.

    Returns:
        Split → the list's path and its lines in order, as written; ``list.txt`` alone is the split ``all``.
    """
    found: dict[str, tuple[Path, list[str]]] = {}
    for folder in (root, root / "list", root / "lists"):
        for split in SPLITS:
            path = folder / f"{split}.txt"
            if path.is_file():
                found.setdefault(split, (path, lines_of(path)))
    if not found and (root / "list.txt").is_file():
        found[ALL] = (root / "list.txt", lines_of(root / "list.txt"))
    return found


def lines_of(path: Path) -> list[str]:
    """Lines of a text that hold something.

    Args:
        path: UTF-8, with or without the mark that Windows puts first.

    Returns:
        The lines, without white space at their ends.

    Raises:
        ValueError: Another encoding.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8: expected a name per line; save it as UTF-8"
        ) from error
    return [line.strip() for line in lines if line.strip()]


def listed_names(line: str) -> list[str]:
    """The tiles that a line of a list may mean, the likeliest first.

    Names hold spaces and dots, lines hold paths, and some lists add the label's path behind the image's.
    A suffix is left out only if it is one of an image, and the rest of a line only if it is a second
    column: behind a comma or a tab, behind a name with a suffix, or with a folder of its own.

    Args:
        line: As written.

    Returns:
        Names to look for, without folders.

    Example:
        >>> listed_names("A/block 12.tif"), listed_names("A/x.png label/x.png")
        (['block 12.tif', 'block 12'], ['x.png', 'x'])
    """
    words = re.split(r"(\s*,\s*|\s+)", line)
    found: list[str] = []
    for end in range(len(words), 0, -2):
        part, rest = "".join(words[:end]).strip().strip("\"'"), "".join(words[end:])
        name = part.replace("\\", "/").rstrip("/").rpartition("/")[2]
        stem, dot, suffix = name.rpartition(".")
        plain = stem if dot and f".{suffix.lower()}" in LISTED_SUFFIXES else ""
        column = not rest or plain or "/" in rest or rest.strip(" ")[0] in ",\t"
        found += [candidate for candidate in (name, plain) if candidate and column]
    return list(dict.fromkeys(found))


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
        ValueError: ``wanted`` is a string.
    """
    check_list_of_names("sensors", wanted)
    if wanted is None:
        return dict(available)
    for name in wanted:
        if name not in available:
            raise FileNotFoundError(
                f"{root} has no sensor {name!r}: found {', '.join(available)}; choose among them "
                "or add its files"
            )
    return {name: available[name] for name in wanted}


def choose_optical_bands(
    sensors: Mapping[str, SensorInfo], bands: Sequence[int] | None
) -> dict[str, SensorInfo]:
    """The sensors, the optical one with the bands that the user asked for.

    Args:
        sensors: Name → sensor; the optical one may be absent.
        bands: Counted from 1; None changes nothing.

    Returns:
        Name → sensor.
    """
    found = dict(sensors)
    if bands is not None and OPTICAL in found:
        found[OPTICAL] = replace(found[OPTICAL], select=tuple(bands))
    return found
