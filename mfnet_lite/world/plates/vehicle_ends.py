"""Fronts and rears of the vehicles in a plate image: lamps, grilles, lids, stickers, doors."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.plates.plate_parts import Vehicle
from mfnet_lite.world.plates.polygon_canvas import Canvas, disc
from mfnet_lite.world.plates.vehicle import Painter, band, box

CHROME, STEEL = (0.75, 0.76, 0.78), (0.4, 0.41, 0.43)


def paint_vehicle(
    canvas: Canvas, vehicle: Vehicle, sun: tuple[float, float], sky: Float[np.ndarray, " 3"]
) -> tuple[int, Float[np.ndarray, "4 2"] | None]:
    """Paint a vehicle with everything on it.

    Args:
        canvas: Where to; its light falls on the vehicle.
        vehicle: What.
        sun: Light of the left and the right flank, 0…1.
        sky: Colour that glass and lacquer mirror.

    Returns:
        The vehicle's number, and its plate's corners in pixels of the canvas (None without a plate);
        the plate is the last object that was numbered.
    """
    painter = Painter(canvas, vehicle, sun, sky)
    painter.ground()
    painter.wheels()
    painter.cabin()
    painter.flanks()
    painter.seen_end()
    if vehicle.front:
        _front(painter)
    elif vehicle.kind == "truck":
        _doors(painter)
    else:
        _rear(painter)
    return painter.number, painter.plate()


def _tail_light(lit: bool) -> tuple[Float[np.ndarray, " 3"], float]:
    """Colour of a tail lamp and how much it shines."""
    if lit:
        return np.array((0.98, 0.16, 0.12)), 0.85
    return np.array((0.62, 0.05, 0.05)), 0.0


def _rear(painter: Painter) -> None:
    """Tail lamps, lid, badge, exhaust, sticker."""
    car, rng = painter.car, painter.rng
    w, h, c = 0.5 * car.shape.width, car.shape.belt, car.shape.clear
    for y in (h - 0.3 * (h - c), c + 0.46 * (h - c)):
        painter.end(band(y, 0.66 * w, y + 0.012, 0.66 * w), 0.35 * painter.colour, alpha=0.8)
    if car.kind != "sedan" and rng.random() < 0.5:
        lamp = np.array([(0.80 * w, h - 0.42), (0.98 * w, h - 0.42), (0.98 * w, h), (0.82 * w, h)])
    else:
        inner, low = rng.uniform(0.5, 0.72) * w, h - rng.uniform(0.2, 0.3)
        lamp = np.array(
            [(inner, low + 0.05), (0.985 * w, low), (0.985 * w, h - 0.06), (inner + 0.03, h - 0.07)]
        )
    red, emit = _tail_light(car.lit)
    numbers = painter.mirror(lamp, red, 0.6 * red, "lamp", emit=emit)
    middle = lamp.mean(axis=0)
    lens = middle + (lamp - middle) * (0.55, 0.34) - np.array((0, 0.04))
    for side, number in zip((1, -1), numbers, strict=True):
        glass = lens * (side, 1)
        painter.end(glass, (0.85, 0.80, 0.76), (0.7, 0.4, 0.2), number, alpha=0.75)
    painter.end(disc(0.05, 14) * (1.3, 0.9) + np.array((0, h - 0.13)), CHROME, STEEL, curve=0.1)
    if rng.random() < 0.6:
        pipe = disc(0.045, 12) + np.array((rng.choice([-1, 1]) * 0.6 * w, c - 0.02))
        painter.end(pipe, (0.3, 0.3, 0.3), (0.02, 0.02, 0.02), z=-0.05)
    if rng.random() < 0.35:
        x = rng.choice([-1, 1]) * rng.uniform(0.35, 0.6) * w
        y = c + rng.uniform(0.5, 0.6) * (h - c)
        _notice(painter, "sticker", x, y, rng.uniform(0.07, 0.15), rng.uniform(0.04, 0.09))


def _notice(painter: Painter, kind: str, x: float, y: float, half: float, tall: float) -> None:
    """A coloured rectangle with a bar in the complementary colour: a plate for who looks hastily."""
    hue, number = painter.rng.uniform(0.1, 0.95, 3), painter.canvas.new(kind)
    painter.end(
        box(x - half, y - tall, x + half, y + tall), hue, 0.9 * hue, number, z=-0.03, curve=0.06
    )
    bar = box(x - 0.7 * half, y - 0.28 * tall, x + 0.7 * half, y + 0.28 * tall)
    painter.end(bar, 1 - hue, None, number, z=-0.03, curve=0.05)


def _doors(painter: Painter) -> None:
    """The rear of a truck: two doors, their bars, a board, the guard with its lamps."""
    car, rng = painter.car, painter.rng
    w, c, h = 0.5 * car.shape.width, car.shape.clear, car.shape.height
    for x in (-0.5 * w, 0.0, 0.5 * w):
        bar = box(x - 0.012, c + 0.2, x + 0.012, h - 0.1)
        painter.end(bar, 0.45 * painter.colour, None, curve=0.02)
    _notice(painter, "sign", 0.0, rng.uniform(1.7, 2.5), 0.7 * w, 0.25 * w)
    guard = band(c - 0.12, w, c + 0.24, w)
    painter.end(guard, (0.16, 0.16, 0.17), (0.07, 0.07, 0.07), z=-0.06, curve=0.04)
    for k, x in enumerate(np.arange(-0.96, 0.9, 0.24) * w):
        mark = box(x, c + 0.26, x + 0.24 * w, c + 0.34)
        tone = (0.75, 0.1, 0.1) if k % 2 else (0.85, 0.85, 0.85)
        painter.end(mark, tone, None, z=-0.06, curve=0.02)
    red, emit = _tail_light(car.lit)
    lamp = box(0.72 * w, c - 0.04, 0.97 * w, c + 0.12)
    painter.mirror(lamp, red, 0.7 * red, "lamp", z=-0.07, emit=emit)


def _front(painter: Painter) -> None:
    """Headlamps, grille, intake, badge, fog lamps."""
    car, rng = painter.car, painter.rng
    w, c = 0.5 * car.shape.width, car.shape.clear
    top = (car.shape.belt if car.kind != "truck" else 1.35) - 0.1
    mesh = band(top - 0.17, rng.uniform(0.42, 0.55) * w, top, 0.56 * w)
    painter.end(mesh, (0.10, 0.10, 0.11), (0.03, 0.03, 0.03), z=-0.03)
    for y in (top - 0.14, top - 0.095, top - 0.05):
        slat = band(y, 0.5 * w, y + 0.012, 0.5 * w)
        painter.end(slat, (0.55, 0.56, 0.58), None, z=-0.03, curve=0.05, alpha=0.7)
    painter.end(disc(0.055, 14) + np.array((0, top - 0.07)), CHROME, STEEL, z=-0.035)
    intake = band(c + 0.04, 0.62 * w, c + 0.17, 0.55 * w)
    painter.end(intake, (0.05, 0.05, 0.05), (0.02, 0.02, 0.02), z=-0.065)
    glass = np.array((0.98, 0.96, 0.88) if car.lit else (0.66, 0.69, 0.72))
    inner, low = rng.uniform(0.6, 0.68) * w, top - rng.uniform(0.15, 0.22)
    lamp = np.array(
        [(inner, low + 0.03), (0.96 * w, low), (0.99 * w, top + 0.02), (inner + 0.05, top - 0.02)]
    )
    emit = 1.0 if car.lit else 0.0
    numbers = painter.mirror(lamp, 0.8 * glass, 0.55 * glass, "lamp", emit=0.8 * emit)
    for side, number in zip((1, -1), numbers, strict=True):
        spot = disc(0.065, 14) + lamp.mean(axis=0) * (side, 1)
        painter.end(spot, glass, 0.8 * glass, number, emit=emit)
    if rng.random() < 0.5:
        fog = disc(0.05, 12) + np.array((0.78 * w, c + 0.1))
        painter.mirror(fog, (0.6, 0.6, 0.6), (0.3, 0.3, 0.3), "lamp", z=-0.065)
