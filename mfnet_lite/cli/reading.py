"""How ``train`` reads a dataset: which sensors and bands, what is held out, what counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mfnet_lite.cli.options import KINDS, band_numbers, listed

if TYPE_CHECKING:
    from mfnet_lite.rasters import Tile, TileSet

DEFAULT_SENSORS = ("optical", "dsm")


@dataclass(frozen=True)
class ReadingOptions:
    """Options of the data, as given by the user.

    Attributes:
        sensors: Names, separated by commas.
        kind: Which reader.
        bands: Band numbers of the optical image, separated by commas.
        scaling: Of elevations.
        val_fraction: Part of train that is held out where there is no val.
        nodata_policy: Which pixels no score and no map counts.
    """

    sensors: str | None = field(
        default=None,
        metadata={"help": "Comma-separated; optical and dsm (or both dates) if absent."},
    )
    kind: str = field(default="auto", metadata={"help": f"Which reader to use: {KINDS}."})
    bands: str | None = field(
        default=None,
        metadata={"help": "Bands of the optical image counted from 1, such as 4,1,2."},
    )
    scaling: str = field(
        default="ground", metadata={"help": "Elevations: minmax, robust or ground."}
    )
    val_fraction: float = field(
        default=0.2, metadata={"help": "Part of train held out where there is no val; 0 = none."}
    )
    nodata_policy: str = field(
        default="any",
        metadata={
            "help": "Pixels that no score and no map counts: where any sensor has no data, one of the "
            "images, or only the first."
        },
    )


@dataclass(frozen=True)
class TrainingData:
    """A dataset that is ready for training.

    Attributes:
        dataset: What was opened.
        tiles: Those to learn from.
        held_out: Those of the validation, none if there is none.
    """

    dataset: TileSet
    tiles: Sequence[Tile]
    held_out: Sequence[Tile]


def open_training_data(folder: Path, reading: ReadingOptions, seed: int) -> TrainingData:
    """Open a dataset with the sensors that were asked for, and tell what is odd about it.

    Args:
        folder: The dataset.
        reading: Options given by the user.
        seed: Draws the tiles that are held out.

    Raises:
        ValueError: If it cannot be read so.
    """
    from mfnet_lite.rasters import open_dataset
    from mfnet_lite.rasters.interpretation.band_counts import check_bands

    wanted, chosen = listed(reading.sensors, "sensors"), band_numbers(reading.bands)
    how: dict[str, Any] = {"seed": seed, "val_fraction": reading.val_fraction}
    if chosen is not None:
        how["optical_bands"] = chosen
    dataset = open_dataset(folder, reading.kind, wanted, **how)
    if wanted is None and dataset.kind != "pairs":
        every = tuple(dataset.info.sensors)
        both = [name for name in DEFAULT_SENSORS if name in every]
        dataset = open_dataset(folder, reading.kind, both or None, **how)
        unused = [name for name in every if name not in dataset.info.sensors]
        if unused:
            typer.echo(
                f"note: trained on {', '.join(dataset.info.sensors)}; {', '.join(unused)} would be read with "
                f"--sensors {','.join(every)}",
                err=True,
            )
    for note in dataset.notes:
        typer.echo(f"note: {note}", err=True)
    tiles, held_out = dataset.tiles("train"), dataset.splits.get("val") or ()
    if not held_out and reading.val_fraction and "train" not in dataset.splits:
        typer.echo(
            f"note: no splits: {_all_tiles(len(tiles))} trained on and none validates; divide them into train/ "
            "and val/ to hold some out",
            err=True,
        )
    check_bands((*tiles, *held_out), dataset.info.sensors)
    return TrainingData(dataset, tiles, held_out)


def _all_tiles(count: int) -> str:
    return "the only tile is" if count == 1 else f"all {count} tiles are"
