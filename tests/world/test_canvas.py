from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.world.canvas import (
    Canvas,
    objects_of,
    smooth_noise,
)
from mfnet_lite.world.config import BUILDING, IMPERVIOUS, TREE


def test_what_is_lower_stays_hidden(bare_canvas: Callable[[], Canvas]) -> None:
    canvas = bare_canvas()
    window = (slice(0, 4), slice(0, 4))
    full, grey = np.ones((4, 4), bool), np.full(4, 0.5, np.float32)
    base = float(canvas.dtm[0, 0])
    canvas.paint(window, full, grey, label=BUILDING, material=6, instance=1, top=base + 5)
    canvas.paint(window, full, grey, label=TREE, material=5, instance=2, top=base + 3)
    assert (canvas.label[window] == BUILDING).all()
    canvas.paint(window, full, grey, label=TREE, material=5, instance=2, top=base + 6)
    assert (canvas.instances[window] == 2).all()
    canvas.paint(window, full, grey, label=IMPERVIOUS, material=0)
    assert np.array_equal(canvas.top[window], canvas.dtm[window])


def test_windows_stop_at_the_edge(bare_canvas: Callable[[], Canvas]) -> None:
    canvas = bare_canvas()
    assert canvas.window(1000.0, 0.0, 5.0) is None
    rows, cols = canvas.window(-10.0, 0.0, 2.0) or (slice(0), slice(0))
    assert cols.start == 0
    assert cols.stop > 0
    assert rows.stop - rows.start == pytest.approx(4.0 / 0.25, abs=3)


def test_objects_of_lists_visible_ones_only() -> None:
    instances = np.zeros((5, 6), np.int32)
    instances[1:3, 2:5] = 2
    (found,) = objects_of(instances, [("house", 1, 4.0), ("pool", 5, 0.0)])
    assert (found.id, found.kind, found.box, found.pixels) == (2, "pool", (1, 3, 2, 5), 6)


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.floats(0.3, 25))
def test_noise_has_unit_variance_at_any_width(rows: int, cols: int, sigma: float) -> None:
    noise = smooth_noise(np.random.default_rng(0), (rows, cols), sigma)
    assert noise.shape == (rows, cols)
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=1e-3)
    assert noise.std() == pytest.approx(1, abs=1e-2)
