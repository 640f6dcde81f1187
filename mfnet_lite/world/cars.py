"""Cars along the kerbs, on drives and car parks; containers and tanks, the clutter that stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.canvas import CAR_BODY, GLASS, METAL, SOIL, Canvas
from mfnet_lite.world.colours import (
    CONTAINERS,
    GREY_CARS,
    HONEST_CARS,
    PAVINGS,
    SOILS,
    confusion,
    mix,
    pick,
)
from mfnet_lite.world.config import BUILDING, CAR, CLUTTER, WorldConfig, layer_rng
from mfnet_lite.world.draws import CarDraw, ContainerDraws, SiteDraw, container_draws
from mfnet_lite.world.streets import Lot, Streets

WINDSCREEN = np.array((0.07, 0.08, 0.10, 0.08), np.float32)


@dataclass(frozen=True)
class Car:
    """A car: centre (metres), heading (radians), length and width (metres), its numbers."""

    x: float
    y: float
    angle: float
    length: float
    width: float
    draws: Float[np.ndarray, 8]


def plan_cars(
    seed: int, date: int, streets: Streets, lots: tuple[Lot, ...], config: WorldConfig
) -> tuple[Car, ...]:
    """Park cars. Each date draws its own; ``traffic`` keeps the places whose number falls below it."""
    rng = layer_rng(seed, "cars", date)
    frame = streets.frame
    cars: list[Car] = []

    def add(u: float, v: float, turn: float, share: float) -> None:
        r = rng.random(CarDraw.COUNT).astype(np.float32)
        if r[CarDraw.TAKEN] >= share * 2 * config.traffic:
            return
        x, y = frame.to_image(u, v)
        flip = np.pi if r[CarDraw.REVERSED] < 0.5 else 0.0
        angle = frame.heading(u) + turn + flip + 0.05 * (float(r[CarDraw.SKEW]) - 0.5)
        van = r[CarDraw.VAN] < 0.08
        length = 5.4 if van else 4.0 + 0.8 * float(r[CarDraw.LENGTH])
        cars.append(
            Car(x, y, angle, length, 2.0 if van else 1.75 + 0.12 * float(r[CarDraw.LENGTH]), r)
        )

    for centre, width in zip(streets.along, streets.width_along, strict=True):
        for side in (-1, 1):
            parked = centre + side * (width / 2 - 1.05)
            for u in np.arange(streets.across[0], streets.across[-1], 5.8):
                if np.min(np.abs(np.asarray(streets.across) - u)) > 9:
                    add(float(u) + rng.uniform(-0.4, 0.4), parked, 0.0, 0.42)
        for u in np.arange(streets.across[0], streets.across[-1], 40.0):
            add(float(u) + rng.uniform(0, 30), centre + rng.uniform(-0.6, 0.6), 0.0, 0.12)
    for lot in lots:
        if lot.zone == "houses":
            add(*lot.at(1.95, 3.4), np.pi / 2, 0.6)
        elif lot.zone == "rows":
            add(*lot.at(1.7, 1.0), np.pi / 2, 0.25)
        elif lot.zone == "commerce":
            for t in (5.0, lot.depth - 5.0):
                for s in np.arange(2.5 + 1.25 + 1.25, lot.width - 3.5, 2.5):
                    add(*lot.at(float(s), t), np.pi / 2, 0.45)
    return tuple(cars)


def paint_car(canvas: Canvas, car: Car, config: WorldConfig) -> None:
    """Paint a car: bonnet, windscreen, roof, rear window.

    Nothing is painted where another car stands already, or on clutter such as a building site.
    """
    window = canvas.window(car.x, car.y, 0.55 * car.length + 0.3)
    if window is None:
        return
    a, b = canvas.local(window, car.x, car.y, car.angle)
    half, wide = car.length / 2, car.width / 2
    body = (np.abs(a) / half) ** 5 + (np.abs(b) / wide) ** 5 < 1
    if np.isin(canvas.label[window][body], (CAR, CLUTTER)).any():
        return
    along = a / half
    cabin = (along > -0.62) & (along < 0.34)
    hue, brightness = float(car.draws[CarDraw.HUE]), float(car.draws[CarDraw.TONE])
    weight = confusion(config.ambiguity, float(car.draws[CarDraw.AMBIGUITY]))
    paint = mix(pick(HONEST_CARS, hue, brightness), pick(GREY_CARS, hue, brightness), weight)
    front = (along > 0.16) & (along < 0.36) & (np.abs(b) < 0.86 * wide)
    rear = (along > -0.66) & (along < -0.5) & (np.abs(b) < 0.8 * wide)
    sides = cabin & (np.abs(b) > 0.78 * wide) & (along > -0.5)
    glass = front | rear
    tone = np.where(cabin, 1.0, 0.9) * np.where(sides, 0.6, 1.0)
    colour = np.where(glass[..., None], WINDSCREEN, tone[..., None] * paint)
    height = np.where(cabin, 1.5, 0.95).astype(np.float32)
    instance = canvas.new_object("car", CAR, 1.5)
    canvas.paint(
        window,
        body,
        colour.astype(np.float32),
        label=CAR,
        material=CAR_BODY,
        instance=instance,
        grain=0.02,
        top=canvas.ground_at(car.x, car.y) + height,
    )
    canvas.material[window][body & glass & (canvas.instances[window] == instance)] = GLASS


def _clutter_draws(seed: int, lots: tuple[Lot, ...]) -> Float[np.ndarray, "lots 16"]:
    return layer_rng(seed, "clutter").random((len(lots), SiteDraw.COUNT)).astype(np.float32)


def paint_sites(
    canvas: Canvas, streets: Streets, lots: tuple[Lot, ...], seed: int, built: frozenset[int]
) -> None:
    """Paint construction sites on some of the empty lots."""
    for lot, r in zip(lots, _clutter_draws(seed, lots), strict=True):
        if (
            lot.zone in ("houses", "commerce")
            and lot.index not in built
            and r[SiteDraw.CONSTRUCTION] < 0.4
        ):
            _construction(canvas, streets, lot, r)


def paint_containers(
    canvas: Canvas, streets: Streets, lots: tuple[Lot, ...], seed: int, built: frozenset[int]
) -> None:
    """Paint containers and round tanks on the ground of firms."""
    for lot, r in zip(lots, _clutter_draws(seed, lots), strict=True):
        if lot.zone == "commerce" and lot.index in built:
            for k in range(4):
                draws = container_draws(r, k)
                if draws.present < 0.4:
                    s = 4 + float(draws.along) * (lot.width - 8)
                    t = 0.22 * lot.depth if draws.front < 0.5 else 0.78 * lot.depth
                    _container(canvas, streets, lot, s, t, draws)


def _container(
    canvas: Canvas, streets: Streets, lot: Lot, s: float, t: float, draws: ContainerDraws
) -> None:
    """A steel box of 6 × 2.4 m, or a tank of 5 m across."""
    u, v = lot.at(s, t)
    x, y = streets.frame.to_image(u, v)
    window = canvas.window(x, y, 4.5)
    if window is None:
        return
    a, b = canvas.local(window, x, y, streets.frame.heading(u))
    tank = draws.tank < 0.3
    mask = np.hypot(a, b) < 2.6 if tank else (np.abs(a) < 3.05) & (np.abs(b) < 1.22)
    if (canvas.label[window][mask] == BUILDING).any():
        return
    height = 4.2 if tank else 2.6
    colour = (
        PAVINGS[3] * np.float32(1.3)
        if tank
        else pick(CONTAINERS, float(draws.hue), float(draws.tone))
    )
    ribs = 1 + 0.06 * np.sin(a * np.float32(2 * np.pi / 0.8))
    canvas.paint(
        window,
        mask,
        ribs[..., None] * colour,
        label=CLUTTER,
        material=METAL,
        instance=canvas.new_object("tank" if tank else "container", CLUTTER, height),
        grain=0.03,
        top=canvas.ground_at(x, y) + height,
        slope=(np.where(tank, -0.1 * a, 0), np.where(tank, -0.1 * b, 0)),
    )


def _construction(canvas: Canvas, streets: Streets, lot: Lot, r: Float[np.ndarray, " n"]) -> None:
    """Bare, rutted soil over most of an empty lot."""
    u, v = lot.at(0.5 * lot.width, 0.5 * lot.depth)
    x, y = streets.frame.to_image(u, v)
    window = canvas.window(x, y, 0.5 * float(np.hypot(lot.width, lot.depth)))
    if window is None:
        return
    a, b = canvas.local(window, x, y, streets.frame.heading(u))
    edge = np.maximum(np.abs(a) / (0.46 * lot.width), np.abs(b) / (0.44 * lot.depth))
    mask = edge + 0.05 * canvas.patch_noise[window] < 1
    ruts = np.sin((a + 1.5 * np.sin(b / 5)) * np.float32(2 * np.pi / 1.8))
    tone = 1 + 0.06 * ruts + 0.10 * canvas.patch_noise[window]
    canvas.paint(
        window,
        mask,
        tone[..., None] * pick(SOILS, float(r[SiteDraw.SOIL_HUE]), float(r[SiteDraw.SOIL_TONE])),
        label=CLUTTER,
        material=SOIL,
        instance=canvas.new_object("construction site", CLUTTER),
        grain=0.10,
        clump=0.08,
    )
