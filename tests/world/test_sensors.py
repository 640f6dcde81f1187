"""Optics, elevation, radar and thermal on small hand-made worlds."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.world import DOMAINS, NODATA, WorldConfig
from mfnet_lite.world.canvas import ASPHALT, CAR_BODY, GRASS, METAL, WATER, Canvas
from mfnet_lite.world.elevation import match_surface
from mfnet_lite.world.optics import CAMERAS, photograph
from mfnet_lite.world.sar import BACKSCATTER_DB, LOOK_AZIMUTH, LOOKS, radar
from mfnet_lite.world.streets import empty_canvas
from mfnet_lite.world.thermal import heat

FLAT = WorldConfig(relief=0.0, noise=0.0)


def plain(material: int, size: int = 64, grey: float = 0.3) -> Canvas:
    canvas = empty_canvas(0, size, 0.25, 16, FLAT)
    canvas.material[:] = material
    canvas.albedo[:] = grey
    return canvas


def with_block(canvas: Canvas, height: float) -> Canvas:
    middle = canvas.top.shape[0] // 2
    canvas.top[middle - 10 : middle + 10, middle - 10 : middle + 10] += height
    return canvas


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_every_domain_has_its_camera() -> None:
    assert set(CAMERAS) == set(DOMAINS)


def test_brightness_follows_reflectance() -> None:
    means = [
        photograph(plain(ASPHALT, grey=g), FLAT, 180, 45, rng())[0].mean() for g in (0.1, 0.3, 0.6)
    ]
    assert means == sorted(means)
    assert means[2] > 2 * means[0]


def test_a_block_throws_its_shadow_into_the_picture() -> None:
    image, shadow = photograph(with_block(plain(ASPHALT), 5.0), FLAT, 180, 45, rng())
    north, south = image[:3, 12:20, 28:36].mean(), image[:3, 46:54, 28:36].mean()
    assert north < 0.6 * south  # the sun stands in the south
    assert shadow.shape == (96, 96)


def test_haze_flattens_contrast() -> None:
    def contrast(haze: float) -> float:
        config = WorldConfig(relief=0.0, noise=0.0, haze=haze)
        canvas = plain(ASPHALT, grey=0.1)
        canvas.albedo[:, 48:] = 0.6
        return float(photograph(canvas, config, 180, 45, rng())[0].std())

    assert contrast(0.0) > contrast(0.4) > contrast(0.9)


def test_vegetation_in_near_infrared() -> None:
    canvas = plain(GRASS)
    canvas.albedo[:] = (0.2, 0.3, 0.1, 0.55)
    red, _, _, nir = photograph(canvas, FLAT, 180, 45, rng())[0].mean(axis=(1, 2))
    assert nir > 1.5 * red


def test_a_perfect_dsm_is_the_surface() -> None:
    canvas = with_block(plain(ASPHALT), 6.0)
    dsm, valid = match_surface(canvas, np.zeros_like(canvas.top), 0.0, rng())
    assert np.array_equal(dsm, canvas.top[canvas.crop()])
    assert valid.all()


def test_errors_smear_walls_and_dig_holes_beside_them() -> None:
    canvas = with_block(plain(ASPHALT), 6.0)
    truth = canvas.top[canvas.crop()]
    dsm, valid = match_surface(canvas, np.zeros_like(canvas.top), 1.0, rng())
    gap = np.abs(dsm - truth)
    near = np.zeros_like(valid)
    near[18:46, 18:46] = True
    near[25:39, 25:39] = False
    assert gap[valid & near].mean() > 2 * gap[valid & ~near].mean()
    assert (dsm[~valid] == NODATA).all()
    assert (~valid)[~near].mean() < 0.02


def test_water_has_holes() -> None:
    canvas = plain(WATER)
    _, valid = match_surface(canvas, np.zeros_like(canvas.top), 1.0, rng())
    assert 0.3 < (~valid).mean() < 0.9


def test_many_cars_vanish_from_the_dsm() -> None:
    canvas = plain(CAR_BODY)
    canvas.top += 1.5
    dsm, valid = match_surface(canvas, np.zeros_like(canvas.top), 1.0, rng())
    height = (dsm - canvas.dtm[canvas.crop()])[valid]
    assert 0.3 < (height < 0.75).mean() < 0.9


def test_radar_backscatter_and_speckle_statistics() -> None:
    for material in (ASPHALT, METAL, WATER):
        canvas = plain(material, size=200)
        assert radar(canvas, 0.0, rng()).mean() == pytest.approx(BACKSCATTER_DB[material], abs=0.1)
        intensity = 10 ** (radar(canvas, 1.0, rng()) / 10)
        # Fully developed speckle: deviation over mean is one over the root of the looks.
        assert intensity.std() / intensity.mean() == pytest.approx(LOOKS**-0.5, rel=0.05)


def test_radar_double_bounce_lies_on_the_side_of_the_antenna() -> None:
    image = radar(with_block(plain(ASPHALT), 6.0), 0.0, rng())
    assert 45 < LOOK_AZIMUTH < 135  # the antenna is in the east
    east, west = image[26:38, 43:46].max(), image[26:38, 18:21].max()
    assert east > BACKSCATTER_DB[ASPHALT] + 8
    assert east > west + 8
    assert image[26:38, 12:20].mean() < BACKSCATTER_DB[ASPHALT] - 5  # radar shadow in the west


def test_sun_warms_and_shade_cools() -> None:
    canvas = plain(ASPHALT)
    light, dark = (
        heat(canvas, np.full_like(canvas.top, s), FLAT, 180, 45, rng()).mean() for s in (0.0, 1.0)
    )
    assert light > dark + 4


def test_water_is_cold_by_day_and_warm_at_night() -> None:
    night = WorldConfig(relief=0.0, noise=0.0, domain="night")

    def degrees(material: int, config: WorldConfig) -> float:
        canvas = plain(material)
        return float(heat(canvas, np.zeros_like(canvas.top), config, 180, 45, rng()).mean())

    assert degrees(WATER, FLAT) < degrees(GRASS, FLAT) < degrees(ASPHALT, FLAT)
    assert degrees(WATER, night) > degrees(GRASS, night)
