"""Datasets for training and evaluation: random crops, and whole tiles.

With scenes of unequal size an "epoch" is a convention: here it is ``length`` random crops, as in the
authors' code (1000 batches of 10). Crop ``i`` is a pure function of (seed, epoch, i), so that a run
that was interrupted goes on bit for bit, with any number of workers.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

from mfnet_lite.rasters.datasets.tile_reader import NodataPolicy, TileReader, to_sample
from mfnet_lite.rasters.interpretation.band_counts import Channels
from mfnet_lite.rasters.tiles import Tile
from mfnet_lite.rasters.tiling import Window


class Crop(NamedTuple):
    """Where a sample is cut out, and how it is mirrored.

    Args:
        tile: Position of the tile among those of the dataset.
        window: Within the tile, unless that is smaller.
        vertical: Whether it is flipped upside down.
        horizontal: Whether left and right are exchanged.
    """

    tile: int
    window: Window
    vertical: bool
    horizontal: bool

    def flip(self, array: Shaped[np.ndarray, "*bands rows cols"]) -> np.ndarray:
        """Mirror what was read of the window.

        Args:
            array: Rows and columns are its last axes.

        Returns:
            A view; the array itself without flips.
        """
        axes = ((-2, self.vertical), (-1, self.horizontal))
        return np.flip(array, tuple(axis for axis, flipped in axes if flipped))


class RandomCrops(Dataset[dict[str, Tensor]]):
    """Random crops of tiles, read lazily by window.

    A tile is drawn (each with the same chance, as in the authors' code, or by its area), then an
    offset, the last valid one included, then the two flips with probability ½ each. Files open at
    their first crop and stay open in a small store per process; no scene is kept in memory.
    Statistics for scaling are computed once per tile.

    Args:
        tiles: Where to crop.
        size: Side of a crop in pixels. A smaller tile is padded below and to the right: zeros in the
            sensors, ``ignore_index`` in the label.
        sensors: Which to read; None takes all of the dataset.
        length: Crops per epoch.
        seed: Choice of the crops.
        scaling: Of elevations: ``minmax``, ``robust`` or ``ground``.
        flips: Whether to flip vertically and horizontally.
        by_area: Draw a tile with a chance proportional to its pixels, so that every part of the ground
            counts the same.
        cache: Decode all files now and keep one copy in their own type; forked workers share it.
            For tiles that fit in memory and cannot be read in part (PNG, JPEG).
        valid: Add the mask of pixels where all sensors hold data as ``valid``.
        nodata_policy: Pixels have no label where one of the ``images`` lacks data, where ``any`` sensor does, or
            where the ``first`` does.

    Raises:
        ValueError: No tiles, a tile without label, or numbers below 1.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        size: int,
        sensors: Sequence[str] | None = None,
        length: int = 1000,
        seed: int = 0,
        scaling: str = "ground",
        *,
        flips: bool = True,
        by_area: bool = False,
        cache: bool = False,
        valid: bool = False,
        nodata_policy: NodataPolicy = "images",
    ) -> None:
        if not tiles:
            raise ValueError("expected tiles to crop from, got none; check the split's folder")
        if size < 1 or length < 1:
            raise ValueError(f"expected size and length of at least 1, got {size} and {length}")
        if seed < 0:
            raise ValueError(f"expected a seed of 0 or more, got {seed}")
        unlabelled = [tile.id for tile in tiles if tile.label is None]
        if unlabelled:
            raise ValueError(
                f"tile {unlabelled[0]} has no label: training needs one; add it or use a split "
                "with labels"
            )
        self.tiles = tuple(tiles)
        self.size = size
        self.length = length
        self.seed = seed
        self.flips = flips
        self.valid = valid
        self.reader = TileReader(sensors or tuple(tiles[0].files), scaling, nodata_policy)
        self._channels = Channels(self.tiles, self.reader.sensors)
        # Shared, so that workers which live on between epochs see it change.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        if cache:
            for tile in tqdm(self.tiles, desc="decoding tiles", disable=None, leave=False):
                self.reader.preload(tile)
        self._chances: np.ndarray | None = None
        if by_area:
            areas = np.array([np.prod(self.reader.size(tile)) for tile in self.tiles], float)
            self._chances = areas / areas.sum()

    @property
    def epoch(self) -> int:
        """The epoch which the next crops belong to."""
        return int(self._epoch.item())

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; call it before iterating.

        Args:
            epoch: 0 or more.
        """
        self._epoch.fill_(epoch)

    def without_shared_state(self) -> RandomCrops:
        """Return a copy whose epoch no other process can change; files and tiles stay shared."""
        alone = copy.copy(self)
        alone._epoch = self._epoch.clone()
        return alone

    def prepare(self) -> None:
        """Check all tiles and compute their statistics now: workers forked later share them.

        Raises:
            ValueError: Files that do not lie upon each other, or numbers whose meaning is not known.
        """
        prepare_tiles(self.reader, self.tiles)

    def crop(self, index: int) -> Crop:
        """Where crop ``index`` of this epoch comes from.

        Args:
            index: 0 to ``length - 1``.

        Returns:
            Tile, window and flips.

        Raises:
            IndexError: An index outside the epoch.
        """
        if not 0 <= index < self.length:
            raise IndexError(f"crop {index} is outside 0 to {self.length - 1}")
        rng = np.random.default_rng((self.seed, self.epoch, index))
        chosen = int(rng.choice(len(self.tiles), p=self._chances))
        height, width = self.reader.size(self.tiles[chosen])
        row = int(rng.integers(max(height - self.size, 0), endpoint=True))
        col = int(rng.integers(max(width - self.size, 0), endpoint=True))
        vertical, horizontal = (rng.random(2) < 0.5) & self.flips
        window = Window(row, col, self.size, self.size)
        return Crop(chosen, window, bool(vertical), bool(horizontal))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        crop = self.crop(index)
        tile = self.tiles[crop.tile]
        arrays, label, valid = self.reader.read(tile, crop.window)
        self._channels.check(tile, arrays)
        arrays = {name: crop.flip(array) for name, array in arrays.items()}
        label, valid = None if label is None else crop.flip(label), crop.flip(valid)
        return to_sample(arrays, label, valid if self.valid else None)


class WholeTiles(Dataset[dict[str, Tensor]]):
    """Whole tiles in order, for evaluation.

    Tiles differ in size: use batches of one. A tile without label has no ``label`` in its sample.

    Args:
        tiles: The tiles; ``dataset.tiles[i].id`` names sample ``i``.
        sensors: Which to read; None takes all of the dataset.
        scaling: Of elevations: ``minmax``, ``robust`` or ``ground``.
        valid: Add the mask of pixels where all sensors hold data as ``valid``.
        nodata_policy: Pixels have no label where one of the ``images`` lacks data, where ``any`` sensor does, or
            where the ``first`` does.

    Raises:
        ValueError: No tiles.
    """

    def __init__(
        self,
        tiles: Sequence[Tile],
        sensors: Sequence[str] | None = None,
        scaling: str = "ground",
        *,
        valid: bool = False,
        nodata_policy: NodataPolicy = "images",
    ) -> None:
        if not tiles:
            raise ValueError("expected tiles to read, got none; check the split's folder")
        self.tiles = tuple(tiles)
        self.valid = valid
        self.reader = TileReader(sensors or tuple(tiles[0].files), scaling, nodata_policy)
        self._channels = Channels(self.tiles, self.reader.sensors)

    def prepare(self) -> None:
        """Check all tiles and compute their statistics now.

        Raises:
            ValueError: Files that do not lie upon each other, or numbers whose meaning is not known.
        """
        prepare_tiles(self.reader, self.tiles)

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        tile = self.tiles[index]
        height, width = self.reader.size(tile)
        arrays, label, valid = self.reader.read(tile, Window(0, 0, height, width))
        self._channels.check(tile, arrays)
        return to_sample(arrays, label, valid if self.valid else None)


def prepare_tiles(reader: TileReader, tiles: Sequence[Tile]) -> None:
    """Prepare every tile, then log what had to be guessed, each remark once.

    Args:
        reader: What will read them.
        tiles: The tiles.
    """
    for tile in tqdm(tiles, desc="scaling tiles", disable=None, leave=False):
        reader.prepare(tile)
    reader.notes.log()
