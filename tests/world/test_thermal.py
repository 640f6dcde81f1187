from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.canvas import (
    ASPHALT,
    GRASS,
    WATER,
    Canvas,
)
from mfnet_lite.world.thermal import heat

FLAT = WorldConfig(relief=0.0, noise=0.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_sun_warms_and_shade_cools(plain: Callable[..., Canvas]) -> None:
    canvas = plain(ASPHALT)
    light, dark = (
        heat(canvas, np.full_like(canvas.top, s), FLAT, 180, 45, rng()).mean() for s in (0.0, 1.0)
    )
    assert light > dark + 4


def test_water_is_cold_by_day_and_warm_at_night(plain: Callable[..., Canvas]) -> None:
    night = WorldConfig(relief=0.0, noise=0.0, domain="night")

    def degrees(material: int, config: WorldConfig) -> float:
        canvas = plain(material)
        return float(heat(canvas, np.zeros_like(canvas.top), config, 180, 45, rng()).mean())

    assert degrees(WATER, FLAT) < degrees(GRASS, FLAT) < degrees(ASPHALT, FLAT)
    assert degrees(WATER, night) > degrees(GRASS, night)
