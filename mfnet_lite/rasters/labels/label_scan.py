"""Which values labels hold, where nothing else tells what they mean: looked at before they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mfnet_lite.rasters.io import info_of, open_raster, raster_info
from mfnet_lite.rasters.labels.coding import FIELD_IGNORES, LabelCoding
from mfnet_lite.rasters.labels.label_files import LabelFile
from mfnet_lite.rasters.raster import Colour, RasterInfo, valid_mask
from mfnet_lite.rasters.scan import file_strips

MOST_VALUES = 1000  # no class map has more; an image or a file saved with loss does
PHANTOMS = 8  # classes without a pixel that a count from values may bring along


def values_of(path: Path) -> set[int | float]:
    """Distinct values of one label; masked pixels, nodata, NaN and transparency left out.

    Args:
        path: The file.

    Returns:
        The values.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Unreadable, several bands that differ, or more values than a class map has.
    """
    about = path.stat() if path.is_file() else None
    if about is None:
        raise FileNotFoundError(f"{path} does not exist: expected a label; check the path")
    return set(_values_of(path, about.st_mtime_ns, about.st_size))


@lru_cache(maxsize=65_536)
def _values_of(path: Path, changed: int, size: int) -> frozenset[int | float]:
    """As :func:`values_of`; a command that opens a dataset twice reads its labels once."""
    found: set[int | float] = set()
    with open_raster(path) as source:
        file = LabelFile.of(source, info_of(source, path), LabelCoding(1))
        for window in file_strips(source):
            array, mask = file.masked(source, window)
            usable = valid_mask(array, file.nodata, mask)
            if array.shape[0] > 1:
                try:
                    file.coding.lookup(array, file.nodata, mask)
                except ValueError as error:
                    raise ValueError(f"{path}: {error}") from error
            for value in np.unique(array[0][usable]).tolist():
                found.add(int(value) if float(value).is_integer() else value)
            if len(found) > MOST_VALUES:
                raise ValueError(
                    f"{path} holds more than {MOST_VALUES} different values, which is no map of classes; "
                    "put the labels there, not an image"
                )
    return frozenset(found)


def label_values(paths: Sequence[Path]) -> set[int | float]:
    """All values which occur in label files; masked pixels, nodata, NaN and transparency left out.

    Args:
        paths: Labels of one band, or of several equal ones.

    Returns:
        The distinct values.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: As :func:`values_of`.
    """
    seen: set[int | float] = set()
    for _, found in _each(paths):
        seen |= found
    return seen


def doubtful_255(paths: Sequence[Path]) -> str:
    """Whether 255 may be a class: where it stands beside 0 alone, while 1 is nowhere or in other files.

    Stops at the first label that settles it: one with 1 and 255, or with a third value.

    Args:
        paths: Labels. Unreadable ones are left out: the check tells when their turn comes.

    Returns:
        What was found, as the predicate of a sentence; empty if nothing is doubtful.
    """
    ones: list[Path] = []
    highs: list[Path] = []
    only = False
    for path, found in _each(paths, lenient=True):
        if not found <= {0, 1, 255} or found >= {1, 255}:
            return ""
        if 1 in found:
            ones.append(path)
        elif found == {0, 255}:
            highs.append(path)
        only = only or 255 in found
    if not ones:
        return "has labels that hold the values 0 and 255 only" if only else ""
    if not highs:
        return ""
    return (
        f"has labels that hold 0 and 1, like {ones[0].name}, and others that hold 0 and 255, like "
        f"{highs[0].name}"
    )


def _each(paths: Sequence[Path], lenient: bool = False) -> Iterator[tuple[Path, set[int | float]]]:
    bar = tqdm(paths, desc="looking at labels", disable=None, leave=False, delay=2)
    for path in bar:
        try:
            yield path, values_of(path)
        except ValueError:
            if not lenient:
                raise


def headers(paths: Sequence[Path]) -> list[RasterInfo]:
    """Headers of labels; unreadable ones are left out: the check tells when their turn comes.

    Args:
        paths: The files.

    Returns:
        The headers.
    """
    found = []
    for path in tqdm(paths, desc="opening labels", disable=None, leave=False, delay=2):
        try:
            found.append(raster_info(path))
        except ValueError:
            continue
    return found


def transparent_zero(paths: Sequence[Path]) -> Path | None:
    """The first label whose colour table makes the value 0 transparent, unless 0 is declared as nodata.

    Args:
        paths: Readable labels.

    Returns:
        The file, or None.
    """
    for path in paths:
        with open_raster(path) as source:
            if 0 in LabelFile.of(source, info_of(source, path), LabelCoding(1)).hidden_classes[1]:
                return path
    return None


def differing_tables(infos: Sequence[RasterInfo]) -> str:
    """A value that two labels paint in different colours: then values mean nothing by themselves.

    Args:
        infos: Headers of all labels.

    Returns:
        Which value, in which files, in words; empty if the tables agree in what is used.
    """
    tables = {tuple(sorted(info.colours.items())) for info in infos if info.colours is not None}
    if len(tables) < 2:
        return ""
    shown: dict[int | float, tuple[Colour, Path]] = {}
    for info in infos:
        table: Mapping[int, Colour] = info.colours or {}
        for value in values_of(info.path) if table else ():
            colour = table.get(int(value))
            if colour is None:
                continue
            first, path = shown.setdefault(value, (colour, info.path))
            if first != colour:
                return (
                    f"{info.path} shows the value {value} as {colour}, {path.parent.name}/{path.name} as "
                    f"{first}"
                )
    return ""


def count_classes(
    seen: set[int | float], void: int, offset: int
) -> tuple[int, list[int], list[int | float]]:
    """Number of classes that label values would make.

    Args:
        seen: Values of all labels.
        void: The value that means "not labelled".
        offset: Added to values.

    Returns:
        The number; values taken as not labelled because the field does (−1, −100); and values that make
        the count doubtful, because they are far from all others, negative or no whole numbers.
    """
    meant = seen - {void}
    conventional = sorted(int(v) for v in meant if v in FIELD_IGNORES and v + offset < 0)
    rest = sorted(v + offset for v in meant - set(conventional))
    odd: list[int | float] = [
        v - offset for v in rest if not float(v).is_integer() or v < min(offset, 0)
    ]
    whole = [int(v) for v in rest if v >= 0 and float(v).is_integer()]
    count = max(whole, default=1) + 1
    lowest = 0
    for index, value in enumerate(whole):
        if (
            value - lowest > PHANTOMS
        ):  # as many classes without a pixel, from here to the one before
            odd += [v - offset for v in whole[index:]]
            break
        lowest = value
    if not odd and count - len(whole) > max(PHANTOMS, len(whole)):
        odd = [v - offset for v in whole]
    return count, conventional, odd
