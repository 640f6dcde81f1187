"""Trees and shrubs. At ambiguity 1 they differ in nothing but height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from mfnet_lite.world.canvas import ASPHALT, CROWN, SHRUB, WATER, Canvas
from mfnet_lite.world.colours import (
    GREENS,
    HONEST_CROWNS,
    LAWNS,
    SEASON_GRASS,
    SEASON_LEAVES,
    confusion,
    mix,
    pick,
)
from mfnet_lite.world.config import LOW_VEGETATION, TREE, WorldConfig, layer_rng
from mfnet_lite.world.draws import PlantDraw
from mfnet_lite.world.streets import PAVEMENT_M, Lot, Streets


@dataclass(frozen=True)
class Plant:
    """A tree or shrub: centre and crown radius (metres), height, whether a tree, its numbers."""

    x: float
    y: float
    radius: float
    height: float
    tree: bool
    conifer: bool
    draws: Float[np.ndarray, 12]


def plan_plants(
    seed: int, streets: Streets, lots: tuple[Lot, ...], config: WorldConfig
) -> tuple[Plant, ...]:
    """Scatter trees along streets, in gardens and parks, and shrubs between them.

    The ``vegetation`` parameter keeps those whose number falls below it; positions never move.
    """
    return _trees(seed, streets, lots, config) + _shrubs(seed, streets, lots, config)


def _trees(
    seed: int, streets: Streets, lots: tuple[Lot, ...], config: WorldConfig
) -> tuple[Plant, ...]:
    rng = layer_rng(seed, "trees")
    frame = streets.frame
    plants: list[Plant] = []

    def add(u: float, v: float, low: float, high: float, conifers: float = 0.15) -> None:
        r = rng.random(PlantDraw.COUNT).astype(np.float32)
        if r[PlantDraw.STANDS] >= config.vegetation:
            return
        radius = low + (high - low) * float(r[PlantDraw.RADIUS])
        conifer = bool(r[PlantDraw.CONIFER] < conifers)
        radius *= 0.7 if conifer else 1.0
        height = (3.2 if conifer else 1.9) * radius + 2.2 + 2.5 * float(r[PlantDraw.HEIGHT])
        x, y = frame.to_image(u, v)
        plants.append(Plant(x, y, radius, height, True, conifer, r))

    for centre, width in zip(streets.along, streets.width_along, strict=True):
        if rng.random() < 0.45:
            continue
        for side in (-1, 1):
            v = centre + side * (width / 2 + 0.6 * PAVEMENT_M)
            for u in np.arange(streets.across[0], streets.across[-1], 9.0):
                add(float(u) + rng.uniform(-0.7, 0.7), v, 1.8, 2.9, 0.0)
    for lot in lots:
        wood = lot.zone == "park"
        count = {"houses": 6, "rows": 2, "commerce": 9, "park": 46}[lot.zone]
        for _ in range(count):
            s, t = rng.random(2)
            if not wood:
                t = 0.06 + 0.06 * t if rng.random() < 0.2 else 0.66 + 0.32 * t
            if lot.zone == "commerce":
                t = rng.choice((0.03, 0.97))
            u, v = lot.at(float(s) * lot.width, float(t) * lot.depth)
            add(u, v, 1.5, 4.6 if wood else 3.6)
    return tuple(plants)


def _shrubs(
    seed: int, streets: Streets, lots: tuple[Lot, ...], config: WorldConfig
) -> tuple[Plant, ...]:
    rng = layer_rng(seed, "shrubs")
    plants: list[Plant] = []
    for lot in lots:
        count = {"houses": 7, "rows": 3, "commerce": 8, "park": 34}[lot.zone]
        for _ in range(count):
            s, t = rng.random(2)
            r = rng.random(PlantDraw.COUNT).astype(np.float32)
            if r[PlantDraw.STANDS] >= config.vegetation:
                continue
            if lot.zone != "park":
                t = 0.04 + 0.1 * t if r[PlantDraw.SHRUB_FRONT] < 0.25 else 0.6 + 0.37 * t
            if lot.zone == "commerce":
                t = 0.02 if r[PlantDraw.SHRUB_SIDE] < 0.5 else 0.98
            x, y = streets.frame.to_image(*lot.at(float(s) * lot.width, float(t) * lot.depth))
            radius = 0.8 + 2.6 * float(r[PlantDraw.RADIUS]) * (
                1.0 if lot.zone in ("houses", "park") else 0.5
            )
            plants.append(
                Plant(x, y, radius, 0.4 + 0.7 * float(r[PlantDraw.HEIGHT]), False, False, r)
            )
    return tuple(plants)


def _outline(
    plant: Plant, dx: Float[np.ndarray, "rows cols"], dy: Float[np.ndarray, "rows cols"]
) -> Float[np.ndarray, "rows cols"]:
    """Return the distance from the stem in crown radii, over an uneven rim."""
    angle = np.arctan2(dy, dx)
    a, b, c = (2 * np.pi * float(k) for k in plant.draws[PlantDraw.RIM : PlantDraw.RIM + 3])
    rim = (
        1
        + 0.12 * np.sin(2 * angle + a)
        + 0.10 * np.sin(3 * angle + b)
        + 0.07 * np.sin(7 * angle + c)
    )
    return np.hypot(dx, dy) / (plant.radius * rim)


def paint_plant(canvas: Canvas, plant: Plant, config: WorldConfig) -> None:
    """Paint a crown or a shrub with clumps of leaves that shade themselves.

    A shrub is painted with the bumps of a crown of its size in as far as it is ambiguous, but it
    stands knee-high. Neither grows out of a carriageway or a pond.
    """
    window = canvas.window(plant.x, plant.y, 1.35 * plant.radius)
    if window is None:
        return
    dx, dy = canvas.local(window, plant.x, plant.y, 0.0)
    far = _outline(plant, dx, dy) + 0.08 * canvas.leaf_noise[window]
    mask = far < 1
    if not plant.tree:
        mask &= _soft_ground(canvas, window)
    if not mask.any() or _in_water_or_street(canvas, plant):
        return
    hue, tone = plant.draws[PlantDraw.HUE], plant.draws[PlantDraw.TONE]
    weight = confusion(config.ambiguity, float(plant.draws[PlantDraw.AMBIGUITY]))
    dome = np.maximum(1 - far, 0) if plant.conifer else np.sqrt(np.maximum(1 - far * far, 0))
    # The bumps that light and shade are computed from: alike for both kinds where ambiguous.
    depth = 1.1 * min(plant.radius, 2.2) * (1.6 if plant.conifer else 1.0)
    lively = 1.0 if plant.tree else 0.25 + 0.75 * weight
    # The wide dome also shades a real crown; ambiguous ones are seen under their leaves' disorder.
    round_off = (0.85 - 0.55 * weight) if plant.tree else 0.3 * weight
    bumps = lively * (0.30 * canvas.leaf_noise[window] + round_off * depth * dome)
    slope_y, slope_x = np.gradient(bumps, canvas.gsd) if min(mask.shape) > 1 else (bumps, bumps)
    season_leaf = np.array(SEASON_LEAVES[config.season], np.float32)
    season_grass = np.array(SEASON_GRASS[config.season], np.float32)
    green = pick(GREENS, hue, tone) * season_leaf
    if plant.tree:
        own = pick(HONEST_CROWNS, hue, tone)
        own = own * (
            np.array(SEASON_LEAVES["summer"], np.float32) if plant.conifer else season_leaf
        )
        body = plant.height * (0.45 + 0.55 * dome) + 0.3 * canvas.leaf_noise[window]
        top = canvas.ground_at(plant.x, plant.y) + body
    else:
        own = pick(LAWNS, hue, tone) * season_grass
        top = canvas.dtm[window] + plant.height * (0.5 + 0.5 * dome)
    kind, label = ("crown", TREE) if plant.tree else ("shrub", LOW_VEGETATION)
    canvas.paint(
        window,
        mask,
        mix(own, green, weight),
        label=label,
        material=CROWN if plant.tree else SHRUB,
        instance=canvas.new_object(kind, label, plant.height),
        grain=0.10 if plant.tree else 0.05 + 0.05 * weight,
        clump=0.22 if plant.tree else 0.05 + 0.17 * weight,
        top=top.astype(np.float32),
        slope=(np.clip(slope_x, -1.6, 1.6), np.clip(slope_y, -1.6, 1.6)),
    )


def _soft_ground(canvas: Canvas, window: tuple[slice, slice]) -> Bool[np.ndarray, "rows cols"]:
    return canvas.label[window] == LOW_VEGETATION


def _in_water_or_street(canvas: Canvas, plant: Plant) -> bool:
    spot = canvas.window(plant.x, plant.y, 0.0)
    if spot is None:  # the stem is outside the canvas, only its crown reaches in
        return False
    material = canvas.material[spot]
    return bool(((material == WATER) | (material == ASPHALT)).any())
