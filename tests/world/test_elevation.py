from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mfnet_lite.world import NODATA
from mfnet_lite.world.canvas import (
    ASPHALT,
    CAR_BODY,
    WATER,
    Canvas,
)
from mfnet_lite.world.elevation import match_surface


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_perfect_dsm_is_the_surface(
    plain: Callable[..., Canvas], with_block: Callable[[Canvas, float], Canvas]
) -> None:
    canvas = with_block(plain(ASPHALT), 6.0)
    dsm, valid = match_surface(canvas, np.zeros_like(canvas.top), 0.0, rng())
    assert np.array_equal(dsm, canvas.top[canvas.crop()])
    assert valid.all()


def test_errors_smear_walls_and_dig_holes_beside_them(
    plain: Callable[..., Canvas], with_block: Callable[[Canvas, float], Canvas]
) -> None:
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


def test_water_has_holes(plain: Callable[..., Canvas]) -> None:
    canvas = plain(WATER)
    _, valid = match_surface(canvas, np.zeros_like(canvas.top), 1.0, rng())
    assert 0.3 < (~valid).mean() < 0.9


def test_many_cars_vanish_from_the_dsm(plain: Callable[..., Canvas]) -> None:
    canvas = plain(CAR_BODY)
    canvas.top += 1.5
    dsm, valid = match_surface(canvas, np.zeros_like(canvas.top), 1.0, rng())
    height = (dsm - canvas.dtm[canvas.crop()])[valid]
    assert 0.3 < (height < 0.75).mean() < 0.9
