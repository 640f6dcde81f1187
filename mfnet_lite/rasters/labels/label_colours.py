"""Labels written in colours: comparing them like numbers, and the nearest of the known ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Num

from mfnet_lite.rasters.raster import Colour

BLACK: Colour = (0, 0, 0)
FAR = 100  # of a cube of 255: a colour farther away from every class's is no blend of lossy saving


class Nearest(NamedTuple):
    """Pixels whose colour was no class's and which took the nearest one.

    Args:
        pixels: How many.
        far: Of these, more than :data:`FAR` away from it.
        ties: Equally far from two classes: not labelled.
    """

    pixels: int = 0
    far: int = 0
    ties: int = 0

    def plus(self, other: Nearest) -> Nearest:
        """Both together.

        Args:
            other: Pixels of another part or file.

        Returns:
            The sums.
        """
        return Nearest(*(a + b for a, b in zip(self, other, strict=True)))


def pack_colours(
    array: Num[np.ndarray, "bands height width"],
) -> Int[np.ndarray, "height width"]:
    """One integer ``r·2¹⁶ + g·2⁸ + b`` per pixel, so that colours compare like numbers.

    Args:
        array: At least three bands of 0 to 255.

    Returns:
        ``(height, width)`` int32.

    Raises:
        ValueError: Values beyond 0 to 255, as in colours of 16 bits.
    """
    if array.dtype != np.uint8:
        colours = array[:3]
        if colours.size and (np.nanmin(colours) < 0 or np.nanmax(colours) > 255):
            raise ValueError(
                f"expected colours of 0 to 255, got {array.dtype} up to {np.nanmax(colours):g}; "
                "export the label with 8 bits per band"
            )
    r, g, b = (np.nan_to_num(array[band]).astype(np.int32) for band in range(3))
    return (r << 16) | (g << 8) | b


def nearest_colours(
    packed: Int[np.ndarray, " colours"], known: Mapping[Colour, int]
) -> tuple[Int[np.ndarray, " colours"], Num[np.ndarray, " colours"], Bool[np.ndarray, " colours"]]:
    """The known colour closest to each of others, by their distance in the cube of red, green, blue.

    Args:
        packed: Colours as :func:`pack_colours` makes them.
        known: Colour → class index.

    Returns:
        Class index (int16), distance, and whether another class is as near.
    """
    rgb = np.stack([packed >> 16, (packed >> 8) & 255, packed & 255]).astype(np.int32)
    best = np.full(packed.shape, np.iinfo(np.int32).max, dtype=np.int32)
    chosen = np.zeros(packed.shape, dtype=np.int16)
    tied = np.zeros(packed.shape, dtype=bool)
    for colour, index in known.items():
        away = ((rgb - np.array(colour, np.int32)[:, None]) ** 2).sum(axis=0)
        closer = away < best
        tied = np.where(closer, False, tied | ((away == best) & (chosen != index)))
        best = np.where(closer, away, best)
        chosen = np.where(closer, np.int16(index), chosen)
    return chosen, np.sqrt(best), tied
