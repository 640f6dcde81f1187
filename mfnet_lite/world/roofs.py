"""Paint buildings: the roof's shape, colour and texture, and what sits on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from mfnet_lite.world.buildings import Building
from mfnet_lite.world.canvas import ASPHALT, METAL, TILES, Canvas
from mfnet_lite.world.colours import (
    GREYS,
    HONEST_ROOFS,
    PAVINGS,
    SOLAR,
    Colour,
    confusion,
    mix,
    pick,
)
from mfnet_lite.world.config import BUILDING, IMPERVIOUS, WorldConfig
from mfnet_lite.world.draws import BuildingDraw

PARAPET_M = 0.35


def roof_colour(building: Building, config: WorldConfig) -> tuple[Colour, float]:
    """Return a roof's colour and how much it looks like paving, 0…1."""
    draws = building.draws
    weight = confusion(config.ambiguity, float(draws[BuildingDraw.AMBIGUITY]))
    tone = draws[BuildingDraw.ROOF_TONE]
    honest = pick(HONEST_ROOFS, draws[BuildingDraw.ROOF_HUE], tone)
    return mix(honest, pick(PAVINGS, draws[BuildingDraw.PAVING_HUE], tone), weight), weight


def roof_shape(
    building: Building,
    a: Float[np.ndarray, "rows cols"],
    b: Float[np.ndarray, "rows cols"],
) -> tuple[Float[np.ndarray, "rows cols"], ...]:
    """Return roof height above the ground and its slopes along ``a`` and ``b``.

    A gable falls to both long sides. A hip falls to all four: its height is the distance to the
    nearest side times the pitch. A flat roof carries a low parapet.
    """
    to_b = building.width / 2 - np.abs(b)
    to_a = building.length / 2 - np.abs(a)
    zero = np.zeros_like(a)
    if building.roof == "flat":
        rim = np.minimum(to_a, to_b) < 0.4
        return building.eave + np.where(rim, np.float32(PARAPET_M), 0), zero, zero
    falls_b = -np.sign(b) * np.float32(building.pitch)
    if building.roof == "gable":
        return building.eave + building.pitch * to_b, zero, falls_b
    end = to_a < to_b
    height = building.eave + building.pitch * np.minimum(to_a, to_b)
    falls_a = -np.sign(a) * np.float32(building.pitch)
    return height, np.where(end, falls_a, 0), np.where(end, 0, falls_b)


class _Footprint(NamedTuple):
    """Where a building stands: a window, metres along and across the building in it, the outline."""

    window: tuple[slice, slice]
    a: Float[np.ndarray, "rows cols"]
    b: Float[np.ndarray, "rows cols"]
    inside: Bool[np.ndarray, "rows cols"]


def _footprint(canvas: Canvas, building: Building) -> _Footprint | None:
    """Find the pixels of a building; None outside the canvas."""
    radius = 0.5 * float(np.hypot(building.length, building.width)) + 0.5
    window = canvas.window(building.x, building.y, radius)
    if window is None:
        return None
    a, b = canvas.local(window, building.x, building.y, building.angle)
    inside = (np.abs(a) <= building.length / 2) & (np.abs(b) <= building.width / 2)
    return _Footprint(window, a, b, inside)


def paint_building(canvas: Canvas, building: Building, config: WorldConfig) -> None:
    """Paint one building, its roof texture and the things on its roof."""
    footprint = _footprint(canvas, building)
    if footprint is None:
        return
    window, a, b, inside = footprint
    base = canvas.ground_at(building.x, building.y)
    height, fall_a, fall_b = roof_shape(building, a, b)
    colour, alike = roof_colour(building, config)
    flat = building.roof == "flat"
    # Rows of tiles run along the eave; roofing felt lies in broad strips. Paving-like roofs have less.
    pattern = np.sin(b * np.float32(2 * np.pi / (3.0 if flat else 0.9)))
    tone = 1 + (0.05 - 0.03 * alike) * pattern + 0.035 * canvas.patch_noise[window]
    ridge = (np.abs(b) < 0.2) & (not flat)
    tone = np.where(ridge, tone * np.float32(1.12), tone)
    if flat:
        rim = np.minimum(building.length / 2 - np.abs(a), building.width / 2 - np.abs(b)) < 0.4
        tone = np.where(
            rim, tone * np.float32(1.0 + 0.25 * building.draws[BuildingDraw.PARAPET_TONE]), tone
        )
    c, s = np.cos(building.angle), np.sin(building.angle)
    instance = canvas.new_object(building.kind, BUILDING, building.ridge)
    canvas.paint(
        window,
        inside,
        tone[..., None] * colour,
        label=BUILDING,
        material=METAL if building.kind == "hall" else TILES,
        instance=instance,
        grain=0.045 + 0.025 * (1 - alike),
        top=base + height,
        slope=(fall_a * c - fall_b * s, fall_a * s + fall_b * c),
    )
    if building.kind in ("house", "row house", "hall", "wing"):
        _furnish(canvas, window, building, a, b, base, inside, instance)


def _furnish(
    canvas: Canvas,
    window: tuple[slice, slice],
    building: Building,
    a: Float[np.ndarray, "rows cols"],
    b: Float[np.ndarray, "rows cols"],
    base: float,
    inside: Bool[np.ndarray, "rows cols"],
    instance: int,
) -> None:
    """Put chimneys, roof windows, dormers, solar panels or air conditioners on a roof."""
    rng = np.random.default_rng([int(x * 2**24) for x in building.draws[:3]])
    half_a, half_b = building.length / 2, building.width / 2
    flat = building.roof == "flat"
    here = inside & (canvas.instances[window] == instance)

    def box(
        at: tuple[float, float], size: tuple[float, float], rise: float, colour: Colour, keep: bool
    ) -> None:
        mask = here & (np.abs(a - at[0]) < size[0] / 2) & (np.abs(b - at[1]) < size[1] / 2)
        old = canvas.top[window]
        lift = building.eave if flat else building.eave + building.pitch * (half_b - abs(at[1]))
        top = np.maximum(old, base + lift + rise) if rise else old
        slopes = (canvas.slope_x[window], canvas.slope_y[window]) if keep else (0.0, 0.0)
        canvas.paint(
            window,
            mask,
            colour,
            label=BUILDING,
            material=TILES,
            instance=instance,
            grain=0.03,
            top=top,
            slope=slopes,
        )

    grey = pick(PAVINGS[2:4], float(rng.random()), float(rng.random()))
    if flat:
        for _ in range(int(rng.integers(1, 2 + int(half_a * half_b / 25)))):
            at = (float(rng.uniform(-0.8, 0.8)) * half_a, float(rng.uniform(-0.75, 0.75)) * half_b)
            size = (float(rng.uniform(0.8, 2.4)), float(rng.uniform(0.8, 2.0)))
            sky = rng.random() < 0.4
            box(at, size, 0.25 if sky else 1.1, np.float32(1.25) * grey if sky else grey, False)
        return
    side = 1.0 if rng.random() < 0.5 else -1.0
    kind = rng.random()
    if kind < 0.28 and half_b > 3:  # solar panels, 1 × 1.6 m each
        count = int(rng.integers(3, max(4, int(half_a * 1.2))))
        for row in (0.32, 0.68):
            for k in range(count):
                at = ((k - count / 2 + 0.5) * 1.08, side * row * half_b)
                box(at, (1.0, 0.3 * half_b), 0.0, SOLAR, True)
    elif kind < 0.8:  # roof windows, or dormers with their own little roofs
        dormer = rng.random() < 0.4
        for position in rng.uniform(-0.75, 0.75, int(rng.integers(1, 4))):
            at = (float(position) * half_a, side * 0.52 * half_b)
            if dormer:
                box(at, (1.9, 0.4 * half_b), 0.5, dormer_colour(building, grey), False)
            else:
                box(at, (0.8, 1.1), 0.0, np.array((0.10, 0.12, 0.15, 0.12), np.float32), True)
    chimney = (float(rng.uniform(-0.7, 0.7)) * half_a, float(rng.uniform(-0.3, 0.3)) * half_b)
    box(chimney, (0.8, 0.8), 1.2, np.float32(0.7) * grey, False)


def dormer_colour(building: Building, grey: Colour) -> Colour:
    """Return the sheet-metal colour of dormers: the roof furniture's grey, a little darker."""
    return (grey * np.float32(0.6 + 0.3 * building.draws[BuildingDraw.DORMER_TONE])).astype(
        np.float32
    )


def paint_empty_lot(canvas: Canvas, building: Building, config: WorldConfig) -> None:
    """Paint what lies where a planned building does not stand: lawn, or paving of the same outline.

    A paved rectangle of a roof's size and colours is the image's own decoy: only height tells.
    """
    if building.draws[BuildingDraw.PAD] < 0.45 or building.kind in ("wing", "garage", "shed"):
        return
    footprint = _footprint(canvas, building)
    if footprint is None:
        return
    window, _, b, inside = footprint
    draws = building.draws
    weight = confusion(config.ambiguity, float(draws[BuildingDraw.AMBIGUITY]))
    tone = draws[BuildingDraw.PAD_TONE]
    grey = pick(PAVINGS[:GREYS], draws[BuildingDraw.PAD_GREY], tone)
    colour = mix(grey, pick(PAVINGS, draws[BuildingDraw.PAD_HUE], tone), weight)
    pattern = np.sin(b * np.float32(2 * np.pi / 3.0))
    stripes = 1 + 0.02 * pattern + 0.035 * canvas.patch_noise[window]
    canvas.paint(
        window,
        inside,
        stripes[..., None] * colour,
        label=IMPERVIOUS,
        material=ASPHALT,
        instance=canvas.new_object("pad", IMPERVIOUS),
        grain=0.045,
    )
