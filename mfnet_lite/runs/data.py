"""What a run remembers of its data, and whether other data fit it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mfnet_lite.rasters import TileSet, raster_info
from mfnet_lite.rasters.identity import hash_rasters
from mfnet_lite.rasters.interpretation.bands import choose_bands
from mfnet_lite.runs.run_config import RunConfig
from mfnet_lite.utils.counted_nouns import counted


def channels_of(dataset: TileSet, split: str) -> dict[str, int]:
    """Count the channels each sensor of a dataset gives to a model, from the first tile.

    Args:
        dataset: An open dataset.
        split: Which split to look at.
    """
    tile = dataset.tiles(split)[0]
    return {
        name: len(choose_bands(tile.files[name], info).bands)
        for name, info in dataset.info.sensors.items()
    }


def sensors_of(dataset: TileSet, split: str) -> dict[str, dict[str, Any]]:
    """What a run has to remember of its sensors, the pixels' type of the first tile included.

    Args:
        dataset: An open dataset.
        split: Which split to look at.
    """
    tile = dataset.tiles(split)[0]
    return {
        name: asdict(info) | {"dtype": info.dtype or raster_info(tile.files[name]).dtype}
        for name, info in dataset.info.sensors.items()
    }


def seen_in_training(config: RunConfig, dataset: TileSet, split: str) -> tuple[str, ...]:
    """Tiles of a split that the run was trained on, by their names or by what is in them.

    Train and test folders may use a name twice. So a name counts only if its tile lies where the dataset's
    training tiles lie: in the split itself, in ``all``, or in ``val`` held out of ``train``. A tile whose
    first sensor is a copy of a training tile's counts under any name.

    Args:
        config: Of the run.
        dataset: What it is to be scored on.
        split: Which split of it.

    Returns:
        Their ids.
    """
    recorded = config.dataset.get("tiles", {})
    trained = {*recorded.get("train", ()), *recorded.get("all", ())}
    places = {
        path.parent
        for name in ("train", "all")
        for tile in dataset.splits.get(name, ())
        for path in tile.files.values()
    }
    tiles = dataset.tiles(split)
    known = {value for name, value in config.content.items() if name.startswith("train/")}
    # earlier runs know no content: then nothing is read
    first = next(iter(config.channels))
    hashes = hash_rasters({t.id: t.files[first] for t in tiles if known and first in t.files})
    copies = {name for name, value in hashes.items() if value in known}
    return tuple(
        tile.id
        for tile in tiles
        if tile.id in copies
        or (tile.id in trained and all(path.parent in places for path in tile.files.values()))
    )


def check_fits(config: RunConfig, channels: Mapping[str, int], where: str | Path) -> None:
    """Compare the channels of some data with what the model was trained on.

    Raises:
        ValueError: Naming the sensor and both numbers.
    """
    for name, expected in config.channels.items():
        if name not in channels:
            raise ValueError(
                f"{where} has no sensor {name}: the run was trained on "
                f"{', '.join(config.channels)}; add it or train without it"
            )
        if channels[name] != expected:
            raise ValueError(
                f"{where} has {counted(channels[name], 'band')} of {name}, but the run was trained on "
                f"{expected}; give the same bands"
            )


def describe_dataset(dataset: TileSet) -> dict[str, Any]:
    """Say what a run was trained on, without the paths of this machine."""
    return {
        "name": dataset.root.resolve().name,
        "kind": dataset.kind,
        "source": dataset.info.source,
        "tiles": {split: [tile.id for tile in tiles] for split, tiles in dataset.splits.items()},
    }
