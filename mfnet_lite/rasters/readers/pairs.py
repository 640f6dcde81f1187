"""Change detection: images of two dates and a mask, as LEVIR-CD, WHU-CD and DSIFN come.

::

    DIR/A/x.png   DIR/B/x.png   DIR/label/x.png     one split
    DIR/list.txt                                    optional: the names that count, one per line
    DIR/list/train.txt, val.txt, test.txt           or a split by lists (also beside A/)
    DIR/train/A/…   DIR/test/A/…                    or a split by folders

A pair is a tile with the sensors ``before`` and ``after``; the label is 0 unchanged, 1 changed,
whether the file says 1 or 255; ``label_values``, ``label_threshold``, ``label_unknown`` and ``ignore_index``
of a ``dataset.json`` say otherwise. DSIFN's own names ``t1``, ``t2``, ``mask`` are understood as well.
Partners have the same name; only a single scene per folder may be named by its date, as WHU-CD's
``2012.tif`` and ``2016.tif``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mfnet_lite.rasters.labels.coding import LabelCoding
from mfnet_lite.rasters.labels.label_colours import BLACK
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.readers.dataset_json import read_json, sensor_from_json
from mfnet_lite.rasters.readers.oddities import CDD_MASKS, LOSSY_MASK
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import (
    SPELLINGS,
    choose_sensors,
    empty_folder,
    gather,
    labels_in,
    listed_names,
    name_lists,
    rasters_in,
)
from mfnet_lite.rasters.tiles import (
    ALL,
    SPLITS,
    DatasetInfo,
    Problem,
    Tile,
    TileSet,
)
from mfnet_lite.utils.counted_nouns import agreeing, counted
from mfnet_lite.utils.labels import IGNORE_INDEX

BEFORE = ("A", "t1", "T1", "before", "im1", "time1")
AFTER = ("B", "t2", "T2", "after", "im2", "time2")
FOLDERS = {"before": BEFORE, "after": AFTER}
"""Sensor → what its folder may be called."""
LABELS = ("label", "mask", "labels", "masks", "OUT", "gt", "change")
CLASSES = ("unchanged", "changed")
YEAR = r"(?<!\d)(?:19|20)\d\d(?!\d)"


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def pair_folders(root: Path) -> dict[str, Path]:
    """Folders holding pairs, by split.

    Args:
        root: The dataset.

    Returns:
        Split → folder, ``{"all": root}`` for one without split folders, empty if it holds no pairs.
    """
    found = {
        split: root / spelled
        for split in SPLITS
        for spelled in (split, *SPELLINGS.get(split, ()))
        if _first(root / spelled, BEFORE) and _first(root / spelled, AFTER)
    }
    if not found and _first(root, BEFORE) and _first(root, AFTER):
        return {ALL: root}
    return found


def open_pairs(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
) -> TileSet:
    """Open a change detection dataset.

    Args:
        root: The folder.
        sensors: ``before`` and ``after``; None takes both.
        seed: Choice of the pairs held out for validation.
        val_fraction: Part of ``train`` held out if there is no ``val``.

    Returns:
        The dataset, with the classes unchanged and changed.

    Raises:
        FileNotFoundError: No ``A`` and ``B`` folders, or a sensor which is not there.
        ValueError: A ``dataset.json`` that cannot be read or understood.
    """
    root = Path(root)
    folders = pair_folders(root)
    if not folders:
        raise FileNotFoundError(
            f"{root} holds no pairs: expected A/, B/ and label/ (or train/A/ …) inside; "
            "put the images of the two dates there"
        )
    stated = read_json(root)
    described = choose_sensors(
        root, {name: sensor_from_json(name, None, stated) for name in FOLDERS}, sensors
    )
    coding = LabelCoding(
        len(CLASSES),
        IGNORE_INDEX,
        values={0: 0, 1: 1, 255: 1},
        palette={BLACK: 0, (255, 255, 255): 1},
        exact=True,
        classes=CLASSES,
    )
    coding = adapt(coding, stated, root)
    lossy = _lossy(folders) if stated.get("label_threshold") is None else ()
    if lossy:
        coding = replace(coding, threshold=LOSSY_MASK, values={})
    info = DatasetInfo(
        CLASSES,
        coding,
        described,
        palette=((0, 0, 0), (255, 255, 255)),
        gsd=float(stated["gsd_m"]) if stated.get("gsd_m") else None,
        source=str(stated.get("source", "")),
    )
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    faults: list[Problem] = []
    notes: list[str] = list(lossy)
    for split, folder in folders.items():
        files = {name: rasters_in(_first(folder, FOLDERS[name]) or folder) for name in described}
        label_folder = _first(folder, LABELS)
        labels, left = labels_in(label_folder) if label_folder else ({}, [])
        notes += left
        if label_folder:
            faults += empty_folder(label_folder)
        if _one_scene(files, labels):
            files = {name: {"scene": next(iter(part.values()))} for name, part in files.items()}
            labels = {"scene": next(iter(labels.values()))}
            named = ", ".join(part["scene"].name for part in (*files.values(), labels))
            notes.append(f"{split}: the names tell the dates, so {named} are taken for one scene")
        splits[split], incomplete[split] = gather(files, labels, info)
    if set(folders) == {ALL}:
        splits, incomplete, remarks = by_lists(root, splits[ALL], incomplete[ALL])
        notes += remarks
    return finished(
        *(root, "pairs", info, splits, incomplete, notes, faults),
        seed=seed,
        val_fraction=val_fraction,
    )


def _lossy(folders: Mapping[str, Path]) -> tuple[str, ...]:
    """A note if the masks are those of CDD, which are handed out as JPEG in folders named ``OUT``."""
    label_folders = [folder / "OUT" for folder in folders.values()]
    files = [
        path
        for folder in label_folders
        if folder.is_dir()
        for path in labels_in(folder)[0].values()
    ]
    same = files and all(
        _first(folder, LABELS) == labels
        for folder, labels in zip(folders.values(), label_folders, strict=True)
    )
    return (
        (CDD_MASKS,) if same and all(p.suffix.lower() in (".jpg", ".jpeg") for p in files) else ()
    )


def _one_scene(files: Mapping[str, Mapping[str, Path]], labels: Mapping[str, Path]) -> bool:
    """Whether the folders hold one scene whose files are named by their dates, as WHU-CD comes.

    Elsewhere files of unlike names are no pair: a wrong file would pass for the other date.
    """
    parts = [*files.values(), labels]
    if any(len(part) != 1 for part in parts) or len({next(iter(part)) for part in parts}) == 1:
        return False
    dates: set[str] = set()
    for name, part in files.items():
        stem = next(iter(part))
        year = re.search(YEAR, stem)
        if year is None and stem not in FOLDERS[name]:
            return False
        dates.add(year[0] if year else stem)
    return len(dates) == len(files)


def by_lists(
    root: Path,
    tiles: Sequence[Tile],
    problems: Sequence[Problem],
    lists: Mapping[str, tuple[Path, list[str]]] | None = None,
) -> tuple[dict[str, tuple[Tile, ...]], dict[str, tuple[Problem, ...]], list[str]]:
    """Divide tiles by the lists of names beside them, if there are any.

    Args:
        root: Where ``list.txt``, ``train.txt`` or ``list/train.txt`` … may lie.
        tiles: All complete tiles.
        problems: Of the files whose partner is missing.
        lists: Path and lines by split; None looks for them.

    Returns:
        Tiles by split, problems by split (a listed name without files is one), and notes.
    """
    lists = name_lists(root) if lists is None else lists
    if not lists:
        return {ALL: tuple(tiles)}, {ALL: tuple(problems)}, []
    by_id = {tile.id: tile for tile in tiles}
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    used: set[str] = set()
    for split, (path, lines) in lists.items():
        meant = {line: listed_names(line) for line in lines}
        names = {
            line: next((n for n in found if n in by_id), None) for line, found in meant.items()
        }
        splits[split] = tuple(by_id[name] for line in lines if (name := names[line]) is not None)
        used |= {name for name in names.values() if name is not None}
        unmet = {line: found for line, found in meant.items() if names[line] is None}
        absent = tuple(
            Problem(path, f"lists {line}, which has no complete set of files", "add or unlist it")
            for line in unmet
        )
        wanted = {name for found in unmet.values() for name in found}
        partners = tuple(problem for problem in problems if problem.file.stem in wanted)
        incomplete[split] = (*partners, *absent)
    unlisted = len(set(by_id) - used)
    left_out = f"{counted(unlisted, 'tile')} in no list {agreeing(unlisted, 'is', 'are')} left out"
    return splits, incomplete, [left_out] if unlisted else []
