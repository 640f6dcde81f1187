"""Crops that bring SAM's objects and boundaries along, for training with the two losses.

Ma et al. 2024 (arXiv 2312.02464) cut the same random window out of image, label and both maps, and
number the objects of the crop anew. Their numbering merges two objects in a crop without background;
:func:`mfnet_lite.losses.renumber_objects` does not (see the page *Paper versus code*).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mfnet_lite.losses.object_consistency import renumber_objects
from mfnet_lite.rasters.datasets.crops import RandomCrops
from mfnet_lite.rasters.datasets.object_maps import ObjectFiles, ObjectReader
from mfnet_lite.utils.samples import WrappedSamples


class WithObjects(WrappedSamples[RandomCrops]):
    """Random crops with the objects and boundaries of the same window.

    Each sample gains ``objects``, int64 (H, W), numbered 1, 2, … with 0 = no object, and ``boundaries``,
    bool (H, W). Augment it with :class:`~mfnet_lite.training.augment.jitter.RandomJitter`, which
    rotates all maps of a sample alike.

    Args:
        crops: Where, and with which flips.
        files: Maps of each of its tiles, as
            :func:`~mfnet_lite.rasters.datasets.object_maps.find_object_files` finds them.
        cache: Whether to keep whole maps in memory.

    Raises:
        ValueError: If there are more or fewer maps than tiles.
    """

    def __init__(
        self, crops: RandomCrops, files: Sequence[ObjectFiles], cache: bool = False
    ) -> None:
        if len(files) != len(crops.tiles):
            raise ValueError(
                f"expected the object maps of {len(crops.tiles)} tiles, got {len(files)}; find them "
                "with find_object_files(crops.tiles, folder)"
            )
        super().__init__(crops)
        self.files = tuple(files)
        self.reader = ObjectReader(cache)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = self.dataset[index]
        crop = self.dataset.crop(index)
        objects, boundaries = (
            torch.from_numpy(np.ascontiguousarray(crop.flip(read)))
            for read in self.reader.read(self.files[crop.tile], crop.window)
        )
        return sample | {"objects": renumber_objects(objects), "boundaries": boundaries}
