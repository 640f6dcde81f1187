"""Terrain, the street net, and the lots between the streets.

The net is a grid that is turned by a random angle and gently bent: a point has street coordinates
``u`` (along the main streets) and ``v`` (across them), both metres. Everything else is placed in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.canvas import ASPHALT, CONCRETE, Canvas, smooth_noise
from mfnet_lite.world.colours import PAINT, PAVINGS, confusion, mix, pick
from mfnet_lite.world.config import IMPERVIOUS, WorldConfig, layer_rng
from mfnet_lite.world.draws import GardenDraw, LotDraw

PAVEMENT_M = 1.9


@dataclass(frozen=True)
class Frame:
    """The turned and bent coordinate frame of the street net."""

    angle: float
    bend: float
    wavelength: float
    phase: float

    def to_streets(
        self, x: Float[np.ndarray, ...], y: Float[np.ndarray, ...]
    ) -> tuple[Float[np.ndarray, ...], Float[np.ndarray, ...]]:
        """Turn image metres (east, south) into street metres (along, across)."""
        c, s = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        u = x * c + y * s
        wave = np.sin(u * np.float32(2 * np.pi / self.wavelength) + np.float32(self.phase))
        return u, y * c - x * s + np.float32(self.bend) * wave

    def to_image(self, u: float, v: float) -> tuple[float, float]:
        """Turn street metres (along, across) into image metres (east, south)."""
        flat = v - self.bend * np.sin(2 * np.pi * u / self.wavelength + self.phase)
        c, s = np.cos(self.angle), np.sin(self.angle)
        return float(u * c - flat * s), float(u * s + flat * c)

    def heading(self, u: float) -> float:
        """Return the direction of the street at ``u``, radians from east towards south."""
        k = 2 * np.pi / self.wavelength
        return float(self.angle + np.arctan(-self.bend * k * np.cos(k * u + self.phase)))


@dataclass(frozen=True)
class Streets:
    """Centre lines and widths (metres) of the streets along and across the frame."""

    frame: Frame
    along: tuple[float, ...]
    across: tuple[float, ...]
    width_along: tuple[float, ...]
    width_across: tuple[float, ...]
    zones: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Lot:
    """A piece of land: its corners in street metres, which way it faces, its use, its random numbers.

    ``front`` is the value of ``v`` at the street, ``side`` +1 when the lot extends towards larger
    ``v``. ``draws`` holds uniform numbers that later layers read by :class:`~mfnet_lite.world.draws.LotDraw`
    and its kin.
    """

    index: int
    u0: float
    u1: float
    front: float
    side: int
    depth: float
    zone: str
    draws: Float[np.ndarray, 48]

    @property
    def width(self) -> float:
        """Width along the street, metres."""
        return self.u1 - self.u0

    @property
    def setback(self) -> float:
        """Depth of a house's front garden, metres: the house begins and the drive ends there."""
        return 4.5 + 2.5 * float(self.draws[GardenDraw.SETBACK])

    def at(self, s: float, t: float) -> tuple[float, float]:
        """Return street coordinates of the point ``s`` m along and ``t`` m behind the front."""
        return self.u0 + s, self.front + self.side * t


def _lines(rng: np.random.Generator, reach: float, low: float, high: float) -> tuple[float, ...]:
    """Place lines from −reach to beyond +reach with random spacing."""
    lines = [-reach - rng.uniform(0, low)]
    while lines[-1] < reach:
        lines.append(lines[-1] + rng.uniform(low, high))
    return tuple(lines)


ZONES = (("houses", 0.52), ("rows", 0.19), ("commerce", 0.19), ("park", 0.10))


def make_streets(seed: int, extent: float) -> Streets:
    """Draw the street net of a scene.

    Args:
        seed: The scene's seed.
        extent: Side of the canvas, metres.

    Returns:
        Streets that cover the canvas and some land around it.
    """
    rng = layer_rng(seed, "streets")
    frame = Frame(
        angle=rng.uniform(0, np.pi),
        bend=rng.uniform(0, 4.5),
        wavelength=rng.uniform(130, 220),
        phase=rng.uniform(0, 2 * np.pi),
    )
    reach = 0.75 * extent + 20
    along = _lines(rng, reach, 50, 64)
    across = _lines(rng, reach, 75, 120)
    names = [name for name, _ in ZONES]
    shares = [share for _, share in ZONES]
    zones = rng.choice(names, size=(len(along) - 1, len(across) - 1), p=shares)
    return Streets(
        frame,
        along,
        across,
        tuple(rng.uniform(5.6, 7.4, len(along))),
        tuple(rng.uniform(5.0, 6.4, len(across))),
        tuple(tuple(str(z) for z in row) for row in zones),
    )


def make_lots(seed: int, streets: Streets) -> tuple[Lot, ...]:
    """Cut the blocks between the streets into lots.

    Args:
        seed: The scene's seed.
        streets: The net.

    Returns:
        All lots; halls and parks take a whole block, row houses narrow lots, houses wide ones.
    """
    rng = layer_rng(seed, "lots")
    lots: list[Lot] = []

    def add(u0: float, u1: float, front: float, side: int, depth: float, zone: str) -> None:
        draws = rng.random(LotDraw.COUNT).astype(np.float32)
        lots.append(Lot(len(lots), u0, u1, front, side, depth, zone, draws))

    for k in range(len(streets.along) - 1):
        low = streets.along[k] + streets.width_along[k] / 2 + PAVEMENT_M
        high = streets.along[k + 1] - streets.width_along[k + 1] / 2 - PAVEMENT_M
        for j in range(len(streets.across) - 1):
            u0 = streets.across[j] + streets.width_across[j] / 2 + PAVEMENT_M
            u1 = streets.across[j + 1] - streets.width_across[j + 1] / 2 - PAVEMENT_M
            zone = streets.zones[k][j]
            if zone in ("commerce", "park"):
                middle = u0 + (u1 - u0) * rng.uniform(0.4, 0.6)
                parts = [u0, middle, u1] if zone == "commerce" else [u0, u1]
                for a, b in pairwise(parts):
                    add(a, b, low, 1, high - low, zone)
                continue
            for front, side in ((low, 1), (high, -1)):
                usual = rng.uniform(15, 20) if zone == "houses" else rng.uniform(6.5, 8.5)
                count = max(1, round((u1 - u0) / usual))
                cuts = np.linspace(u0, u1, count + 1)
                cuts[1:-1] += rng.uniform(-0.06, 0.06, count - 1) * usual
                for a, b in pairwise(cuts):
                    add(float(a), float(b), front, side, (high - low) / 2, zone)
    return tuple(lots)


def empty_canvas(seed: int, size: int, gsd: float, pad: int, config: WorldConfig) -> Canvas:
    """Make the terrain and an empty canvas over it.

    Relief is a plane plus wide hills, some metres over a scene: raw surface heights must be brought
    down to the ground before they say anything about roofs.
    """
    side = size + 2 * pad
    shape = (side, side)
    axis = (np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)) * np.float32(gsd)
    y, x = (np.ascontiguousarray(a) for a in np.meshgrid(axis, axis, indexing="ij"))
    rng = layer_rng(seed, "terrain")
    direction, tilt, base = (
        rng.uniform(0, 2 * np.pi),
        rng.uniform(0.01, 0.045),
        rng.uniform(80, 300),
    )
    hills = [
        (
            rng.uniform(0.4, 1.1),
            rng.uniform(70, 160),
            rng.uniform(0, 2 * np.pi),
            rng.uniform(0, 6.3),
        )
        for _ in range(4)
    ]
    dtm = tilt * (np.cos(direction) * x + np.sin(direction) * y)
    for height, length, heading, phase in hills:
        path = np.cos(heading) * x + np.sin(heading) * y
        dtm = dtm + height * np.sin(2 * np.pi * path / length + phase)
    dtm = (base + config.relief * dtm).astype(np.float32)
    texture = layer_rng(seed, "texture")
    zeros = [np.zeros(shape, np.float32) for _ in range(4)]
    return Canvas(
        size=size,
        gsd=gsd,
        pad=pad,
        x=x,
        y=y,
        dtm=dtm,
        top=dtm.copy(),
        albedo=np.zeros((*shape, 4), np.float32),
        grain=zeros[0],
        clump=zeros[1],
        slope_x=zeros[2],
        slope_y=zeros[3],
        label=np.zeros(shape, np.uint8),
        material=np.zeros(shape, np.uint8),
        instances=np.zeros(shape, np.int32),
        fine_noise=smooth_noise(texture, shape, 0.16 / gsd),
        leaf_noise=smooth_noise(texture, shape, 0.5 / gsd),
        patch_noise=smooth_noise(texture, shape, 3.5 / gsd),
    )


def paint_streets(canvas: Canvas, streets: Streets, seed: int, config: WorldConfig) -> None:
    """Paint carriageways, pavements, kerbs, lane marks and zebra crossings over the whole canvas."""
    rng = layer_rng(seed, "materials")
    (
        asphalt_hue,
        asphalt_tone,
        grey_hue,
        grey_tone,
        red_hue,
        red_tone,
        red_share,
        marks_white,
        *_,
    ) = rng.random(12)
    asphalt = pick(PAVINGS[:2], asphalt_hue, asphalt_tone)
    grey = pick(PAVINGS[2:4], grey_hue, grey_tone)
    red = pick(PAVINGS[5:7], red_hue, red_tone)
    slabs = mix(grey, red, confusion(config.ambiguity, 0.35 + 0.65 * red_share))

    u, v = streets.frame.to_streets(canvas.x, canvas.y)
    to_along, width_along = _nearest(v, streets.along, streets.width_along)
    to_across, width_across = _nearest(u, streets.across, streets.width_across)
    beyond_along = (
        np.abs(to_along) - width_along / 2
    )  # metres from the kerb, negative on the street
    beyond_across = np.abs(to_across) - width_across / 2
    beyond = np.minimum(beyond_along, beyond_across)

    canvas.albedo[:] = slabs
    joints = (np.abs(np.mod(u, 1.5) - 0.75) > 0.62) | (np.abs(np.mod(v, 1.5) - 0.75) > 0.62)
    canvas.albedo[joints] *= np.float32(0.93)
    canvas.material[:] = CONCRETE
    road = beyond < 0
    canvas.albedo[road] = asphalt
    canvas.material[road] = ASPHALT
    # Wheel tracks and mended patches make asphalt look like asphalt.
    tracks = 1 + 0.035 * np.cos(to_along * np.float32(2 * np.pi / 1.7))
    canvas.albedo[road] *= tracks[road][:, None]
    mended = (canvas.patch_noise > 1.25) & road
    canvas.albedo[mended] *= np.float32(0.86)
    canvas.grain[:] = 0.042
    kerb = np.clip(1 - np.abs(beyond - 0.12) / 0.16, 0, 1) * (beyond_along < PAVEMENT_M)
    marks = _lane_marks(u, v, to_along, to_across, beyond_along, beyond_across)
    cover = np.maximum(marks * np.float32(0.75 + 0.2 * marks_white), 0.3 * kerb)[..., None]
    canvas.albedo[:] = (1 - cover) * canvas.albedo + cover * PAINT
    canvas.label[:] = IMPERVIOUS
    for centre, width in zip(streets.along, streets.width_along, strict=True):
        for number, at in enumerate(np.arange(streets.across[0], streets.across[-1], 13.0)):
            side = 1 if number % 2 else -1
            canvas.lamps.append(
                streets.frame.to_image(float(at), centre + side * (width / 2 + 0.5))
            )


def _nearest(
    position: Float[np.ndarray, "side side"], lines: tuple[float, ...], widths: tuple[float, ...]
) -> tuple[Float[np.ndarray, "side side"], Float[np.ndarray, "side side"]]:
    """Return the signed distance to the nearest line and that line's width."""
    at = np.asarray(lines, np.float32)
    index = np.searchsorted((at[1:] + at[:-1]) / 2, position)
    return position - at[index], np.asarray(widths, np.float32)[index]


def _lane_marks(
    u: Float[np.ndarray, "side side"],
    v: Float[np.ndarray, "side side"],
    to_along: Float[np.ndarray, "side side"],
    to_across: Float[np.ndarray, "side side"],
    beyond_along: Float[np.ndarray, "side side"],
    beyond_across: Float[np.ndarray, "side side"],
) -> Float[np.ndarray, "side side"]:
    """Return how much white paint covers each pixel, 0…1 (lines are thinner than a pixel)."""
    clear = beyond_across > 6
    dashes = (np.mod(u, 6.0) < 3.0) & clear
    centre = np.clip(1 - np.abs(to_along) / 0.17, 0, 1) * dashes
    stripes = np.abs(np.mod(v, 1.1) - 0.55) < 0.28
    zebra = (np.abs(beyond_across - 4.0) < 1.3) & (beyond_along < -0.25) & stripes
    stop = (np.abs(beyond_along - 0.7) < 0.2) & (beyond_across < -0.3) & (to_across > 0)
    return np.maximum(np.maximum(centre, zebra), stop).astype(np.float32)
