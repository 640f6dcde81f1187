"""Thermal infrared: the temperature of surfaces, warmed by the sun, cooled by leaves and water."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from mfnet_lite.world.canvas import CAR_BODY, Canvas, smooth_noise
from mfnet_lite.world.config import WorldConfig
from mfnet_lite.world.light import sunlit

# By material as in canvas.py: kelvin above the air in full sun, and at night.
SUN_RISE = np.array([19, 15, 11, 5, 3, 1.5, 22, 17, 14, 20, -3], np.float32)
NIGHT_RISE = np.array([4.5, 3.5, 1, -2, -1, 0.5, -3, -5, -3, -2, 6], np.float32)
AIR_K = {"spring": 286.0, "summer": 297.0, "autumn": 284.0, "winter": 275.0}


def heat(
    canvas: Canvas,
    shadow: Float[np.ndarray, "side side"],
    config: WorldConfig,
    azimuth: float,
    elevation: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "size size"]:
    """Return the surface temperature in kelvin as a coarse thermal camera sees it.

    Dark surfaces take more sun; slopes to the sun more than others; shaded ones a quarter. Some
    parked cars have warm bonnets; heated roofs are a little warmer at night.

    Args:
        canvas: The painted world.
        shadow: Cast by the sun, 0…1, on the canvas.
        config: Parameters; domain, season and noise matter here.
        azimuth: Of the sun, degrees clockwise from north.
        elevation: Of the sun, degrees.
        rng: Random generator.

    Returns:
        float32 kelvin, about 260…340.
    """
    inner = canvas.crop()
    night = config.domain == "night"
    own = smooth_noise(rng, canvas.top.shape, 3.0 / canvas.gsd)
    temperature = np.full(canvas.top.shape, np.float32(AIR_K[config.season]))
    if night:
        temperature += NIGHT_RISE[canvas.material] - 6
    else:
        dark = 1.25 - canvas.albedo[..., :3].mean(axis=-1)
        facing = sunlit(canvas.slope_x, canvas.slope_y, azimuth, elevation)
        sun = (
            facing
            * (1 - np.float32(0.75) * shadow)
            * np.float32(0.6 if config.domain == "haze" else 1)
        )
        temperature += SUN_RISE[canvas.material] * (0.25 + sun) * dark
    temperature += np.where((canvas.material == CAR_BODY) & (own > 0.3), np.float32(9), 0)
    temperature += np.float32(0.5) * own
    seen = ndimage.gaussian_filter(temperature[inner], 0.35 / canvas.gsd)
    seen += np.float32(0.25 * config.noise) * rng.standard_normal(seen.shape, dtype=np.float32)
    return seen.astype(np.float32)
