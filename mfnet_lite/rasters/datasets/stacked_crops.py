"""Crops of a folder as one batch in memory, for experiments that are over in a minute."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mfnet_lite.rasters.datasets.crops import RandomCrops
from mfnet_lite.rasters.readers.detect import open_dataset

__all__ = ["stack_crops"]


def stack_crops(
    root: str | Path,
    split: str,
    size: int,
    sensors: Sequence[str],
    count: int,
    seed: int = 0,
    scaling: str = "ground",
) -> dict[str, Tensor]:
    """Draw crops from a split of a dataset and stack them.

    Args:
        root: The dataset's folder.
        split: ``train``, ``val`` or ``test``. No tile is held out of ``train``.
        size: Side of a crop, pixels.
        sensors: Which to read.
        count: How many crops.
        seed: Which crops.
        scaling: Of elevations: ``minmax``, ``robust`` or ``ground``.

    Returns:
        Per sensor ``(count, bands, size, size)`` in [0, 1], and as ``label`` ``(count, size, size)``.

    Raises:
        FileNotFoundError: No such folder, or nothing in it that we know.
        ValueError: No such split, or a tile of it without label.
    """
    tiles = open_dataset(root, sensors=sensors, val_fraction=0.0).tiles(split)
    crops = RandomCrops(tiles, size, sensors, count, seed, scaling)
    samples = [crops[index] for index in range(count)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
