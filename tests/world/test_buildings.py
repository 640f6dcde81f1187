from __future__ import annotations

from mfnet_lite.world import WorldConfig
from mfnet_lite.world.buildings import plan_buildings, standing
from mfnet_lite.world.scene import make_plan


def test_density_is_nested() -> None:
    plan = make_plan(2, 256, 0.25)
    thin, thick = (standing(2, plan.lots, WorldConfig(density=d)) for d in (0.3, 0.7))
    assert thin < thick
    assert len(standing(2, plan.lots, WorldConfig(density=1.0))) == len(plan.lots)
    assert not standing(2, plan.lots, WorldConfig(density=0.0))
    assert plan_buildings(2, plan.streets.frame, plan.lots) is not plan.buildings
