"""What the readers of public image layouts share: folders by name, words of ``dataset.json``, lists of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.raster import Colour
from mfnet_lite.rasters.readers.dataset_json import sensor_from_json
from mfnet_lite.rasters.readers.pairs import by_lists
from mfnet_lite.rasters.tiles import ALL, SPLITS, Problem, SensorInfo, Tile
from mfnet_lite.utils.counted_nouns import counted
from mfnet_lite.utils.labels import IGNORE_INDEX

NameLists = Mapping[str, tuple[Path, list[str]]]
"""Split → the list's path and its lines, as :func:`~mfnet_lite.rasters.scan.name_lists` returns them."""


class Division(NamedTuple):
    """Tiles divided by lists of names.

    Args:
        splits: Complete tiles by split.
        incomplete: Per split, files whose partner is missing and names without files.
        notes: What a user should know of.
        faults: Tiles that are both learnt from and scored.
    """

    splits: dict[str, tuple[Tile, ...]]
    incomplete: dict[str, tuple[Problem, ...]]
    notes: list[str]
    faults: list[Problem]


def folders_named(root: Path, names: Sequence[str]) -> list[Path]:
    """Folders that bear one of several names, in whatever letters.

    Args:
        root: Where they lie; may be missing.
        names: In small letters.

    Returns:
        The folders, sorted.
    """
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.name.lower() in names and path.is_dir())


def folder_named(root: Path, names: Sequence[str]) -> Path | None:
    """The only folder that bears one of several names, in whatever letters.

    Args:
        root: Where it lies.
        names: In small letters.

    Returns:
        The folder, or None.

    Raises:
        ValueError: Two such folders, of which nobody says which one counts.
    """
    found = folders_named(root, names)
    if len(found) > 1:
        raise ValueError(
            f"{root} holds {' and '.join(f'{path.name}/' for path in found)}: expected one of them; remove or "
            "rename the others"
        )
    return found[0] if found else None


def stated_sensor(sensor: SensorInfo, stated: Mapping[str, Any]) -> SensorInfo:
    """What a reader knows of a sensor, corrected by what ``dataset.json`` says about it.

    A unit alone makes no elevation of the sensor here: a distance from the camera has a unit of length, too.

    Args:
        sensor: What the reader knows.
        stated: All of ``dataset.json``.

    Returns:
        The sensor with the stated scale, unit, nodata value, tags and kind.
    """
    found = sensor_from_json(sensor.name, sensor.folder, stated)
    words = {key: getattr(found, key) for key in ("scale", "unit", "nodata", "tags")}
    entries = stated.get("sensors")
    own = entries.get(sensor.name) if isinstance(entries, Mapping) else None
    kind = (own.get("kind") if isinstance(own, Mapping) else None) or sensor.kind
    return replace(sensor, kind=kind, **{k: v for k, v in words.items() if v is not None})


def labels_by_value_or_colour(
    classes: Sequence[str],
    palette: Sequence[Colour],
    values: Mapping[int, int] | None = None,
    void: Sequence[Colour] = (),
) -> LabelCoding:
    """How labels are read that hold numbers, or the exact colours of the classes.

    Args:
        classes: Their names.
        palette: Their colours.
        values: Number in the file → class index; None if the numbers are the indices.
        void: Further colours, which mean "not labelled".

    Returns:
        The coding.
    """
    numbers = {index: index for index in range(len(classes))} if values is None else dict(values)
    colours = {colour: index for index, colour in enumerate(palette)}
    return LabelCoding(
        len(classes),
        IGNORE_INDEX,
        numbers | {IGNORE_INDEX: IGNORE_INDEX},
        palette=colours | dict.fromkeys(void, IGNORE_INDEX),
        exact=True,
        classes=tuple(classes),
    )


def zeros_note(sensors: Mapping[str, SensorInfo]) -> list[str]:
    """A note on sensors, other than images, whose zeros are holes and not values.

    Args:
        sensors: Those that are read.

    Returns:
        One note, or none.
    """
    names = [name for name, sensor in sensors.items() if sensor.nodata == 0 and not sensor.is_image]
    if not names:
        return []
    return [
        f"{' and '.join(names)}: 0 means that nothing was measured, and such pixels count neither in scores nor "
        "in maps unless --nodata-policy images is given"
    ]


def divide(
    root: Path, tiles: Sequence[Tile], problems: Sequence[Problem], lists: NameLists
) -> Division:
    """Divide tiles by lists of names, and tell which of them several lists name.

    Args:
        root: The dataset.
        tiles: All complete tiles.
        problems: Of the files whose partner is missing.
        lists: Lists of names by split; none leaves one split.

    Returns:
        The splits. A name that stands twice in a list counts once.
    """
    if not lists:
        note = f"{root.name} has no train.txt, val.txt, test.txt: all tiles form one split, learnt from and scored"
        return Division({ALL: tuple(tiles)}, {ALL: tuple(problems)}, [note], [])
    listed, incomplete, notes = by_lists(root, tiles, problems, lists)
    splits = {
        split: tuple({tile.id: tile for tile in chosen}.values())
        for split, chosen in listed.items()
    }
    faults: list[Problem] = []
    for first, second in combinations([split for split in SPLITS if split in splits], 2):
        both = {tile.id for tile in splits[first]} & {tile.id for tile in splits[second]}
        if not both:
            continue
        path = lists[second][0]
        what = f"lists {counted(len(both), 'tile')} that {lists[first][0].name} lists, too, such as {min(both)}"
        if first == "train":
            faults.append(Problem(path, what, "keep each in one of the lists"))
        else:
            notes.append(f"{path.name} {what}")
    return Division(splits, incomplete, notes, faults)
