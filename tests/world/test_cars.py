from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.canvas import Canvas
from mfnet_lite.world.cars import Car, paint_car
from mfnet_lite.world.config import CAR

CONFIG = WorldConfig(relief=0.0)


def test_two_cars_never_stand_in_one_place(bare_canvas: Callable[[], Canvas]) -> None:
    canvas = bare_canvas()
    chance = np.full(8, 0.5, np.float32)
    for x in (0.0, 1.0, 6.0):
        paint_car(canvas, Car(x, 0.0, 0.0, 4.4, 1.8, chance), CONFIG)
    assert [kind for kind, _, _ in canvas.kinds] == ["car", "car"]


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(0, 6.28))
def test_a_car_has_the_size_of_a_car(angle: float, bare_canvas: Callable[[], Canvas]) -> None:
    canvas = bare_canvas()
    paint_car(canvas, Car(0.0, 0.0, angle, 4.4, 1.8, np.full(8, 0.5, np.float32)), CONFIG)
    assert (canvas.label == CAR).sum() * 0.25**2 == pytest.approx(0.95 * 4.4 * 1.8, rel=0.1)
    assert (canvas.top - canvas.dtm).max() == pytest.approx(1.5)
