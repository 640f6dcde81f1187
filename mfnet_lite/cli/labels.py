"""What the commands say about labels: before a training, and beside scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from mfnet_lite.rasters import Tile


def check_labels(folder: Path, tiles: Sequence[Tile], classes: Sequence[str]) -> list[int]:
    """Count the labels of a training before it begins, and tell what is odd about them.

    Args:
        folder: The dataset, for messages.
        tiles: Of the training.
        classes: Names of the classes.

    Returns:
        Pixels of each class; 0 each if a tile has no label, of which the crops complain.

    Raises:
        ValueError: Labels that cannot be read, or that hold one class only.
    """
    from mfnet_lite.rasters.labels.label_counts import absent_note, count_tiles, nothing_to_learn

    if any(tile.label is None for tile in tiles):
        return [0] * len(classes)  # the crops say which
    found = count_tiles(tiles)
    coding = tiles[0].info.coding
    fault = nothing_to_learn(
        found.classes, classes, found.nodata, coding.ignore_index, coding, found.transparent
    )
    if fault:
        raise ValueError(f"{folder}: {fault}")
    for note in (*found.notes(), *absent_note(found.classes, classes, coding, found.transparent)):
        typer.echo(f"note: {note}", err=True)
    return [found.classes[index] for index in range(len(classes))]


def check_classes(trained: Sequence[str], found: Sequence[str], run: Path, folder: Path) -> None:
    """Compare the classes of a run with those of the data it is to be scored on.

    Args:
        trained: Names of the run's classes.
        found: Names of the dataset's.
        run: For messages.
        folder: For messages.

    Raises:
        ValueError: Another number of classes, or a name of the run at another place.
    """
    if len(found) != len(trained):
        raise ValueError(
            f"{folder} has {len(found)} classes, but the run was trained on {len(trained)}; evaluate on "
            "data with the same classes"
        )
    if tuple(found) == tuple(trained):
        return
    # one renamed class beside two that changed places must not make a note of what is a fault
    if any(name in trained and trained[k] != name for k, name in enumerate(found)):
        raise ValueError(
            f"{folder} lists the classes in the order {', '.join(found)}, but {run} was trained on "
            f"{', '.join(trained)}; write them in that order in dataset.json and give each value its class "
            'under "label_values"'
        )
    pairs = ", ".join(
        f"{theirs} as {ours}" for ours, theirs in zip(trained, found, strict=True) if ours != theirs
    )
    typer.echo(f"note: classes bear other names than in {run}: {pairs}", err=True)


def tell_absent(scores: dict[str, Any], split: str) -> None:
    """Say which classes no labelled pixel of a split has, and add them to its scores.

    Args:
        scores: As :meth:`~mfnet_lite.metrics.segmentation.Scores.as_dict` gives them; gets ``absent``, and
            loses the means over classes where all pixels are of one.
        split: Its name.
    """
    absent = [name for name, row in scores["per_class"].items() if not row["pixels"]]
    scores["absent"] = absent
    if not absent:
        return
    what = f"no pixel of the split {split} is labelled {', '.join(absent)}"
    if "reason" in scores:
        scores |= {name: None for name in ("macro_precision", "macro_recall") if name in scores}
        what += f", so mF1 and mIoU are not given: {scores['reason']}"
    typer.echo(f"note: {what}", err=True)
