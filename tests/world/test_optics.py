from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mfnet_lite.world import DOMAINS, WorldConfig
from mfnet_lite.world.canvas import (
    ASPHALT,
    GRASS,
    Canvas,
)
from mfnet_lite.world.optics import CAMERAS, photograph

FLAT = WorldConfig(relief=0.0, noise=0.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_domain_has_its_camera() -> None:
    assert set(CAMERAS) == set(DOMAINS)


def test_brightness_follows_reflectance(plain: Callable[..., Canvas]) -> None:
    means = [
        photograph(plain(ASPHALT, grey=g), FLAT, 180, 45, rng())[0].mean() for g in (0.1, 0.3, 0.6)
    ]
    assert means == sorted(means)
    assert means[2] > 2 * means[0]


def test_a_block_throws_its_shadow_into_the_image(
    plain: Callable[..., Canvas], with_block: Callable[[Canvas, float], Canvas]
) -> None:
    image, shadow = photograph(with_block(plain(ASPHALT), 5.0), FLAT, 180, 45, rng())
    north, south = image[:3, 12:20, 28:36].mean(), image[:3, 46:54, 28:36].mean()
    assert north < 0.6 * south  # the sun stands in the south
    assert shadow.shape == (96, 96)


def test_haze_flattens_contrast(plain: Callable[..., Canvas]) -> None:
    def contrast(haze: float) -> float:
        config = WorldConfig(relief=0.0, noise=0.0, haze=haze)
        canvas = plain(ASPHALT, grey=0.1)
        canvas.albedo[:, 48:] = 0.6
        return float(photograph(canvas, config, 180, 45, rng())[0].std())

    assert contrast(0.0) > contrast(0.4) > contrast(0.9)


def test_vegetation_in_near_infrared(plain: Callable[..., Canvas]) -> None:
    canvas = plain(GRASS)
    canvas.albedo[:] = (0.2, 0.3, 0.1, 0.55)
    red, _, _, nir = photograph(canvas, FLAT, 180, 45, rng())[0].mean(axis=(1, 2))
    assert nir > 1.5 * red
