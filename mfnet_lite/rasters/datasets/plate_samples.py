"""Images of number plates as samples of one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from mfnet_lite.rasters.readers.plate_images import read_plates
from mfnet_lite.rasters.tiles import Tile
from mfnet_lite.utils.labels import IGNORE_INDEX


class PlateSamples(Dataset[dict[str, Tensor]]):
    """Images of plates as samples: ``optical`` in [0, 1] and ``label`` (0 elsewhere, 1 plate, 255 unknown).

    The longest side becomes ``size`` pixels; what is left of the square is padding, black in the image
    and ignored (255) in the label.

    Args:
        tiles: Which images.
        size: Side of the square, pixels.
    """

    def __init__(self, tiles: Sequence[Tile], size: int = 256) -> None:
        self._tiles, self._size = tuple(tiles), size

    def __len__(self) -> int:
        return len(self._tiles)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        image, label, _ = read_plates(self._tiles[index])
        scale = self._size / max(label.shape)
        height, width = (max(1, round(scale * side)) for side in label.shape)
        rgb = torch.from_numpy(image).float()[None] / 255
        plate = rearrange(torch.from_numpy(label == 1).float(), "h w -> 1 1 h w")
        known = rearrange(torch.from_numpy(label != IGNORE_INDEX).float(), "h w -> 1 1 h w")
        if scale != 1:
            known = F.interpolate(known, (height, width), mode="bilinear", antialias=True)
            rgb = F.interpolate(rgb, (height, width), mode="bilinear", antialias=True)
            # Half of a pixel makes it a plate, so that small plates do not vanish between samples.
            plate = F.interpolate(plate, (height, width), mode="bilinear", antialias=True)
        pad = (0, self._size - width, 0, self._size - height)
        label_of = torch.where(known[0, 0] >= 0.5, (plate[0, 0] >= 0.5).long(), IGNORE_INDEX)
        drawn = F.pad(label_of, pad, value=IGNORE_INDEX)
        return {"optical": F.pad(rgb[0].clamp(0, 1), pad), "label": drawn}
