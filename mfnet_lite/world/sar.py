"""Radar: a speckled intensity image in decibels, bright where walls and ground make a corner."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from mfnet_lite.world.canvas import Canvas
from mfnet_lite.world.light import cast_shadows

# Mean backscatter in decibels by material: asphalt, concrete, soil, grass, shrub, crown, tiles, metal,
# glass, car, water. Smooth surfaces mirror the pulse away, metal and corners send it back.
BACKSCATTER_DB = np.array(
    [-19.0, -16.5, -12.5, -13.0, -10.0, -8.0, -11.0, -6.5, -9.0, -3.5, -25.0], np.float32
)
LOOK_AZIMUTH = 100.0
"""Direction the antenna looks from, degrees clockwise from north; it comes from the east-south-east."""
LOOK_ELEVATION = 52.0
LOOKS = 4
"""How many independent looks are averaged; speckle's deviation is the mean over √looks."""


def radar(canvas: Canvas, noise: float, rng: np.random.Generator) -> Float[np.ndarray, "size size"]:
    """Return radar intensity in decibels.

    The model has four parts: backscatter by material, brighter slopes towards the antenna, radar
    shadow behind tall things, and the double bounce at the foot of walls that face the antenna. The
    displaced tops of buildings (layover) show as a bright rim of a metre or two, not as full
    geometry: pixels stay aligned with the map.

    Args:
        canvas: The painted world.
        noise: Multiple of four-look speckle; 0 switches speckle off.
        rng: Source of speckle.

    Returns:
        float32 decibels, about −35…15.
    """
    inner = canvas.crop()
    power = np.power(10, BACKSCATTER_DB[canvas.material] / 10).astype(np.float32)
    a = np.radians(LOOK_AZIMUTH)
    east, south = np.float32(np.sin(a)), np.float32(-np.cos(a))
    towards = -(canvas.slope_x * east + canvas.slope_y * south)
    power *= np.exp(np.clip(0.9 * towards, -1.6, 1.6))
    power *= np.exp(np.float32(0.35) * canvas.leaf_noise * (canvas.clump > 0.1))
    hidden = cast_shadows(canvas.top, canvas.gsd, LOOK_AZIMUTH, LOOK_ELEVATION)
    power *= 1 - np.float32(0.93) * hidden
    # A wall that faces the antenna: higher ground just behind (away from the antenna) than here.
    reach = 1.0 / canvas.gsd
    behind = ndimage.shift(
        canvas.top, (float(south) * reach, float(east) * reach), order=1, mode="nearest"
    )
    step = np.clip(behind - canvas.top - 1.5, 0, 8)
    corner = ndimage.gaussian_filter(step * (canvas.clump < 0.1), 0.25 / canvas.gsd)
    power += np.float32(0.35) * corner
    power = ndimage.gaussian_filter(power[inner], 0.6)
    looks = LOOKS / max(noise, 1e-3) ** 2
    speckle = rng.gamma(looks, 1 / looks, power.shape) if noise else 1.0
    return (10 * np.log10(np.maximum(power * speckle, 1e-4))).astype(np.float32)
