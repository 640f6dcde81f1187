"""The digital surface model as image matching would give it: smeared, noisy, with holes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from mfnet_lite.world.canvas import CAR_BODY, GLASS, WATER, Canvas, smooth_noise
from mfnet_lite.world.config import NODATA


def match_surface(
    canvas: Canvas,
    shadow: Float[np.ndarray, "side side"],
    error: float,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "size size"], Bool[np.ndarray, "size size"]]:
    """Turn the true surface into a matched DSM.

    A matching window sees a wall's two sides at once, so edges are smeared over about a metre and
    wander by some decimetres; parked cars were elsewhere in the second photograph and half of them
    vanish; noise is correlated. Holes: beside high walls (seen by one photograph only), on water
    (glitter), in deep shadow (no texture).

    Args:
        canvas: The painted world; ``canvas.top`` is the true surface in metres.
        shadow: 0…1, on the canvas.
        error: 0 is the truth; 1 is usual.
        rng: Random generator.

    Returns:
        Surface heights in metres (float32, :data:`~mfnet_lite.world.config.NODATA` in holes) and
        where they are valid.
    """
    inner = canvas.crop()
    shape = canvas.top.shape
    spots = smooth_noise(rng, shape, 1.0 / canvas.gsd)
    blobs = smooth_noise(rng, shape, 2.5 / canvas.gsd)
    fine = rng.standard_normal(shape, dtype=np.float32)
    shift = smooth_noise(rng, shape, 1.5 / canvas.gsd), smooth_noise(rng, shape, 1.5 / canvas.gsd)
    if error == 0:
        return canvas.top[inner].copy(), np.ones((canvas.size, canvas.size), bool)

    surface = canvas.top.copy()
    cars = (canvas.material == CAR_BODY) | (canvas.material == GLASS)
    lost = cars & (blobs < 0.25 * min(error, 2.0))
    surface[lost] = canvas.dtm[lost] + np.float32(0.15)

    wander = np.float32(0.22 * min(error, 3.0) / canvas.gsd)
    rows, cols = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij")
    at = np.stack([rows + wander * shift[0], cols + wander * shift[1]])
    surface = ndimage.map_coordinates(surface, at, order=1, mode="nearest")
    surface = ndimage.gaussian_filter(surface, 0.32 * min(error, 3.0) / canvas.gsd)
    surface += np.float32(0.10 * error) * spots + np.float32(0.04 * error) * fine

    height = canvas.top - canvas.dtm
    window = 2 * max(1, round(0.6 / canvas.gsd)) + 1
    wall = ndimage.maximum_filter(height, window) - height > 2.5
    likelihood = 0.6 * spots + 0.8 * blobs
    holes = wall & (likelihood > 1.35 - 0.35 * error)
    holes |= (canvas.material == WATER) & (likelihood > 0.35 - 0.5 * error)
    holes |= (shadow > 0.9) & (height < 1) & (likelihood > 2.1 - 0.35 * error)
    valid = ~holes[inner]
    dsm = np.where(valid, surface[inner], np.float32(NODATA)).astype(np.float32)
    return dsm, valid


def fill_holes(
    dsm: Float[np.ndarray, "height width"], valid: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width"]:
    """Give every hole of a DSM the height of the nearest measured pixel.

    The official files of Vaihingen come filled like this. No interpolation: a hole beside a wall takes
    roof or street, whichever is nearer, never a height between the two.

    Args:
        dsm: Heights in metres; what holes hold is not looked at.
        valid: Where ``dsm`` holds a measurement.

    Returns:
        Heights without holes, a new array of ``dsm``'s type.

    Raises:
        ValueError: If the shapes differ, or no pixel is valid.

    Example:
        >>> fill_holes(np.array([[3.0, -9999.0, -9999.0, 8.0]]), np.array([[True, False, False, True]]))
        array([[3., 3., 8., 8.]])
    """
    if dsm.shape != valid.shape or not valid.any():
        raise ValueError(
            f"expected a mask of shape {dsm.shape} with at least one valid pixel, got shape "
            f"{valid.shape} with {int(valid.sum())}; leave out a tile without any measurement."
        )
    nearest = ndimage.distance_transform_edt(~valid, return_distances=False, return_indices=True)
    return np.asarray(dsm[tuple(nearest)])
