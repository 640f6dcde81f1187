"""An image of any shape as a square of a given side, as networks of one input size want it.

The image lies in the middle and black fills up what is missing, by the rule that boxes of dialogues are written by
(:class:`mfnet_lite.language.boxes.Square`): half of what the sides differ by on the left or above, rounded down.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.rasters.io import raster_info
from mfnet_lite.rasters.rgb import Stretch, read_rgb

LARGEST = 8192
"""Side of an image that is still read as a whole."""


def to_square(image: UInt8[np.ndarray, "rows cols 3"], side: int) -> Float[Tensor, "3 side side"]:
    """Pad an image to a square, then bring it to a size.

    Args:
        image: Red, green, blue as bytes.
        side: Side wanted, pixels.

    Returns:
        Values from 0 to 1.

    Example:
        >>> to_square(np.full((2, 4, 3), 255, np.uint8), 4)[0, :, 0].tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    rows, cols = image.shape[:2]
    whole = max(rows, cols)
    top, left = (whole - rows) // 2, (whole - cols) // 2
    padding = (left, whole - cols - left, top, whole - rows - top)
    pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255
    square = F.pad(pixels, padding)
    if whole == side:
        return square
    resized = F.interpolate(square[None], (side, side), mode="bilinear", antialias=True)[0]
    return resized.clamp(0, 1)


def read_square(path: str | Path, side: int) -> Float[Tensor, "3 side side"]:
    """Read an image as a square.

    Red, green and blue are the bands that the file calls so, else the first three; of an image with fewer the first
    band is shown in grey. Bytes are taken as they are, those of fewer bits spread over all 8, and other types are
    stretched between two percentiles of the file.

    Args:
        path: The image: GeoTIFF, PNG, JPEG, …
        side: Side wanted, pixels.

    Returns:
        Values from 0 to 1; 0 where there is no data.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no image, or too large to be one.
    """
    info = raster_info(path)
    if max(info.width, info.height) > LARGEST:
        raise ValueError(
            f"{path} has {info.width} x {info.height} pixels, and is shown to the model as {side} x {side}: expected "
            f"an image of at most {LARGEST} pixels a side; cut a part out of it"
        )
    image, _ = read_rgb(path, Stretch.of(path, grey=True))
    return to_square(image, side)
