"""Make one scene: plan it, paint it, look at it with every sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from mfnet_lite.world.buildings import (
    Building,
    plan_buildings,
    standing,
)
from mfnet_lite.world.canvas import PAD_M, Canvas, SceneObject, objects_of
from mfnet_lite.world.cars import paint_car, paint_containers, paint_sites, plan_cars
from mfnet_lite.world.config import WorldConfig, check_size, layer_rng, resolve
from mfnet_lite.world.lots import paint_lots
from mfnet_lite.world.optics import photograph
from mfnet_lite.world.roofs import paint_building, paint_empty_lot
from mfnet_lite.world.sar import radar
from mfnet_lite.world.streets import (
    Lot,
    Streets,
    empty_canvas,
    make_lots,
    make_streets,
    paint_streets,
)
from mfnet_lite.world.surface_model import fill_holes, match_surface
from mfnet_lite.world.thermal import heat
from mfnet_lite.world.vegetation import paint_plant, plan_plants


@dataclass(frozen=True)
class Scene:
    """A made piece of town, seen by five sensors, with everything known about it.

    Attributes:
        optical: R, G, B, NIR, uint8.
        dsm: Surface heights in metres with the errors of image matching; ``-9999`` in holes.
        dtm: Terrain heights in metres, true and without holes; ``dsm - dtm`` is height above ground.
        dsm_valid: Where ``dsm`` holds a measurement.
        label: Index into :data:`~mfnet_lite.world.config.CLASSES`.
        instances: Class-free objects from 1 (every building, crown, car, lawn, yard, pool, …);
            0 is background (streets and pavements).
        sar: Radar intensity, decibels.
        thermal: Surface temperature, kelvin.
        sun_azimuth: Degrees clockwise from north (the top of the image).
        sun_elevation: Degrees above the horizon. In the night domain it tells where the sun stood
            by day; nothing casts a shadow then.
        gsd: Metres per pixel.
        seed: The seed that makes this scene again.
        shadow: Share of the sun that is blocked, 0…1, cast from the true surface.
        height: True height above ground, metres; what a perfect DSM minus the DTM would be.
        objects: Kind, class, height and box of each visible instance.
        config: The parameters.
    """

    optical: UInt8[np.ndarray, "4 size size"]
    dsm: Float[np.ndarray, "size size"]
    dtm: Float[np.ndarray, "size size"]
    dsm_valid: Bool[np.ndarray, "size size"]
    label: UInt8[np.ndarray, "size size"]
    instances: Int[np.ndarray, "size size"]
    sar: Float[np.ndarray, "size size"]
    thermal: Float[np.ndarray, "size size"]
    sun_azimuth: float
    sun_elevation: float
    gsd: float
    seed: int
    shadow: Float[np.ndarray, "size size"]
    height: Float[np.ndarray, "size size"]
    objects: tuple[SceneObject, ...]
    config: WorldConfig

    @property
    def dsm_filled(self) -> Float[np.ndarray, "size size"]:
        """``dsm`` with each hole filled by the nearest measurement, metres; computed at every call."""
        return fill_holes(self.dsm, self.dsm_valid)


@dataclass(frozen=True)
class Plan:
    """Everything that does not change between two dates."""

    seed: int
    size: int
    gsd: float
    pad: int
    streets: Streets
    lots: tuple[Lot, ...]
    buildings: tuple[Building, ...]


def make_plan(seed: int, size: int, gsd: float) -> Plan:
    """Plan streets, lots and buildings of a scene.

    Args:
        seed: The scene's seed, ≥ 0.
        size: Side of the scene, pixels.
        gsd: Metres per pixel.

    Returns:
        The plan, which no parameter influences.
    """
    pad = int(np.ceil(PAD_M / gsd))
    streets = make_streets(seed, (size + 2 * pad) * gsd)
    lots = make_lots(seed, streets)
    return Plan(seed, size, gsd, pad, streets, lots, plan_buildings(seed, streets.frame, lots))


def paint(plan: Plan, config: WorldConfig, built: frozenset[int], date: int) -> Canvas:
    """Paint the plan's world at one date.

    Args:
        plan: From :func:`make_plan`.
        config: Parameters.
        built: Indices of the lots whose buildings stand.
        date: 0 or 1; cars differ.

    Returns:
        The finished canvas.
    """
    canvas = empty_canvas(plan.seed, plan.size, plan.gsd, plan.pad, config)
    paint_streets(canvas, plan.streets, plan.seed, config)
    paint_lots(canvas, plan.streets.frame, plan.lots, config)
    for building in plan.buildings:
        if building.lot not in built:
            paint_empty_lot(canvas, building, config)
    paint_sites(canvas, plan.streets, plan.lots, plan.seed, built)
    plants = plan_plants(plan.seed, plan.streets, plan.lots, config)
    for plant in plants:
        if not plant.tree:
            paint_plant(canvas, plant, config)
    for car in plan_cars(plan.seed, date, plan.streets, plan.lots, config):
        paint_car(canvas, car, config)
    for building in plan.buildings:
        if building.lot in built:
            paint_building(canvas, building, config)
    paint_containers(canvas, plan.streets, plan.lots, plan.seed, built)
    for plant in plants:
        if plant.tree:
            paint_plant(canvas, plant, config)
    return canvas


def observe(canvas: Canvas, plan: Plan, config: WorldConfig, date: int) -> Scene:
    """Look at a canvas with every sensor and cut the scene out of it."""
    sun = layer_rng(plan.seed, "sun", date)
    azimuth, elevation = float(sun.uniform(105, 255)), float(sun.uniform(36, 58))
    azimuth = azimuth if config.sun_azimuth is None else config.sun_azimuth % 360
    elevation = elevation if config.sun_elevation is None else config.sun_elevation
    rng = {
        name: layer_rng(plan.seed, name, date) for name in ("optics", "elevation", "sar", "thermal")
    }
    optical, shadow = photograph(canvas, config, azimuth, elevation, rng["optics"])
    dsm, valid = match_surface(canvas, shadow, config.dsm_error, rng["elevation"])
    inner = canvas.crop()
    instances = canvas.instances[inner].copy()
    return Scene(
        optical=optical,
        dsm=dsm,
        dtm=canvas.dtm[inner].copy(),
        dsm_valid=valid,
        label=canvas.label[inner].copy(),
        instances=instances,
        sar=radar(canvas, config.noise, rng["sar"]),
        thermal=heat(canvas, shadow, config, azimuth, elevation, rng["thermal"]),
        sun_azimuth=azimuth,
        sun_elevation=elevation,
        gsd=plan.gsd,
        seed=plan.seed,
        shadow=shadow[inner].copy(),
        height=(canvas.top - canvas.dtm)[inner],
        objects=objects_of(instances, canvas.kinds),
        config=config,
    )


def make_scene(
    seed: int,
    size: int = 512,
    gsd: float = 0.25,
    config: WorldConfig | None = None,
    **parameters: object,
) -> Scene:
    """Make a scene. The same arguments give the same bytes.

    Args:
        seed: Whole number ≥ 0.
        size: Side of the square scene, pixels, ≥ 32.
        gsd: Metres per pixel.
        config: The parameters; the defaults when ``None``.
        **parameters: Single fields of :class:`~mfnet_lite.world.config.WorldConfig` that replace the
            config's.

    Returns:
        The scene; every raster is ``size`` × ``size``.

    Raises:
        ValueError: For a size, pixel size, seed or parameter out of range.
        TypeError: For a parameter that does not exist.

    Example:
        >>> scene = make_scene(seed=1, size=64, ambiguity=0.5)
        >>> scene.optical.shape, scene.dsm.dtype
        ((4, 64, 64), dtype('float32'))
    """
    check_size(size, gsd, seed)
    full = resolve(config, parameters)
    plan = make_plan(seed, size, gsd)
    built = standing(seed, plan.lots, full)
    return observe(paint(plan, full, built, date=0), plan, full, date=0)
