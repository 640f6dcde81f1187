"""The project's own folder layout, into which any GeoTIFF dataset can be put by copying files.

::

    DIR/dataset.json                      (optional)
    DIR/train/image/a.tif                 sensor "optical"
    DIR/train/dsm/a.tif                   any further folder: a sensor of that name
    DIR/train/label/a.tif                 class indices, 255 = not labelled
    DIR/test/…                            the same; val/ if you have it

Without ``val`` a part of ``train`` is held out by seed; without split folders (``DIR/image`` …) there
is one split for everything. Folders named ``label…``,
``instances``, ``objects`` and ``boundaries`` are no sensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.labels.label_json import label_coding
from mfnet_lite.rasters.labels.label_keys import stated_palette
from mfnet_lite.rasters.readers.dataset_json import read_json, sensor_from_json
from mfnet_lite.rasters.readers.reader import finished
from mfnet_lite.rasters.scan import (
    choose_optical_bands,
    choose_sensors,
    empty_folder,
    gather,
    has_rasters,
    labels_in,
    rasters_in,
    split_folders,
)
from mfnet_lite.rasters.tiles import (
    OPTICAL,
    SPLITS,
    DatasetInfo,
    Problem,
    Tile,
    TileSet,
)

LABEL = "label"
NOT_SENSORS = ("label", "instances", "objects", "boundaries")


def is_folder(root: Path) -> bool:
    """Whether a folder has this layout.

    Args:
        root: The folder.

    Returns:
        True if it has.
    """
    return bool(split_folders(root, "image"))


def _sensor_folders(folders: Mapping[str, Path], stated: Mapping[str, Any]) -> dict[str, str]:
    """Sensor name → folder name, optical first, over all splits."""
    sensors = stated.get("sensors")
    named = {
        str(entry.get("folder")): str(name)
        for name, entry in (sensors.items() if isinstance(sensors, Mapping) else ())
        if isinstance(entry, Mapping) and entry.get("folder")
    }
    found: dict[str, str] = {OPTICAL: "image"}
    for split in folders.values():
        for folder in sorted(split.iterdir()):
            skip = folder.name.startswith((".", "_", *NOT_SENSORS)) or folder.name in SPLITS
            if skip or folder.name == "image" or not has_rasters(folder):
                continue
            found[named.get(folder.name, folder.name)] = folder.name
    return found


def _absent_sensors(
    root: Path, stated: Mapping[str, Any], found: Mapping[str, str]
) -> list[Problem]:
    """Sensors that ``dataset.json`` declares and no split has."""
    sensors = stated.get("sensors")
    declared = [str(name) for name in sensors] if isinstance(sensors, Mapping) else []
    return [
        Problem(
            root / "dataset.json",
            f"declares the sensor {name}, which no split has",
            "add its rasters, or remove it from dataset.json",
        )
        for name in declared
        if name not in found
    ]


def measured_gsd(files: Mapping[str, Mapping[str, Mapping[str, Path]]]) -> float | None:
    """Ground sampling distance of the first georeferenced tile.

    Args:
        files: Split → sensor → stem → file.

    Returns:
        Metres, or None for plain images (or if the first tile cannot be read: the check tells).
    """
    first = next((p for split in files.values() for s in split.values() for p in s.values()), None)
    try:
        return None if first is None else raster_info(first).gsd
    except ValueError:
        return None


def open_folder(
    root: str | Path,
    sensors: Sequence[str] | None = None,
    *,
    seed: int = 0,
    val_fraction: float = 0.2,
    optical_bands: Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    label_folder: str = LABEL,
    label_offset: int | None = None,
    ignore_index: int | None = None,
) -> TileSet:
    """Open a dataset in the project's folder layout.

    Args:
        root: The folder.
        sensors: Which to use; None uses all that every split has. Files of others are not looked at.
        seed: Choice of the tiles held out for validation.
        val_fraction: Part of ``train`` held out if there is no ``val``.
        optical_bands: Band numbers of the optical image counted from 1; None uses all.
        classes: Names; overrides ``dataset.json``.
        label_folder: Folder of the labels, for datasets with several versions of them.
        label_offset: Added to label values: −1 for labels counted from 1 with 0 = not labelled, as
            LoveDA's. None takes ``label_offset`` of ``dataset.json``, else 0.
        ignore_index: Value of pixels that do not count, any whole number; None takes ``dataset.json``,
            else 255.

    Returns:
        The dataset. Without class names the classes are counted from the label values.

    Raises:
        FileNotFoundError: No ``image`` folder, or a sensor which is not there.
        ValueError: A ``dataset.json`` that cannot be read or understood, or labels that can be read in
            two ways (the message names the line that settles it).
    """
    root = Path(root)
    folders = split_folders(root, "image")
    if not folders:
        raise FileNotFoundError(
            f"{root} is no folder dataset: expected image/ or train/image/ inside; "
            "put the optical tiles there"
        )
    stated = read_json(root)
    found = _sensor_folders(folders, stated)
    notes: list[str] = []
    faults: list[Problem] = []
    described = {name: sensor_from_json(name, folder, stated) for name, folder in found.items()}
    if sensors is not None:
        described = choose_sensors(root, described, sensors)
        found = {name: found[name] for name in described}
    else:
        faults += _absent_sensors(root, stated, found)
        for name, folder in list(found.items()):
            lacking = [s for s, path in folders.items() if not has_rasters(path / folder)]
            # without images a split has no tiles at all, which is another fault
            if lacking and name != OPTICAL:
                notes.append(f"sensor {name} is left out: {', '.join(lacking)} has no {folder}/")
                faults += [
                    Problem(
                        folders[split] / folder,
                        f"the split {split} has no rasters of the sensor {name}",
                        "add them, or remove the folder from every split",
                    )
                    for split in lacking
                ]
                del found[name], described[name]
    files = {
        split: {name: rasters_in(path / folder) for name, folder in found.items()}
        for split, path in folders.items()
    }
    labels: dict[str, Mapping[str, Path]] = {}
    for split, path in folders.items():
        labels[split], left = labels_in(path / label_folder)
        notes += left
    for path in folders.values():
        faults += empty_folder(path / label_folder)
    label_files = [path for by_stem in labels.values() for path in by_stem.values()]
    names, coding, remarks = label_coding(
        root, stated, label_files, classes, label_offset, ignore_index
    )
    described = choose_optical_bands(described, optical_bands)
    measured = not stated.get("gsd_m")
    info = DatasetInfo(
        classes=names,
        coding=coding,
        sensors=described,
        palette=stated_palette(stated),
        gsd=measured_gsd(files) if measured else float(stated["gsd_m"]),
        gsd_measured=measured,
        source=str(stated.get("source", stated.get("label_source", ""))),
    )
    splits: dict[str, tuple[Tile, ...]] = {}
    incomplete: dict[str, tuple[Problem, ...]] = {}
    for split in folders:
        splits[split], incomplete[split] = gather(files[split], labels[split], info)
    return finished(
        *(root, "folder", info, splits, incomplete, (*notes, *remarks), faults),
        seed=seed,
        val_fraction=val_fraction,
    )
