"""Small hand-made worlds for the tests of single parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.buildings import Building
from mfnet_lite.world.canvas import GRASS, Canvas
from mfnet_lite.world.config import LOW_VEGETATION
from mfnet_lite.world.draws import BuildingDraw
from mfnet_lite.world.streets import empty_canvas


@pytest.fixture(scope="session")
def bare_canvas() -> Callable[[], Canvas]:
    """Return a maker of level lawns of 64 pixels."""

    def make() -> Canvas:
        canvas = empty_canvas(0, 64, 0.25, 8, WorldConfig(relief=0.0))
        canvas.label[:] = LOW_VEGETATION
        canvas.material[:] = GRASS
        return canvas

    return make


@pytest.fixture(scope="session")
def plain() -> Callable[..., Canvas]:
    """Return a maker of level ground of one material and grey."""

    def make(material: int, size: int = 64, grey: float = 0.3) -> Canvas:
        canvas = empty_canvas(0, size, 0.25, 16, WorldConfig(relief=0.0))
        canvas.material[:] = material
        canvas.albedo[:] = grey
        return canvas

    return make


@pytest.fixture(scope="session")
def with_block() -> Callable[[Canvas, float], Canvas]:
    """Return a function that puts a block of 5 m × 5 m in the middle of a canvas."""

    def put(canvas: Canvas, height: float) -> Canvas:
        middle = canvas.top.shape[0] // 2
        canvas.top[middle - 10 : middle + 10, middle - 10 : middle + 10] += height
        return canvas

    return put


@pytest.fixture(scope="session")
def building() -> Callable[..., Building]:
    """Return a maker of a 10 m × 6 m house with 4 m walls and pitch 1/2."""

    def make(roof: str, **change: float) -> Building:
        values = {"x": 0.0, "y": 0.0, "angle": 0.0, "length": 10.0, "width": 6.0}
        values |= {"eave": 4.0, "pitch": 0.5} | change
        draws = np.full(BuildingDraw.COUNT, 0.5, np.float32)
        return Building(**values, roof=roof, kind="house", lot=0, draws=draws)  # type: ignore[arg-type]

    return make
