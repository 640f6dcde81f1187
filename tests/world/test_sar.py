from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mfnet_lite.world.canvas import (
    ASPHALT,
    METAL,
    WATER,
    Canvas,
)
from mfnet_lite.world.sar import BACKSCATTER_DB, LOOK_AZIMUTH, LOOKS, radar


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_radar_backscatter_and_speckle_statistics(plain: Callable[..., Canvas]) -> None:
    for material in (ASPHALT, METAL, WATER):
        canvas = plain(material, size=200)
        assert radar(canvas, 0.0, rng()).mean() == pytest.approx(BACKSCATTER_DB[material], abs=0.1)
        intensity = 10 ** (radar(canvas, 1.0, rng()) / 10)
        # Fully developed speckle: deviation over mean is one over the root of the looks.
        assert intensity.std() / intensity.mean() == pytest.approx(LOOKS**-0.5, rel=0.05)


def test_radar_double_bounce_lies_on_the_side_of_the_antenna(
    plain: Callable[..., Canvas], with_block: Callable[[Canvas, float], Canvas]
) -> None:
    image = radar(with_block(plain(ASPHALT), 6.0), 0.0, rng())
    assert 45 < LOOK_AZIMUTH < 135  # the antenna is in the east
    east, west = image[26:38, 43:46].max(), image[26:38, 18:21].max()
    assert east > BACKSCATTER_DB[ASPHALT] + 8
    assert east > west + 8
    assert image[26:38, 12:20].mean() < BACKSCATTER_DB[ASPHALT] - 5  # radar shadow in the west
