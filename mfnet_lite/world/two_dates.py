"""Two dates of one place: buildings come and go, and much else changes that must not count.

*Change* means buildings built or removed. *Pseudo-change* is everything that alters the image but
not the town: season, sun and its shadows, haze, exposure noise, parked cars.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from mfnet_lite.world.buildings import standing
from mfnet_lite.world.config import (
    BUILDING,
    SEASONS,
    WorldConfig,
    check_size,
    layer_rng,
    resolve,
)
from mfnet_lite.world.scene import Scene, make_plan, observe, paint


@dataclass(frozen=True)
class Pair:
    """One place at two dates.

    Attributes:
        before: The first date.
        after: The second date; same streets, lots, trees and terrain.
        change: Where a building was built or removed: visible as building at exactly one date.
        built: The part of ``change`` that is building only after.
        removed: The part of ``change`` that was building only before.
        changed_lots: Indices of the lots inside the scene whose buildings came or went.
        seed: The seed that makes this pair again.
    """

    before: Scene
    after: Scene
    change: Bool[np.ndarray, "size size"]
    built: Bool[np.ndarray, "size size"]
    removed: Bool[np.ndarray, "size size"]
    changed_lots: tuple[int, ...]
    seed: int


def _other_day(config: WorldConfig, seed: int, pseudo_change: float) -> WorldConfig:
    """Return the second date's parameters: another season, some haze."""
    rng = layer_rng(seed, "change", date=1)
    shift, haze, switches = (
        int(rng.integers(1, len(SEASONS))),
        float(rng.uniform(0.1, 0.5)),
        rng.random(),
    )
    if pseudo_change == 0:
        return config
    season = SEASONS[(SEASONS.index(config.season) + shift) % len(SEASONS)]
    return replace(
        config,
        season=season if switches < pseudo_change else config.season,
        haze=min(1.0, config.haze + pseudo_change * haze),
    )


def make_pair(
    seed: int,
    size: int = 512,
    gsd: float = 0.25,
    config: WorldConfig | None = None,
    *,
    changed: float = 0.3,
    pseudo_change: float = 1.0,
    **parameters: object,
) -> Pair:
    """Make two dates of one place. The same arguments give the same bytes.

    Args:
        seed: Whole number ≥ 0. ``before`` is the town of ``make_scene`` with this seed, less the
            buildings that are yet to come.
        size: Side of the square scenes, pixels, ≥ 32.
        gsd: Metres per pixel.
        config: Parameters of both dates.
        changed: 0…1, share of the lots with a building whose building comes or goes, half each. At 0
            nothing changes; otherwise the lot nearest to the centre changes even if chance spared it
            (a very small scene may not show that building).
        pseudo_change: 0…1. At 0 both dates share sun, season, air and parked cars, and only the
            sensor noise differs. Above, sun and cars are redrawn; season (with this chance) and haze
            (in this strength) follow.
        **parameters: Single fields of :class:`~mfnet_lite.world.config.WorldConfig`.

    Returns:
        Both scenes and the change masks.

    Raises:
        ValueError: For a value out of range.
        TypeError: For a parameter that does not exist.

    Example:
        >>> pair = make_pair(seed=3, size=64, changed=0.0)
        >>> bool(pair.change.any())
        False
    """
    check_size(size, gsd, seed)
    for name, value in (("changed", changed), ("pseudo_change", pseudo_change)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {value}; choose a value between.")
    first = resolve(config, parameters)
    plan = make_plan(seed, size, gsd)
    stand = standing(seed, plan.lots, first)
    draws = layer_rng(seed, "change").random(len(plan.lots))
    coming = {lot for lot in stand if draws[lot] < changed / 2}
    going = {lot for lot in stand if changed / 2 <= draws[lot] < changed}
    if changed > 0 and stand:
        mains = [
            b for b in plan.buildings if b.lot in stand and b.kind not in ("garage", "shed", "wing")
        ]
        nearest = min(mains, key=lambda b: b.x * b.x + b.y * b.y).lot
        if nearest not in coming | going:
            (coming if draws[nearest] < 0.5 * (1 + changed) else going).add(nearest)

    second = _other_day(first, seed, pseudo_change)
    first_canvas = paint(plan, first, frozenset(stand - coming), date=0)
    before = observe(first_canvas, plan, first, date=0)
    if pseudo_change == 0:
        same_sun = replace(
            second, sun_azimuth=before.sun_azimuth, sun_elevation=before.sun_elevation
        )
        after_canvas = paint(plan, same_sun, frozenset(stand - going), date=0)
        after = observe(after_canvas, plan, same_sun, date=1)
    else:
        after_canvas = paint(plan, second, frozenset(stand - going), date=1)
        after = observe(after_canvas, plan, second, date=1)
    was, now = before.label == BUILDING, after.label == BUILDING
    built, removed = now & ~was, was & ~now
    half = size * gsd / 2
    inside = {b.lot for b in plan.buildings if abs(b.x) < half and abs(b.y) < half}
    touched = tuple(sorted((coming | going) & inside))
    return Pair(before, after, built | removed, built, removed, touched, seed)
