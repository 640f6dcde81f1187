"""The files a training reads, and whether they are still those it was begun with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mfnet_lite.rasters import ObjectFiles, TileSet
    from mfnet_lite.runs.folder import RunConfig

STATED = "dataset.json"


def training_inputs(
    dataset: TileSet, sensors: Sequence[str], maps: Sequence[ObjectFiles] = ()
) -> dict[str, Path]:
    """List what a training reads, under names that do not depend on where the dataset lies.

    Args:
        dataset: The dataset.
        sensors: Which sensors are read.
        maps: Object maps of the training tiles, in their order.

    Returns:
        Files by names such as ``train/tile/optical``.
    """
    files: dict[str, Path] = {}
    for split in ("train", "val"):
        tiles = dataset.tiles(split) if split == "train" else dataset.splits.get(split) or ()
        for tile in tiles:
            files |= {f"{split}/{tile.id}/{name}": tile.files[name] for name in sensors}
            if tile.label is not None:
                files[f"{split}/{tile.id}/label"] = tile.label
    for tile, made in zip(dataset.tiles("train"), maps, strict=False):
        files[f"train/{tile.id}/objects"] = made.objects
        if made.boundaries is not None:
            files[f"train/{tile.id}/boundaries"] = made.boundaries
    return files


def content_of(dataset: TileSet, inputs: Mapping[str, Path]) -> dict[str, str]:
    """Hash the inputs of a training and what the dataset says about itself.

    Args:
        dataset: The dataset.
        inputs: What :func:`training_inputs` listed.

    Returns:
        Hashes by the same names, and that of ``dataset.json`` if there is one.
    """
    from mfnet_lite.rasters.identity import DIGEST_BYTES, hash_rasters

    content = hash_rasters(inputs)
    stated = dataset.root / STATED
    if stated.is_file():
        # what it says, not how it is laid out; opening the dataset has found it valid
        stated_text = json.dumps(json.loads(stated.read_text(encoding="utf-8")), sort_keys=True)
        content[STATED] = hashlib.blake2b(
            stated_text.encode(), digest_size=DIGEST_BYTES
        ).hexdigest()
    return content


def check_same_inputs(
    old: Mapping[str, str], new: Mapping[str, str], inputs: Mapping[str, Path], out: Path
) -> None:
    """Refuse to go on with other files than a run was begun with.

    Args:
        old: Hashes in the run.
        new: Those of the files as they are.
        inputs: The files, for the message.
        out: The run, for the message.

    Raises:
        ValueError: Naming the first file that differs.
    """
    for name in {**new, **old}:
        if old.get(name) != new.get(name):
            file = inputs.get(name, Path(name))
            raise ValueError(
                f"cannot resume {out}: the content of {file} ({name}) or of a file beside it, such as a world "
                "file, has changed since the run began; bring the old one back or choose another --out"
            )


def settle_content(
    dataset: TileSet,
    sensors: Sequence[str],
    maps: Sequence[ObjectFiles],
    before: RunConfig | None,
    out: Path,
) -> dict[str, str]:
    """Hash what a training reads and, if it goes on with a run, see that it is what that was begun with.

    Args:
        dataset: The dataset.
        sensors: Which sensors are read.
        maps: Object maps of the training tiles.
        before: The run that is continued, if one is. One of an earlier version is taken with a note.
        out: Its folder, for messages.

    Returns:
        What :func:`content_of` gives.

    Raises:
        ValueError: Naming the first file that differs.
    """
    inputs = training_inputs(dataset, sensors, maps)
    content = content_of(dataset, inputs)
    if before is not None and before.content:
        check_same_inputs(before.content, content, inputs, out)
    elif before is not None:
        typer.echo(
            f"note: {out} is of an earlier version and does not know the content of its files, so that "
            "nobody can say whether they are still the same",
            err=True,
        )
    return content
