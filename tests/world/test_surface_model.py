from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.world import NODATA, fill_holes, make_scene
from mfnet_lite.world.canvas import (
    ASPHALT,
    CAR_BODY,
    WATER,
    Canvas,
)
from mfnet_lite.world.surface_model import match_surface


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


def test_a_hole_takes_the_nearest_height_by_hand() -> None:
    dsm = np.array([[1.0, NODATA, NODATA, NODATA, 9.0], [2.0, 2.5, NODATA, NODATA, 9.5]])
    filled = fill_holes(dsm, dsm != NODATA)
    assert filled[0, [0, 3, 4]].tolist() == [1.0, 9.0, 9.0]
    assert filled[1].tolist() == [2.0, 2.5, 2.5, 9.5, 9.5]
    assert dsm[0, 1] == NODATA  # the argument is left alone


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.02, 1.0))
def test_filling_keeps_measurements_and_invents_no_height(seed: int, share: float) -> None:
    generator = np.random.default_rng(seed)
    dsm = generator.normal(260, 9, (7, 11)).astype(np.float32)
    valid = generator.random(dsm.shape) < share
    valid[seed % 7, seed % 11] = True
    filled = fill_holes(np.where(valid, dsm, np.nan), valid)
    assert filled.dtype == np.float32
    assert np.array_equal(filled[valid], dsm[valid])
    rows, cols = np.nonzero(valid)
    for row, col in np.argwhere(~valid):
        far = np.hypot(rows - row, cols - col)
        assert filled[row, col] in dsm[valid][np.isclose(far, far.min())]


def test_filling_needs_a_mask_of_one_shape_with_something_in_it() -> None:
    flat = np.zeros((3, 4), np.float32)
    with pytest.raises(
        ValueError, match=r"\(3, 4\) with at least one valid pixel, got shape .* 0;"
    ):
        fill_holes(flat, np.zeros((3, 4), bool))
    with pytest.raises(ValueError, match=r"got shape \(4, 3\) with 12;"):
        fill_holes(flat, np.ones((4, 3), bool))


def test_a_scene_offers_its_filled_dsm() -> None:
    scene = make_scene(seed=4, size=96, dsm_error=2.0)
    assert (~scene.dsm_valid).any()
    assert np.array_equal(scene.dsm_filled, fill_holes(scene.dsm, scene.dsm_valid))
    assert scene.dsm_filled.min() > NODATA / 2
