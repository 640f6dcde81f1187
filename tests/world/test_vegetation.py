from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.canvas import Canvas
from mfnet_lite.world.config import LOW_VEGETATION, TREE
from mfnet_lite.world.scene import make_plan
from mfnet_lite.world.vegetation import Plant, paint_plant, plan_plants

CONFIG = WorldConfig(relief=0.0)


def plant(tree: bool, conifer: bool = False) -> Plant:
    return Plant(0.0, 0.0, 3.0, 8.0 if tree else 0.8, tree, conifer, np.full(12, 0.5, np.float32))


def test_crowns_are_high_and_shrubs_low_though_they_look_alike(
    bare_canvas: Callable[[], Canvas],
) -> None:
    looks = {}
    for tree in (True, False):
        canvas = bare_canvas()
        paint_plant(canvas, plant(tree), WorldConfig(relief=0.0, ambiguity=1.0))
        mask = canvas.label == (TREE if tree else LOW_VEGETATION)
        mask &= canvas.instances == 1
        height = (canvas.top - canvas.dtm)[mask]
        assert height.max() < 1 if not tree else height.max() > 6
        looks[tree] = (canvas.albedo[mask].mean(axis=0), canvas.clump[mask].max())
    assert np.allclose(looks[True][0], looks[False][0])
    assert looks[True][1] == pytest.approx(looks[False][1])


def test_conifers_are_cones(bare_canvas: Callable[[], Canvas]) -> None:
    canvas = bare_canvas()
    paint_plant(canvas, plant(True, conifer=True), CONFIG)
    height = canvas.top - canvas.dtm
    middle = height.shape[0] // 2
    assert height[middle, middle] > height[middle, middle + 6] > height[middle, middle + 10] - 0.5


def test_fewer_plants_are_a_subset() -> None:
    plan = make_plan(1, 128, 0.25)
    few, many = (
        plan_plants(1, plan.streets, plan.lots, WorldConfig(vegetation=v)) for v in (0.2, 0.8)
    )
    places = {(p.x, p.y, p.tree) for p in many}
    assert 0 < len(few) < len(many)
    assert sum((p.x, p.y, p.tree) in places for p in few) == len(few)
