"""What ``dataset.json`` says about labels, and what is asked where it says nothing.

Keys: ``classes``, ``palette``, ``ignore_index``, ``label_offset``, ``label_values``, ``label_threshold`` and
``label_unknown``; :mod:`~mfnet_lite.rasters.readers.dataset_json` says what each must hold. Every reader honours the
last three. A reading that is guessed is named in a note; where two readings are plausible and the wrong one
hides a class, the dataset is refused with the line that settles it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.labels.coding import FIELD_IGNORES, LabelCoding
from mfnet_lite.rasters.labels.label_colours import BLACK
from mfnet_lite.rasters.labels.label_counts import OPAQUE
from mfnet_lite.rasters.labels.label_files import table_reading
from mfnet_lite.rasters.labels.label_keys import stated_palette, stated_unknown, stated_values
from mfnet_lite.rasters.labels.label_scan import (
    count_classes,
    differing_tables,
    doubtful_255,
    headers,
    label_values,
    transparent_zero,
)
from mfnet_lite.rasters.raster import Colour, RasterInfo
from mfnet_lite.rasters.scan import LOSSY_SUFFIXES
from mfnet_lite.utils.counted_nouns import agreeing, counted
from mfnet_lite.utils.labels import IGNORE_INDEX

MANY = 32  # values of labels without class names that look like blended ones rather than classes
MOST_CLASSES = 255  # indices 0 to 254; one of a byte's values has to mean "not labelled"


def label_coding(
    root: Path,
    stated: Mapping[str, Any],
    labels: Sequence[Path],
    classes: Sequence[str] | None,
    offset: int | None = None,
    ignore: int | None = None,
) -> tuple[tuple[str, ...], LabelCoding, list[str]]:
    """Classes and the coding of labels, from what is stated or else from the labels themselves.

    Args:
        root: The dataset, for messages.
        stated: All of ``dataset.json``.
        labels: Label files, looked at where what is stated leaves two readings.
        classes: Names that override the stated ones.
        offset: Added to the values of labels; None takes the stated one, else 0.
        ignore: Value of pixels without a label; None takes the stated one, else 255.

    Returns:
        Names, coding, and notes on what was guessed.

    Raises:
        ValueError: One string instead of several names; keys that contradict each other or the labels;
            labels that can be read in two ways.
    """
    if isinstance(classes, str):
        raise ValueError(f"classes is the string {classes!r}: expected a list of names; split it")
    names = [str(name) for name in (classes or stated.get("classes") or ())]
    shift = int(stated.get("label_offset", 0)) if offset is None else offset
    stated_void = stated.get("ignore_index") if ignore is None else ignore
    said = stated_void is not None
    void = IGNORE_INDEX if stated_void is None else int(stated_void)
    file = root / "dataset.json"
    binary = stated.get("label_threshold") is not None
    if stated.get("label_values"):
        if shift:
            raise ValueError(
                f"{file} has both label_offset and label_values: expected one; remove the other"
            )
        meanings = stated_values(stated, names, _sample_index(void, ()), file)
        top = max((meant for meant in meanings.values() if meant is not None), default=0)
        names = names or [f"class {i}" for i in range(top + 1)]
        others = [meant for value, meant in meanings.items() if value != void]
        index = _sample_index(void, [*others, *_by_rule(stated, names, file)])
        if meanings.get(void) == void != index:
            raise ValueError(
                f"{file} has {void} as ignore_index and, like other values, as the class {names[void]} in "
                f'label_values: expected one meaning; write "{void}": "ignore" there, or remove ignore_index'
            )
        values = {value: index if meant is None else meant for value, meant in meanings.items()}
        if said or not binary:
            values.setdefault(void, index)
        return _finish(names, LabelCoding(len(names), index, values=values), stated, file, [])
    if binary:
        names = names or ["class 0", "class 1"]
        index = _sample_index(void, _by_rule(stated, names, file))
        values = {void: index} if said else {}
        return _finish(names, LabelCoding(len(names), index, values=values), stated, file, [])
    infos = headers(labels)
    palette = stated_palette(stated) or ()
    notes: list[str] = []
    painted: list[RasterInfo] = []
    if palette:
        probe = partial(_plain, len(palette), void, said, shift, palette)
        painted, notes = _by_colour(palette, infos, probe, file)
        if painted:
            names = names or [f"class {i}" for i in range(len(palette))]
            if len(names) != len(palette):
                raise ValueError(
                    f"dataset.json lists {len(palette)} colours in palette for {len(names)} classes, and "
                    f"{painted[0].path} is written in colours; list one colour per class"
                )
    else:
        differing = differing_tables(infos)
        if differing:
            raise ValueError(
                f"{differing}, so the values are not the classes; list the classes' colours as "
                f'"palette" in {file}, or under "label_values" what each value means if they are'
            )
    plain = [info.path for info in infos if info not in painted]
    doubt = doubtful_255(plain) if not said and len(names) in (0, 2) and not shift else ""
    if doubt:
        one = '"1": 1, ' if "others" in doubt else ""
        raise ValueError(
            f'{root} {doubt}, and 255 may be a class or mean not labelled; write "label_values": '
            f'{{"0": 0, {one}"255": 1}} in '
            f'{file.name} if it is a class, or "ignore_index": 255 if it is not'
        )
    lossy = [path for path in plain if path.suffix.lower() in LOSSY_SUFFIXES]
    if lossy and len(names) > 2:
        notes.append(
            f"{counted(len(lossy), 'label')} {agreeing(len(lossy), 'is', 'are')} JPEG, first {lossy[0].name}, whose "
            "saving changes values near edges; export them as PNG or GeoTIFF"
        )
    if not names:
        count, found = _counted(root, [Path(path) for path in labels], void, shift)
        names = [f"class {i}" for i in range(count)]
        notes += found
    coding = _plain(
        len(names), void, said, shift, palette, bool(painted), _by_rule(stated, names, file)
    )
    return _finish(names, coding, stated, file, notes)


def _sample_index(void: int, others: Iterable[int | None]) -> int:
    """Index of ignored pixels in samples: the file's value of them, unless that is the index of another class.

    ``void`` is a value of files. It is taken for the index as well, so that a class of that very value, such as
    a background of 0, is the ignored one, but only while nothing else becomes that class: pixels of ``others``,
    the indices that other values, colours and rules lead to, are to be learnt.
    """
    return void if 0 <= void <= 255 and void not in set(others) else IGNORE_INDEX


def _by_rule(stated: Mapping[str, Any], names: Sequence[str], file: Path) -> list[int]:
    """Indices that values get although none is listed for them: by a threshold, or as unknown ones."""
    unknown = stated_unknown(stated, names, IGNORE_INDEX, file)
    binary = [0, 1] if stated.get("label_threshold") is not None else []
    return [*binary, *([unknown] if isinstance(unknown, int) else [])]


def _plain(
    count: int,
    void: int,
    said: bool,
    shift: int,
    palette: Sequence[Colour],
    painted: bool,
    others: Sequence[int] = (),
) -> LabelCoding:
    """The coding of values that are indices but for an offset, and of colours; ``said``: ``void`` is stated."""
    numbers = {index - shift: index for index in range(count)}
    others = [*others, *(index for value, index in numbers.items() if value != void)]
    if painted:  # else the colours only say how maps are drawn
        others += [index for index, colour in enumerate(palette) if colour != (void, void, void)]
    index = _sample_index(void, others)
    values: dict[int, int] = {}
    if shift or index != void:
        below = dict.fromkeys(range(-shift), index)
        values = below | numbers | {void: index} if said else below | {void: index} | numbers
    colours = {colour: index for index, colour in enumerate(palette)}
    if palette:
        colours.setdefault(BLACK, index)
    ignored = () if shift > 0 else FIELD_IGNORES
    return LabelCoding(count, index, values=values, palette=colours, ignored=ignored)


def adapt(coding: LabelCoding, stated: Mapping[str, Any], root: Path) -> LabelCoding:
    """A reader's own coding with what ``dataset.json`` says beside it.

    Args:
        coding: Of the benchmark, with the names of its classes.
        stated: All of ``dataset.json``.
        root: The dataset, for messages.

    Returns:
        The coding to use.

    Raises:
        ValueError: A class that the benchmark does not have.
    """
    file = root / "dataset.json"
    names = list(coding.classes)
    values, ignored = dict(coding.values), coding.ignore_index
    if not coding.colours:
        if stated.get("ignore_index") is not None:
            values[int(stated["ignore_index"])] = ignored
        meanings = stated_values(stated, names, ignored, file)
        values |= {value: ignored if meant is None else meant for value, meant in meanings.items()}
    return _finish(names, replace(coding, values=values), stated, file, [])[1]


def _finish(
    names: Sequence[str],
    coding: LabelCoding,
    stated: Mapping[str, Any],
    file: Path,
    notes: list[str],
) -> tuple[tuple[str, ...], LabelCoding, list[str]]:
    """Add threshold, remedy for unknown values and names; refuse what cannot be."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(
            f"{file.parent} has several classes of the name {repeated[0]}: expected a name of its own for each, by "
            f"which scores are told; rename all but one in {file.name}"
        )
    if len(names) > MOST_CLASSES:
        raise ValueError(
            f"{file.parent} has {len(names)} classes: expected at most {MOST_CLASSES}; list the label "
            f'values that are classes under "label_values" in {file.name}'
        )
    limit = stated.get("label_threshold")
    if limit is not None:
        if len(names) != 2:
            raise ValueError(
                f"{file} has a label_threshold for {len(names)} classes: expected two, below and from it "
                "on; remove it or name two classes"
            )
        values = {v: i for v, i in coding.values.items() if i == coding.ignore_index}
        coding = replace(coding, threshold=float(limit), values=values)
    unknown = stated_unknown(stated, names, coding.ignore_index, file)
    if unknown is not None and coding.unknown is None:
        coding = replace(coding, unknown=unknown)
    return tuple(names), replace(coding, classes=tuple(names)), notes


def _by_colour(
    palette: Sequence[Colour],
    infos: Sequence[RasterInfo],
    probe: Callable[[bool], LabelCoding],
    file: Path,
) -> tuple[list[RasterInfo], list[str]]:
    """The labels that are read by colour, and a note on tables of other colours."""
    for some in (False, True):  # that some files are painted may change the index of ignored pixels
        coding = probe(some)
        readings = [
            "colours"
            if info.bands >= 3
            else "values"
            if info.colours is None
            else table_reading(info.colours, coding)
            for info in infos
        ]
        if "colours" not in readings:
            break
    painted = [info for info, how in zip(infos, readings, strict=True) if how == "colours"]
    twice = next((colour for i, colour in enumerate(palette) if colour in palette[:i]), None)
    if painted and twice is not None:
        raise ValueError(
            f"{file} lists the colour {list(twice)} twice in palette, and {painted[0].path} is written in "
            "colours; give each class its own"
        )
    other = [info.path for info, how in zip(infos, readings, strict=True) if how == "none"]
    notes = []
    if other:
        notes.append(
            f"{counted(len(other), 'label')} {agreeing(len(other), 'has', 'have')} a colour table without any "
            f"colour of palette, so {agreeing(len(other), 'its', 'their')} values count as classes, first "
            f"{other[0].name}"
        )
    return painted, notes


def _counted(root: Path, labels: Sequence[Path], void: int, shift: int) -> tuple[int, list[str]]:
    """Number of classes by the values of labels, with notes; refused if it cannot be."""
    seen = label_values(labels)
    count, conventional, odd = count_classes(seen, void, shift)
    blended = (
        [path for path in labels if path.suffix.lower() in LOSSY_SUFFIXES] if len(seen) > 2 else []
    )
    if blended or len(seen) > MANY:
        what = f"JPEG labels, first {blended[0].name}, with" if blended else "labels with"
        raise ValueError(
            f"{root} has {what} {len(seen)} different values, as masks saved with loss or with soft edges "
            'have; export them anew, for two classes write "label_threshold": 128 in dataset.json (class '
            '1 from that value on), or name the "classes" if there are so many'
        )
    if odd:
        shown = ", ".join(str(value) for value in sorted(seen)[:8]) + (
            ", …" if len(seen) > 8 else ""
        )
        lone = (
            f'"ignore_index": {odd[0]} in dataset.json if {odd[0]} means not labelled, else '
            if (len(odd) == 1 and float(odd[0]).is_integer())
            else ""
        )
        first = sorted(seen - {void})[:2]
        pairs = ", ".join(f'"{value}": {i}' for i, value in enumerate(first))
        raise ValueError(
            f"{root} states no class names, and its label values {shown} are no count of classes; "
            f'write {lone}the class of each value in dataset.json, like "label_values": {{{pairs}}}, or '
            'name the "classes"'
        )
    notes = [f"labels hold {value}, which counts as not labelled" for value in conventional]
    note = f"no class names: counted {count} class{'es' * (count != 1)} from the label values"
    if not shift and 0 in seen and count > 2:
        note += ' (if 0 means not labelled, write "label_offset": -1 in dataset.json)'
    if not shift and seen and min(seen - {void} - set(conventional), default=0) >= 1:
        note += (
            f" (0 is transparent by the colour table, as in {clear.name}: if it is a class, {OPAQUE}, if it means not "
            'labelled, write "label_offset": -1 in dataset.json)'
            if (clear := transparent_zero(labels)) is not None
            else ' (none is 0: write "label_offset": -1 in dataset.json if they are counted from 1)'
        )
    notes.append(f"{note}; name them in dataset.json")
    return count, notes
