from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.world.light import cast_shadows, open_sky, sun_vector, sunlit


def _tower(height: float = 8.0) -> np.ndarray:
    top = np.zeros((65, 65), np.float32)
    top[30:35, 30:35] = height
    return top


@pytest.mark.parametrize(
    ("azimuth", "row_sign", "col_sign"),
    [(0, 1, 0), (90, 0, -1), (180, -1, 0), (270, 0, 1), (135, -1, -1), (315, 1, 1)],
)
def test_shadows_lie_opposite_the_sun(azimuth: float, row_sign: int, col_sign: int) -> None:
    rows, cols = np.nonzero(cast_shadows(_tower(), 1.0, azimuth, 45.0) > 0.5)
    offset = np.array([rows.mean() - 32, cols.mean() - 32])
    for value, sign in zip(offset, (row_sign, col_sign), strict=True):
        assert np.sign(np.round(value)) == sign


def test_shadow_length_is_height_over_tangent() -> None:
    # Sun in the south at tan(e) = 1/2: a tower of 8 m throws 16 m to the north, at 1 m a pixel.
    shadow = cast_shadows(_tower(), 1.0, 180.0, float(np.degrees(np.arctan(0.5))))
    column = shadow[:30, 32]
    assert (column[15:] == 1).all()  # rows 29 … 15 lie 1 … 15 m from the tower's northern wall
    assert (column[:13] == 0).all()


def test_flat_ground_and_zenith_have_no_shadow() -> None:
    assert not cast_shadows(np.full((9, 9), 7.0, np.float32), 0.5, 200.0, 30.0).any()
    assert not cast_shadows(_tower(), 0.5, 123.0, 90.0).any()


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 360), st.floats(15, 85), st.floats(-500, 500))
def test_shadows_ignore_the_altitude_of_the_town(
    azimuth: float, elevation: float, base: float
) -> None:
    low = cast_shadows(_tower(), 0.5, azimuth, elevation)
    high = cast_shadows(_tower() + np.float32(base), 0.5, azimuth, elevation)
    assert np.abs(low - high).max() < 1e-3
    assert low.min() >= 0
    assert low.max() <= 1


@given(st.floats(0, 360), st.floats(0, 90))
def test_sun_vector_is_a_unit_vector(azimuth: float, elevation: float) -> None:
    assert np.hypot(*sun_vector(azimuth, elevation)[:2]) == pytest.approx(
        np.cos(np.radians(elevation)), abs=1e-9
    )
    assert np.linalg.norm(sun_vector(azimuth, elevation)) == pytest.approx(1)


def test_slopes_towards_the_sun_are_brightest() -> None:
    slope = np.array([[-1.0, 0.0, 1.0]], np.float32)  # rise towards east: −1 falls to the east
    light = sunlit(slope, np.zeros_like(slope), 90.0, 45.0)[0]
    assert light[0] == pytest.approx(1.0, abs=1e-6)  # a 45° roof facing a 45° sun
    assert light[1] == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert light[2] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("side", [33, 64, 97])
def test_sky_is_open_on_plains_and_narrow_beside_walls(side: int) -> None:
    plain = open_sky(np.full((side, side), 3.0, np.float32), 0.25)
    assert plain.shape == (side, side)
    assert plain == pytest.approx(1.0, abs=1e-4)
    wall = np.zeros((side, side), np.float32)
    wall[:, : side // 2] = 10
    sky = open_sky(wall, 0.25)
    assert sky[side // 2, side // 2 + 1] < 0.8
    assert sky[side // 2, -1] > sky[side // 2, side // 2 + 1]
