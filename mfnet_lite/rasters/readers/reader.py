"""What a reader is to the rest of the package, and what all readers do at their end."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mfnet_lite.rasters.readers.dataset_json import misspelt_keys, read_json
from mfnet_lite.rasters.tiles import DatasetInfo, Problem, Tile, TileSet, with_validation


@dataclass(frozen=True)
class Reader:
    """One format of datasets.

    Attributes:
        name: Its word for ``--kind``.
        matches: Whether a folder looks like this format, by the names of folders and files alone.
        open: ``open(root, sensors, seed=…, val_fraction=…, **options)``; it finds files and reads no pixel but those
            of labels that nothing describes.
        looks_for: What must lie in the folder, for the message that nothing matches.
        refusal: For a format that :func:`~mfnet_lite.rasters.readers.detect.open_dataset` does not open: why, and what
            does, as the predicate of a sentence whose subject is the folder.
    """

    name: str
    matches: Callable[[Path], bool]
    open: Callable[..., TileSet]
    looks_for: str
    refusal: Callable[[Path], str] | None = None

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the arguments of ``open``, such as ``optical_bands``."""
        return tuple(inspect.signature(self.open).parameters)


def finished(
    root: Path,
    kind: str,
    info: DatasetInfo,
    splits: Mapping[str, Iterable[Tile]],
    incomplete: Mapping[str, tuple[Problem, ...]],
    notes: Iterable[str] = (),
    faults: Iterable[Problem] = (),
    *,
    seed: int,
    val_fraction: float,
) -> TileSet:
    """The end of every reader: hold out validation tiles where the dataset has none, note misspelt keys.

    Args:
        root: The folder.
        kind: Name of the format.
        info: Sensors, classes, palette.
        splits: Complete tiles by split.
        incomplete: Per split, files whose partner is missing.
        notes: Choices of the reader that a user should know of.
        faults: What is wrong though the tiles can be used.
        seed: Choice of the tiles held out.
        val_fraction: Part of ``train`` held out if there is no ``val``.

    Returns:
        The dataset. A split held out of ``train`` is as incomplete as that.
    """
    divided, held_out = with_validation(splits, val_fraction, seed)
    problems = dict(incomplete)
    if held_out:
        problems["val"] = problems.get("train", ())
    remarks = (*notes, *misspelt_keys(read_json(root)), *held_out)
    return TileSet(root, kind, info, divided, problems, remarks, tuple(faults))
