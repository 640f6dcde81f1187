"""Counting what labels hold, before anything is learnt from them: one pass, bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mfnet_lite.rasters.io import info_of, open_raster
from mfnet_lite.rasters.labels.coding import FIELD_IGNORES, UNKNOWN, LabelCoding
from mfnet_lite.rasters.labels.label_colours import FAR, Nearest
from mfnet_lite.rasters.labels.label_files import LabelFile
from mfnet_lite.rasters.raster import RasterInfo
from mfnet_lite.rasters.scan import file_strips
from mfnet_lite.rasters.tiles import Tile
from mfnet_lite.utils.counted_nouns import agreeing, counted
from mfnet_lite.utils.labels import IGNORE_INDEX

MOST_UNKNOWN = 10_000  # different unknown values kept of one file; a lossy one has a million
UNNAMED = "class 0"  # what the only class is called where nobody names it
UNSET = "remove the declaration (rio edit-info --unset-nodata)"
OPAQUE = (
    "save the labels without transparency, in Python: from PIL import Image; "
    'Image.open("FILE").save("NEW.png", transparency=None)'
)


@dataclass
class LabelCounts:
    """What one label file, or several, hold.

    Attributes:
        classes: Pixels per class index; the ignored ones under the ignored index.
        unknown: Pixels per value that is no class.
        nearest: What was read by the nearest colour.
        conventional: Pixels per value that is taken as not labelled because the field does (−1, −100).
        nodata: Declared nodata values that are class values as well.
        transparent: Class values that a colour table makes transparent.
        complaint: What to say about the unknown values of one file; empty if there are none.
    """

    classes: Counter[int] = field(default_factory=Counter)
    unknown: Counter[Any] = field(default_factory=Counter)
    nearest: Nearest = field(default_factory=Nearest)
    conventional: Counter[int] = field(default_factory=Counter)
    nodata: set[int] = field(default_factory=set)
    transparent: set[int] = field(default_factory=set)
    complaint: str = ""

    def add(self, other: LabelCounts) -> None:
        """Add those of another file.

        Args:
            other: What it holds; its complaint is not taken over.
        """
        self.classes.update(other.classes)
        self.unknown.update(other.unknown)
        self.nearest = self.nearest.plus(other.nearest)
        self.conventional.update(other.conventional)
        self.nodata |= other.nodata
        self.transparent |= other.transparent

    def notes(self) -> list[str]:
        """What was taken for granted, in words.

        Returns:
            A line each.
        """
        lines = [
            f"{counted(count, 'label pixel')} {agreeing(count, 'holds', 'hold')} {value}, which counts as not "
            f'labelled; if it is a class, say so with "label_values" in dataset.json'
            for value, count in sorted(self.conventional.items())
        ]
        if self.nearest.pixels:
            found = self.nearest
            line = (
                f"{counted(found.pixels, 'label pixel')} had a colour of no class and "
                f"{agreeing(found.pixels, 'was', 'were')} given the class of the nearest colour"
            )
            if found.far:
                line += f"; {found.far} of them are far from it (over {FAR} of 255)"
            if found.ties:
                line += f"; {found.ties} lie equally far from two colours and count as not labelled"
            lines.append(line)
        return lines


def count_labels(path: Path, coding: LabelCoding) -> tuple[RasterInfo, LabelCounts]:
    """Read a label file through.

    Args:
        path: The file.
        coding: How labels are written.

    Returns:
        Its header, and what it holds.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Unreadable, or a number of bands that does not suit the coding (then the message begins
            with ``expected``).
    """
    found = LabelCounts()
    with open_raster(path) as source:
        info = info_of(source, path)
        file = LabelFile.of(source, info, coding)
        signed = not file.coding.colours and np.dtype(info.dtype).kind in "if"
        found.nodata, found.transparent = file.hidden_classes
        for window in file_strips(source):
            part = file.part(source, window)
            values, numbers = np.unique(part.indices, return_counts=True)
            found.classes.update({int(v): int(n) for v, n in zip(values, numbers, strict=True)})
            found.nearest = found.nearest.plus(part.nearest)
            found.unknown.update(file.unknown(part))
            if len(found.unknown) > MOST_UNKNOWN:
                found.unknown = Counter(dict(found.unknown.most_common(MOST_UNKNOWN)))
            for value in set(coding.ignored) & set(FIELD_IGNORES) if signed else ():
                if value != info.nodata and (pixels := int((part.array[0] == value).sum())):
                    found.conventional[value] += pixels
    found.classes.pop(UNKNOWN, None)
    if found.unknown:
        found.complaint = file.coding.complaint(dict(found.unknown.most_common()), path)
    return info, found


def label_histogram(tiles: Sequence[Tile], *, progress: bool = True) -> dict[int, int]:
    """Pixels per class index over the labels of tiles.

    Args:
        tiles: With labels, of one dataset; those without are left out.
        progress: Show a bar on a terminal.

    Returns:
        Class index → pixels; those without a label under the ignored index.

    Raises:
        FileNotFoundError: A label is missing.
        ValueError: A label that cannot be read or holds unknown values.

    Example:
        >>> label_histogram([])
        {}
    """
    return dict(sorted(count_tiles(tiles, progress=progress).classes.items()))


def count_tiles(tiles: Sequence[Tile], *, progress: bool = True) -> LabelCounts:
    """As :func:`label_histogram`, with all that is worth a note.

    Args:
        tiles: With labels, of one dataset.
        progress: Show a bar on a terminal.

    Returns:
        What the labels hold together.

    Raises:
        FileNotFoundError: A label is missing.
        ValueError: A label that cannot be read or holds unknown values.
    """
    total = LabelCounts()
    bar = tqdm(tiles, desc="counting labels", disable=None if progress else True, leave=False)
    for tile in bar:
        if tile.label is None:
            continue
        try:
            _, found = count_labels(tile.label, tile.info.coding)
        except ValueError as error:
            if str(error).startswith("expected"):
                raise ValueError(f"{tile.label}: {error}") from error
            raise
        if found.complaint:
            raise ValueError(f"{tile.label} {found.complaint}")
        total.add(found)
    return total


def absent_classes(counts: Mapping[int, int], classes: Sequence[str]) -> list[str]:
    """Names of the classes that no pixel has.

    Args:
        counts: Class index → pixels.
        classes: Names in the order of the indices.

    Returns:
        The names.
    """
    return [name for index, name in enumerate(classes) if not counts.get(index)]


def absent_note(
    counts: Mapping[int, int],
    classes: Sequence[str],
    coding: LabelCoding | None = None,
    transparent: Iterable[int] = (),
) -> list[str]:
    """A note on classes that no training pixel has.

    Args:
        counts: Class index → training pixels.
        classes: Names in the order of the indices.
        coding: How labels are written, for a remark on classes counted from 1.
        transparent: Class values that a colour table makes transparent.

    Returns:
        One note, or none.
    """
    absent = absent_classes(counts, classes)
    if not absent:
        return []
    note = f"no training pixel is labelled {', '.join(absent)}"
    plain = coding is not None and not (coding.values or coding.colours or coding.palette)
    if set(transparent):
        note += f", while {_transparent(transparent)}"
    elif plain and absent[0] == classes[0] and len(classes) > 2:
        note += (
            f", the class of the value 0 (if the values count from 1 for {classes[0]}, write "
            '"label_offset": -1 in dataset.json)'
        )
    return [note]


def _transparent(values: Iterable[int]) -> str:
    shown = ", ".join(str(value) for value in sorted(values))
    return f"the colour table of the label files makes the value {shown} transparent"


def nothing_to_learn(
    counts: Mapping[int, int],
    classes: Sequence[str],
    nodata: Iterable[int] = (),
    ignore: int = IGNORE_INDEX,
    coding: LabelCoding | None = None,
    transparent: Iterable[int] = (),
) -> str:
    """Why the labels of a training cannot teach anything: none of them, or one class only.

    Args:
        counts: Class index → training pixels.
        classes: Names in the order of the indices.
        nodata: Class values which the files declare as nodata.
        ignore: Index of pixels without a label, which may be that of a class.
        coding: How labels are written: tells which class a nodata value would be.
        transparent: Class values that a colour table makes transparent, so that they count as not labelled.

    Returns:
        What is wrong and what to do, without subject; empty if two classes or more are labelled and none is hidden
        by a declaration.
    """
    present = [name for i, name in enumerate(classes) if i != ignore and counts.get(i)]
    clear, declared = sorted(transparent), sorted(set(nodata))
    by_value = {} if coding is None else coding.class_of_value()
    if len(present) > 1:
        for value in (*clear, *declared):
            index = by_value.get(value, ignore)
            if index == ignore or index >= len(classes) or counts.get(index):
                continue
            why = (
                f"{_transparent([value])}; if it is a class, {OPAQUE}"
                if value in clear
                else f"the label files declare its value {value} as nodata; if it is a class, {UNSET}"
            )
            return (
                f"training pixels are labelled nowhere as {classes[index]}, since {why}, if it means "
                f'"not labelled", write "ignore_index": {value} in dataset.json'
            )
        return ""
    what = f"only as {present[0]}" if present else "nowhere"
    if clear:
        remedy = f"{_transparent(clear)}, so it counts as not labelled: if it is a class, {OPAQUE}"
    elif declared:
        values = ", ".join(str(value) for value in declared)
        remedy = (
            f"the label files declare the value {values} as nodata, so it counts as not labelled: if it "
            f"is a class, {UNSET}"
        )
    elif list(classes) == [UNNAMED]:
        remedy = (
            "add labels of a second class, or, if the pixels that count as not labelled are one, write "
            f'"classes": ["{UNNAMED}", "other"] and the class of each value under "label_values" in dataset.json'
        )
    elif len(classes) == 1:
        remedy = f'name what is not {classes[0]} as a class, too, like "classes": ["other", "{classes[0]}"]'
    else:
        remedy = (
            'add tiles that show two classes, or correct classes, "label_values" and "ignore_index" '
            "in dataset.json"
        )
    return f"training pixels are labelled {what}, so there is nothing to tell apart; {remedy}"
