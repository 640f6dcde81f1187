from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.buildings import Building
from mfnet_lite.world.canvas import Canvas
from mfnet_lite.world.config import BUILDING
from mfnet_lite.world.roofs import paint_building, roof_shape

CONFIG = WorldConfig(relief=0.0)


def test_roof_heights_by_hand(building: Callable[..., Building]) -> None:
    a, b = (
        m.astype(np.float32) for m in np.meshgrid([-4.9, 0.0, 4.9], [-3.0, 0.0, 1.0], indexing="ij")
    )
    gable, _, fall = roof_shape(building("gable"), a, b)
    assert np.allclose(gable, [[4.0, 5.5, 5.0]] * 3)  # 4 m walls, 3 m half width, pitch 1/2
    assert np.allclose(fall, [[0.5, 0.0, -0.5]] * 3)
    hip, _, _ = roof_shape(building("hip"), a, b)
    assert np.allclose(hip, [[4.0, 4.05, 4.05], [4.0, 5.5, 5.0], [4.0, 4.05, 4.05]])
    flat, _, _ = roof_shape(building("flat"), a, b)
    assert np.allclose(flat[1], [4.35, 4.0, 4.0])  # parapet, roof, roof
    assert building("hip").ridge == pytest.approx(5.5)
    assert building("flat").ridge == pytest.approx(4.0)


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(0, 6.28), roof=st.sampled_from(["gable", "hip", "flat"]))
def test_a_building_covers_its_area_at_any_angle(
    angle: float, roof: str, bare_canvas: Callable[[], Canvas], building: Callable[..., Building]
) -> None:
    canvas = bare_canvas()
    paint_building(canvas, building(roof, angle=angle), CONFIG)
    pixels = (canvas.label == BUILDING).sum()
    assert pixels * 0.25**2 == pytest.approx(60.0, rel=0.05)
    height = (canvas.top - canvas.dtm)[canvas.label == BUILDING]
    assert height.min() > 3.9
    assert height.max() < 8


def test_a_building_outside_the_canvas_changes_nothing(
    bare_canvas: Callable[[], Canvas], building: Callable[..., Building]
) -> None:
    canvas = bare_canvas()
    before = canvas.albedo.copy()
    paint_building(canvas, building("hip", x=500.0), CONFIG)
    assert np.array_equal(before, canvas.albedo)
    assert canvas.kinds == []
