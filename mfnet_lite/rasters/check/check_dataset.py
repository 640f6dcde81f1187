"""Find everything that is wrong with a dataset before a training run does.

Files are read through strip by strip, so that memory stays bounded; every complaint names the file
and the remedy. ``mfnet-lite data check DIR`` prints the report and exits with 1 if it is not ``ok``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tqdm import tqdm

from mfnet_lite.rasters.check.inspection import (
    LabelInspection,
    SensorInspection,
    inspect_label,
    inspect_sensor,
)
from mfnet_lite.rasters.check.report import CheckReport, Row
from mfnet_lite.rasters.grids import grid_differences
from mfnet_lite.rasters.interpretation.band_counts import expected_bands
from mfnet_lite.rasters.interpretation.georeference import crs_name
from mfnet_lite.rasters.labels.label_counts import LabelCounts, absent_note, nothing_to_learn
from mfnet_lite.rasters.notes import Notes
from mfnet_lite.rasters.readers.detect import find_reader
from mfnet_lite.rasters.readers.plate_images import read_plates
from mfnet_lite.rasters.tiles import OPTICAL, PlateTile, Problem, Tile
from mfnet_lite.utils.labels import IGNORE_INDEX


def check_dataset(
    root: str | Path, kind: str = "auto", *, progress: bool = True, **options: Any
) -> CheckReport:
    """Open a dataset, read every file through, and report all that is wrong.

    Found: missing partners, grids which differ (size, transform, coordinate system), unknown label
    values, NaN, undeclared nodata in elevations, wrong band counts, 16-bit images of unknown
    range, truncated or unreadable files, splits without tiles. Classes which no training pixel has
    are noted, since a small dataset may lack one rightly.

    Args:
        root: The folder.
        kind: ``auto``, or the reader to use, a key of :data:`~mfnet_lite.rasters.READERS`.
        progress: Show a bar on a terminal.
        **options: For the reader.

    Returns:
        The report; a folder no reader can open gives one with a single problem.
    """
    root = Path(root)
    try:
        # No validation tiles are held out here: the table shows the splits as they lie on the disk.
        dataset = find_reader(root, kind).open(root, val_fraction=0.0, **options)
    except (FileNotFoundError, ValueError) as error:
        stated = root / "dataset.json"
        where = stated if str(error).startswith(f"{stated} ") else root
        return CheckReport(
            root, "", (), IGNORE_INDEX, problems=(Problem.from_sentence(where, str(error)),)
        )
    problems = [problem for found in dataset.incomplete.values() for problem in found]
    problems += [
        Problem(root, f"the split {split} has no complete tile", "add tiles or remove the folder")
        for split, tiles in dataset.splits.items()
        if not tiles and not dataset.incomplete.get(split)
    ]
    problems += [
        Problem(root, f"the split {split} has no labels", "add a label/ folder to train on it")
        for split, tiles in dataset.splits.items()
        if split in ("train", "all") and not all(tile.is_labelled for tile in tiles)
    ]
    problems += dataset.faults
    rows: list[Row] = []
    labels, training = LabelCounts(), LabelCounts()
    every = [(split, tile) for split, tiles in dataset.splits.items() for tile in tiles]
    expected = expected_bands([tile for _, tile in every], dataset.info.sensors)
    remarks = Notes()
    for split, tile in tqdm(
        every, desc="checking", disable=None if progress else True, leave=False
    ):
        if isinstance(tile, PlateTile):
            row, found, label = _check_plates(split, tile, remarks)
        else:
            row, found, label = _check_tile(split, tile, expected, remarks)
        rows += [] if row is None else [row]
        problems += found
        if label is not None:
            labels.add(label.found)
            if split in ("train", "all"):
                training.add(label.found)
    classes = dataset.info.classes
    if training.classes:
        fault = nothing_to_learn(
            training.classes,
            classes,
            training.nodata,
            dataset.info.ignore_index,
            dataset.info.coding,
            training.transparent,
        )
        if fault and not problems:
            problems.append(Problem.from_sentence(root, fault))
    class_notes = []
    if training.classes:
        class_notes = absent_note(
            training.classes, classes, dataset.info.coding, training.transparent
        )
    unique = tuple(dict.fromkeys(problems))
    info = dataset.info
    return CheckReport(
        root,
        dataset.kind,
        classes,
        info.ignore_index,
        tuple(rows),
        unique,
        (*dataset.notes, *remarks.lines(), *labels.notes(), *class_notes),
    )


def _check_plates(
    split: str, tile: PlateTile, remarks: Notes
) -> tuple[Row | None, list[Problem], None]:
    """Read an image of vehicles, turned as it is shown, and draw its label."""
    try:
        image, label, _ = read_plates(tile)
    except (FileNotFoundError, ValueError) as error:
        return None, [Problem.from_sentence(tile.image, str(error))], None
    counts = {index: int((label == index).sum()) for index in range(tile.info.num_classes)}
    if unlabelled := label.size - sum(counts.values()):
        counts[tile.info.ignore_index] = unlabelled
    if not counts[1]:
        remarks.add(tile.image, ["shows no plate"])
    size = (label.shape[0], label.shape[1])
    bands = {OPTICAL: f"{len(image)} x {image.dtype}"}
    return Row(split, tile.id, bands, size, "none", counts), [], None


def _check_tile(
    split: str, tile: Tile, expected: dict[str, int], remarks: Notes
) -> tuple[Row, list[Problem], LabelInspection | None]:
    """Read the files of one tile."""
    problems: list[Problem] = []
    sensors: dict[str, SensorInspection] = {}
    for name, path in tile.files.items():
        inspected, found = inspect_sensor(
            path, tile.info.sensors[name], expected.get(name), tile.info
        )
        problems += found
        if inspected is not None:
            sensors[name] = inspected
            remarks.add(path, inspected.notes)
            if inspected.enclosed:
                remarks.add_share(path, inspected.enclosed_note, inspected.enclosed)
    label: LabelInspection | None = None
    if tile.label is not None:
        label, found = inspect_label(tile.label, tile.info.coding)
        problems += found
    headers = [inspected.info for inspected in sensors.values()]
    if label is not None:
        headers.append(label.info)
    problems += [
        Problem(difference.info.path, difference.problem, difference.remedy)
        for difference in grid_differences(headers)
    ]
    first = headers[0] if headers else None
    row = Row(
        split=split,
        tile=tile.id,
        bands={
            name: f"{inspected.info.bands} x {inspected.info.dtype}"
            for name, inspected in sensors.items()
        },
        size=None if first is None else (first.height, first.width),
        crs="none" if first is None else crs_name(first.crs),
        counts={} if label is None else label.counts,
    )
    return row, problems, label
