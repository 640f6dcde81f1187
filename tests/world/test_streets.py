from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.config import IMPERVIOUS
from mfnet_lite.world.streets import Frame, empty_canvas, make_lots, make_streets, paint_streets

CONFIG = WorldConfig(relief=0.0)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0, np.pi), st.floats(0, 4.5), st.floats(130, 220), st.floats(0, 6.28),
    st.floats(-90, 90), st.floats(-90, 90),
)  # fmt: skip
def test_street_frame_goes_there_and_back(
    angle: float, bend: float, wavelength: float, phase: float, u: float, v: float
) -> None:
    frame = Frame(angle, bend, wavelength, phase)
    x, y = frame.to_image(u, v)
    back = frame.to_streets(np.float32(x), np.float32(y))
    assert np.allclose(back, (u, v), atol=1e-3)
    # The heading is the direction in which u grows while v stays.
    dx, dy = np.subtract(frame.to_image(u + 0.01, v), frame.to_image(u - 0.01, v))
    assert np.cos(np.arctan2(dy, dx) - frame.heading(u)) > 0.9999


@pytest.mark.parametrize("seed", range(4))
def test_lots_lie_between_streets_and_never_overlap(seed: int) -> None:
    streets = make_streets(seed, 100.0)
    boxes = []
    for lot in make_lots(seed, streets):
        low, high = sorted((lot.front, lot.front + lot.side * lot.depth))
        boxes.append((lot.u0, lot.u1, low, high))
        for at, width in zip(streets.along, streets.width_along, strict=True):
            assert low >= at + width / 2 or high <= at - width / 2
    for k, (a0, a1, b0, b1) in enumerate(boxes):
        for c0, c1, d0, d1 in boxes[:k]:
            assert min(a1, c1) - max(a0, c0) < 1e-6 or min(b1, d1) - max(b0, d0) < 1e-6


def test_streets_cover_the_canvas_and_are_impervious() -> None:
    canvas = empty_canvas(1, 128, 0.25, 8, CONFIG)
    paint_streets(canvas, make_streets(1, 36.0), 1, CONFIG)
    assert (canvas.label == IMPERVIOUS).all()
    assert (canvas.albedo > 0.1).all()
    assert (canvas.albedo < 0.9).all()
    assert canvas.lamps
