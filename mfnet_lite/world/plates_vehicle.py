"""Vehicles of the plate pictures: a few measures decide the shape, flat panels make the body.

The end that the camera sees lies at local z = 0, the other end at z = length; x = 0 is the middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.plates_canvas import Canvas, disc, rounded
from mfnet_lite.world.plates_text import STYLES, PlateStyle, plate_texture, random_text

Colour = Float[np.ndarray, " 3"]

PAINTS = (
    (0.72, 0.73, 0.74), (0.90, 0.90, 0.89), (0.10, 0.10, 0.11), (0.38, 0.39, 0.41), (0.55, 0.10, 0.10),
    (0.14, 0.22, 0.42), (0.12, 0.26, 0.20), (0.66, 0.60, 0.48), (0.30, 0.20, 0.15), (0.80, 0.45, 0.10),
    (0.25, 0.42, 0.58), (0.85, 0.78, 0.28),
)  # fmt: skip
PAINT_SHARES = (0.22, 0.2, 0.14, 0.16, 0.07, 0.06, 0.02, 0.04, 0.02, 0.02, 0.03, 0.02)
TYRE, TRIM = (0.035, 0.035, 0.04), (0.06, 0.06, 0.065)
DARK_GLASS = (0.05, 0.06, 0.07)


@dataclass(frozen=True)
class Shape:
    """Measures of a kind of vehicle, metres.

    Attributes:
        width: Of the body.
        height: Up to the roof.
        length: From end to end.
        clear: Of the bumper above the ground.
        belt: Height of the window's lower edge.
        boot: From the rear end to the window's foot.
        bonnet: From the front end to the windscreen's foot.
        slant: How far the rear window leans in; windscreens lean twice as far.
        narrow: Width of the roof over that of the body.
        wheel: Radius.
    """

    width: float = 1.74
    height: float = 1.46
    length: float = 4.4
    clear: float = 0.28
    belt: float = 0.95
    boot: float = 0.5
    bonnet: float = 1.05
    slant: float = 0.5
    narrow: float = 0.70
    wheel: float = 0.31


SHAPES = {
    "sedan": Shape(),
    "hatchback": Shape(1.68, 1.48, 3.9, 0.27, 0.95, 0.04, 0.9, 0.3, 0.72),
    "suv": Shape(1.84, 1.72, 4.5, 0.36, 1.12, 0.04, 1.0, 0.2, 0.76, 0.36),
    "van": Shape(1.94, 2.25, 5.2, 0.38, 1.2, 0.0, 0.5, 0.06, 0.9, 0.34),
    "truck": Shape(2.4, 3.3, 8.0, 0.62, 1.5, 0.0, 0.0, 0.02, 0.99, 0.48),
}
KIND_SHARES = (0.34, 0.3, 0.2, 0.1, 0.06)


@dataclass(frozen=True)
class Vehicle:
    """One vehicle and where it stands.

    Attributes:
        kind: Key of ``SHAPES``.
        shape: Its measures.
        front: Whether the camera sees its front.
        x: Metres to the right of the camera, of the middle of the seen end.
        z: Metres away.
        yaw: Turn around the vertical, radians.
        paint: Colour, display values.
        style: Of its plate.
        text: On its plate; empty if it has none.
        place: Middle of the plate, local x and y in metres.
        tilt: Of the plate in its holder, radians.
        dirt: On the plate, 0…1.
        lit: Whether its lamps burn.
        seed: Of the small decisions.
    """

    kind: str
    shape: Shape
    front: bool
    x: float
    z: float
    yaw: float
    paint: tuple[float, float, float]
    style: PlateStyle
    text: str
    place: tuple[float, float]
    tilt: float
    dirt: float
    lit: bool
    seed: int

    def at(self, local: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points of the vehicle in the street."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        x, y, z = np.asarray(local, float).T
        return np.stack([self.x + c * x + s * z, y, self.z - s * x + c * z], axis=1)

    def plate_corners(self) -> Float[np.ndarray, "4 3"]:
        """Upper left, upper right, lower right, lower left corner of the plate in the street."""
        half = np.array([self.style.width, self.style.height]) / 2
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        signs = np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)]) * half
        flat = signs @ np.array([(c, s), (-s, c)]) + self.place
        return self.at(np.column_stack([flat, np.full(4, -0.075)]))

    def hull(self) -> Float[np.ndarray, "8 3"]:
        """Corners of the box around it in the street."""
        s = self.shape
        ends = [
            (x * s.width / 2, y, z)
            for z in (-0.08, s.length)
            for x in (-1, 1)
            for y in (0, s.height)
        ]
        return self.at(np.array(ends))


def draw_vehicle(
    rng: np.random.Generator, x: float, z: float, yaw: float, night: bool, plate: bool = True
) -> Vehicle:
    """Choose a vehicle.

    Args:
        rng: Source of randomness.
        x: Metres to the right.
        z: Metres away.
        yaw: Turn, radians.
        night: Lamps burn more often.
        plate: Whether it may carry a plate.
    """
    kind = str(rng.choice(list(SHAPES), p=KIND_SHARES))
    shape = SHAPES[kind]
    shape = replace(
        shape,
        width=shape.width * rng.uniform(0.96, 1.05),
        height=shape.height * rng.uniform(0.96, 1.05),
        belt=shape.belt * rng.uniform(0.96, 1.06),
    )
    front = bool(rng.random() < 0.4)
    style = STYLES[int(rng.integers(len(STYLES)))]
    low, high = shape.clear + 0.19, shape.belt - 0.24
    tall = rng.uniform(0.55, 0.95) if rng.random() < 0.55 and not front else rng.uniform(0.0, 0.25)
    aside = rng.uniform(-0.25, 0.25) * shape.width if rng.random() < 0.12 else rng.normal(0, 0.01)
    base = np.array(PAINTS[int(rng.choice(len(PAINTS), p=PAINT_SHARES))])
    paint = np.clip(base * rng.uniform(0.85, 1.1) + rng.normal(0, 0.02, 3), 0.03, 0.95)
    return Vehicle(
        kind=kind,
        shape=shape,
        front=front,
        x=x,
        z=z,
        yaw=yaw,
        paint=(float(paint[0]), float(paint[1]), float(paint[2])),
        style=style,
        text=random_text(rng, style.pattern) if plate and rng.random() < 0.93 else "",
        place=(float(aside), float(low + tall * (high - low))),
        tilt=float(rng.normal(0, 0.02)),
        dirt=float(rng.uniform(0, 1) ** 2),
        lit=bool(rng.random() < (0.85 if night else 0.2)),
        seed=int(rng.integers(2**31)),
    )


class Painter:
    """Paints one vehicle on a canvas, far parts first.

    Args:
        canvas: Where to.
        vehicle: What.
        sun: Light of the left and the right flank, 0…1.
        sky: Colour that glass and lacquer mirror.
    """

    def __init__(
        self, canvas: Canvas, vehicle: Vehicle, sun: tuple[float, float], sky: Colour
    ) -> None:
        self.canvas, self.car, self.sun, self.sky = canvas, vehicle, sun, sky
        self.rng = np.random.default_rng(vehicle.seed)
        self.number = canvas.new("vehicle")
        self.colour = np.array(vehicle.paint)

    def panel(
        self, local: object, top: object, bottom: object = None, number: int | None = None,
        cull: bool = True, **how: float,
    ) -> None:  # fmt: skip
        """Paint a polygon of local points unless it turns away."""
        points = self.car.at(np.asarray(local, float))
        if not cull or self.canvas.faces(points):
            number = self.number if number is None else number
            self.canvas.paint(points, top, bottom, number, **how)  # type: ignore[arg-type]

    def end(
        self, flat: object, top: object, bottom: object = None, number: int | None = None,
        z: float = -0.02, curve: float = 0.2, **how: float,
    ) -> None:  # fmt: skip
        """Paint a polygon (x, y) on the end that is seen, with round corners."""
        points = rounded(np.asarray(flat, float), curve)
        local = np.column_stack([points, np.full(len(points), z)])
        self.panel(local, top, bottom, number, cull=False, **how)

    def mirror(self, flat: object, *args: object, kind: str, **how: float) -> None:
        """Paint a polygon on the right side of the end, and its mirror image, as two objects."""
        right = np.asarray(flat, float)
        for side in (1, -1):
            self.end(right * (side, 1), *args, number=self.canvas.new(kind), **how)  # type: ignore[arg-type]

    def paint(self) -> Float[np.ndarray, "4 2"] | None:
        """Paint it all.

        Returns:
            The plate's corners in pixels, None without a plate.
        """
        self.ground()
        self.wheels()
        self.cabin()
        self.body()
        (self.front if self.car.front else self.rear)()
        return self.plate()

    def ground(self) -> None:
        """The soft shadow under the body."""
        s = self.car.shape
        w = 0.54 * s.width
        for grow, alpha in ((1.12, 0.35), (0.98, 0.75)):
            area = [
                (-w * grow, 0.0, -0.12),
                (w * grow, 0, -0.12),
                (w * grow, 0, s.length),
                (-w * grow, 0, s.length),
            ]
            points = self.car.at(np.array(area))
            self.canvas.paint(points, (0.02, 0.02, 0.025), None, 0, alpha=alpha, soft=0.012)

    def wheels(self) -> None:
        """Tyres under the seen end."""
        s = self.car.shape
        for side in (-1, 1):
            x0, x1 = side * (s.width / 2 - 0.25), side * (s.width / 2 - 0.04)
            flat = np.array([(x0, 0.0), (x1, 0.0), (x1, s.clear + 0.25), (x0, s.clear + 0.25)])
            self.end(flat, TRIM, TYRE, self.canvas.new("wheel"), z=0.32)
        under = [(-s.width * 0.42, s.clear * 0.55), (s.width * 0.42, s.clear * 0.55),
                 (s.width * 0.45, s.clear + 0.2), (-s.width * 0.45, s.clear + 0.2)]  # fmt: skip
        self.end(under, (0.03, 0.03, 0.03), (0.015, 0.015, 0.015), z=0.15)

    def cabin(self) -> None:
        """Everything above the belt line: flanks, roof, the window at the seen end."""
        s, car = self.car.shape, self.car
        start, far = (s.bonnet, s.boot) if car.front else (s.boot, s.bonnet)
        lean = s.slant * (2.0 if car.front else 1.0)
        w, r = 0.47 * s.width, s.narrow * s.width / 2
        z0, z1 = start, start + lean
        z2 = max(s.length - far - 0.6 * lean, z1 + 0.4)
        z3 = max(s.length - far, z2 + 0.05)
        deck = [
            (-0.47 * s.width, s.belt, 0.02),
            (0.47 * s.width, s.belt, 0.02),
            (w, s.belt, start),
            (-w, s.belt, start),
        ]
        shine = 0.55 * self.colour + 0.35 * self.sky
        if start > 0.1:
            self.panel(deck, 0.7 * shine, shine)
        for side, light in zip((-1, 1), self.sun, strict=True):
            foot = [(side * w, s.belt, z0), (side * w, s.belt, z3)]
            head = [(side * r, s.height - 0.04, z2), (side * r, s.height - 0.04, z1)]
            outline = np.array((foot + head)[::side])
            self.panel(outline, self.colour * light, self.colour * light * 0.9)
            if car.kind == "truck":
                continue
            middle = outline.mean(axis=0)
            glass = middle + (outline - middle) * np.array([1.0, 0.72, 0.86])
            halves = self.canvas.new("window"), self.canvas.new("window")
            for half, number in enumerate(halves):
                part = glass.copy()
                cut = middle[2] + 0.1
                near = part[:, 2] < cut
                shift = cut + (0.05 if half else -0.05)
                part[near if half else ~near, 2] = shift
                self.panel(part, 0.45 * self.sky, DARK_GLASS, number)
        roof = [
            (-r, s.height - 0.03, z1),
            (r, s.height - 0.03, z1),
            (r, s.height - 0.03, z2),
            (-r, s.height - 0.03, z2),
        ]
        self.panel(roof, 0.6 * self.colour + 0.3 * self.sky, 0.75 * self.colour + 0.15 * self.sky)
        face = np.array([(-w, s.belt, z0), (w, s.belt, z0), (r, s.height, z1), (-r, s.height, z1)])
        self.panel(rounded(face, 0.14), 0.92 * self.colour + 0.06 * self.sky, 0.85 * self.colour)
        if car.kind == "truck" and not car.front:
            return
        middle = face.mean(axis=0)
        closed = car.kind == "van" and not car.front and self.rng.random() < 0.4
        glass = middle + (face - middle) * np.array([0.86, 0.74, 0.74])
        panes = [glass]
        if car.kind == "van" and not car.front:
            left, right = glass.copy(), glass.copy()
            left[[1, 2], 0], right[[0, 3], 0] = -0.05, 0.05
            panes = [left, right]
        for pane in [] if closed else panes:
            number = self.canvas.new("window")
            self.panel(rounded(pane, 0.16), 0.62 * self.sky, DARK_GLASS, number)
            self.seats(pane, number)

    def seats(self, pane: Float[np.ndarray, "4 3"], number: int) -> None:
        """Headrests behind the glass, and the sky mirrored across it."""
        low, high = pane[:2].mean(axis=0), pane[2:].mean(axis=0)
        reach = np.abs(pane[:, 0]).max()
        for x in (-0.45, 0.42) if len(pane) else ():
            centre = low + 0.34 * (high - low)
            shape = disc(1.0, 12) * (0.17 * reach, 0.24 * (high[1] - low[1]))
            points = centre + np.column_stack(
                [shape[:, 0] + x * reach, shape[:, 1], 0 * shape[:, 0]]
            )
            self.panel(points, (0.03, 0.03, 0.035), None, number, cull=False, alpha=0.7)
        a, b = sorted(self.rng.uniform(0, 1, 2))
        streak = np.array([
            pane[0] + a * (pane[1] - pane[0]), pane[0] + b * (pane[1] - pane[0]),
            pane[3] + min(b + 0.15, 1) * (pane[2] - pane[3]), pane[3] + min(a + 0.15, 1) * (pane[2] - pane[3]),
        ])  # fmt: skip
        self.panel(streak, self.sky, self.sky, number, cull=False, alpha=0.22)

    def body(self) -> None:
        """Everything below the belt line: flanks with wheels, the seen end."""
        s, car = self.car.shape, self.car
        h = s.height if car.kind == "truck" else s.belt
        for side, light in zip((-1, 1), self.sun, strict=True):
            w = side * 0.5 * s.width
            flank = [
                (w, s.clear, 0.12),
                (w, s.clear, s.length - 0.1),
                (w, h, s.length - 0.1),
                (w, h, 0.05),
            ]
            self.panel(flank[::side], self.colour * light, 0.55 * self.colour * light)
            ridge = [
                (w, s.belt - 0.2, 0.1),
                (w, s.belt - 0.2, s.length - 0.2),
                (w, s.belt - 0.16, s.length - 0.2),
                (w, s.belt - 0.16, 0.1),
            ]
            self.panel(ridge[::side], 0.7 * self.colour * light + 0.3 * self.sky, None, alpha=0.6)
            for z in (0.8, s.length - 0.9):
                for scale, colour, kind in (
                    (1.22, TRIM, ""),
                    (1.0, TYRE, "wheel"),
                    (0.64, (0.5, 0.51, 0.52), ""),
                ):
                    flat = disc(s.wheel * scale)
                    ring = np.column_stack(
                        [np.full(len(flat), w), flat[:, 1] + s.wheel, side * flat[:, 0] + z]
                    )
                    if kind:
                        wheel = self.canvas.new(kind)
                    number = wheel if scale <= 1 else self.number
                    self.panel(ring, colour, 0.6 * np.asarray(colour), number)
        w, c = 0.5 * s.width, s.clear
        outline = [
            (-0.95 * w, c),
            (0.95 * w, c),
            (w, c + 0.16),
            (w, h - 0.14),
            (0.94 * w, h),
            (-0.94 * w, h),
            (-w, h - 0.14),
            (-w, c + 0.16),
        ]
        tint = 0.9 * self.colour + 0.1 * self.sky
        self.end(outline, tint, 0.58 * self.colour, z=0.0, curve=0.3)
        if car.kind == "truck":
            return
        edge = [
            (-0.92 * w, h - 0.045),
            (0.92 * w, h - 0.045),
            (0.9 * w, h - 0.008),
            (-0.9 * w, h - 0.008),
        ]
        self.end(edge, 0.5 * self.colour + 0.55 * self.sky, None, alpha=0.6)
        # The bumper stands out a little; its upper face mirrors the sky, the lower lies in shade.
        rise = c + 0.42 * (h - c)
        plain = self.rng.random() < 0.3
        tone = np.array(TRIM) * 2.4 if plain else self.colour
        bumper = [
            (-0.97 * w, c - 0.03),
            (0.97 * w, c - 0.03),
            (1.01 * w, c + 0.1),
            (1.01 * w, rise),
            (-1.01 * w, rise),
            (-1.01 * w, c + 0.1),
        ]
        self.end(bumper, 0.96 * tone, 0.45 * tone, z=-0.06, curve=0.25)
        self.end(
            [(-w, rise - 0.02), (w, rise - 0.02), (w, rise + 0.015), (-w, rise + 0.015)],
            0.6 * tone + 0.35 * self.sky,
            None,
            z=-0.06,
            alpha=0.7,
        )
        self.end(
            [(-w, rise + 0.015), (w, rise + 0.015), (w, rise + 0.03), (-w, rise + 0.03)],
            0.2 * self.colour,
            None,
        )
        skirt = [
            (-0.8 * w, c - 0.03),
            (0.8 * w, c - 0.03),
            (0.74 * w, c + 0.09),
            (-0.74 * w, c + 0.09),
        ]
        self.end(skirt, TRIM, TYRE, z=-0.062)
        for side in (-1, 1):
            z = 1.25 if not car.front else s.bonnet + 0.25
            x = side * (w + 0.11)
            pod = np.array([(-0.1, -0.065), (0.1, -0.065), (0.1, 0.065), (-0.1, 0.065)]) + (
                x,
                s.belt + 0.06,
            )
            if not (car.kind == "sedan" and not car.front and self.rng.random() < 0.3):
                self.end(pod, 0.8 * self.colour, 0.5 * self.colour, z=z, curve=0.35)

    def rear(self) -> None:
        """Tail lamps, lid, badge, exhaust, sticker."""
        s, rng = self.car.shape, self.rng
        w, h, c = 0.5 * s.width, s.belt, s.clear
        emit = 0.85 if self.car.lit else 0.0
        red = np.array((0.62, 0.05, 0.05)) if not self.car.lit else np.array((0.98, 0.16, 0.12))
        if self.car.kind == "truck":
            self.truck_rear(red, emit)
            return
        line = np.array([(-0.66 * w, 0), (0.66 * w, 0)])
        for y in (h - 0.3 * (h - c), c + 0.46 * (h - c)):
            strip = np.concatenate([line + (0, y), line[::-1] + (0, y + 0.012)])
            self.end(strip, 0.35 * self.colour, None, alpha=0.8)
        if rng.random() < 0.5 and self.car.kind in ("hatchback", "suv", "van"):
            lamp = [
                (0.80 * w, h - 0.42),
                (0.98 * w, h - 0.42),
                (0.98 * w, h + 0.0),
                (0.82 * w, h + 0.0),
            ]
        else:
            inner = rng.uniform(0.5, 0.72) * w
            low = h - rng.uniform(0.2, 0.3)
            lamp = [
                (inner, low + 0.05),
                (0.985 * w, low),
                (0.985 * w, h - 0.06),
                (inner + 0.03, h - 0.07),
            ]
        self.mirror(lamp, red, 0.6 * red, kind="lamp", curve=0.22, emit=emit)
        box = np.array(lamp)
        middle = box.mean(axis=0)
        lens = middle + (box - middle) * (0.55, 0.34) - (0, 0.04)
        for side in (1, -1):
            self.end(
                lens * (side, 1),
                (0.85, 0.80, 0.76),
                (0.7, 0.4, 0.2),
                self._under(lens * (side, 1)),
                alpha=0.75,
            )
        badge = disc(0.05, 14) * (1.3, 0.9) + (0, h - 0.13)
        self.end(badge, (0.75, 0.76, 0.78), (0.4, 0.41, 0.43), curve=0.1)
        if rng.random() < 0.6:
            pipe = disc(0.045, 12) + (rng.choice([-1, 1]) * 0.6 * w, c - 0.02)
            self.end(pipe, (0.3, 0.3, 0.3), (0.02, 0.02, 0.02), z=-0.05)
        if rng.random() < 0.35:
            x = rng.choice([-1, 1]) * rng.uniform(0.35, 0.6) * w
            y = c + rng.uniform(0.5, 0.6) * (h - c)
            size = rng.uniform(0.05, 0.11, 2) * (1.4, 0.8)
            corners = np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)]) * size + (x, y)
            number = self.canvas.new("sticker")
            hue = rng.uniform(0.1, 0.95, 3)
            self.end(corners, hue, 0.9 * hue, number, z=-0.03, curve=0.08)
            self.end(
                (corners - (x, y)) * (0.7, 0.25) + (x, y),
                1 - hue,
                None,
                number,
                z=-0.03,
                curve=0.05,
            )

    def _under(self, flat: Float[np.ndarray, "n 2"]) -> int:
        """Number of the object that already lies at the middle of a polygon of the end."""
        point = np.array([[*flat.mean(axis=0), -0.02]])
        x, y = np.floor(self.canvas.see(self.car.at(point))[0]).astype(int)
        inside = 0 <= x < self.canvas.side and 0 <= y < self.canvas.side
        return int(self.canvas.ids[y, x]) if inside else 0

    def truck_rear(self, red: Colour, emit: float) -> None:
        """Two doors, their bars, a board, the guard with the lamps."""
        s, rng = self.car.shape, self.rng
        w = 0.5 * s.width
        for x in (-0.5 * w, 0.0, 0.5 * w):
            bar = [
                (x - 0.012, s.clear + 0.2),
                (x + 0.012, s.clear + 0.2),
                (x + 0.012, s.height - 0.1),
                (x - 0.012, s.height - 0.1),
            ]
            self.end(bar, 0.45 * self.colour, None, curve=0.02)
        board = self.canvas.new("sign")
        y, hue = rng.uniform(1.7, 2.5), rng.uniform(0.1, 0.9, 3)
        flat = np.array([(-0.7, -0.25), (0.7, -0.25), (0.7, 0.25), (-0.7, 0.25)]) * w + (0, y)
        self.end(flat, hue, 0.85 * hue, board, curve=0.05)
        self.end((flat - (0, y)) * (0.8, 0.3) + (0, y), 1 - hue, None, board, curve=0.05)
        guard = [
            (-w, s.clear - 0.12),
            (w, s.clear - 0.12),
            (w, s.clear + 0.24),
            (-w, s.clear + 0.24),
        ]
        self.end(guard, (0.16, 0.16, 0.17), (0.07, 0.07, 0.07), z=-0.06, curve=0.04)
        for k in range(8):
            x = (-0.96 + 0.24 * k) * w
            mark = [
                (x, s.clear + 0.26),
                (x + 0.24 * w, s.clear + 0.26),
                (x + 0.24 * w, s.clear + 0.34),
                (x, s.clear + 0.34),
            ]
            self.end(
                mark, (0.75, 0.1, 0.1) if k % 2 else (0.85, 0.85, 0.85), None, z=-0.06, curve=0.02
            )
        lamp = [
            (0.72 * w, s.clear - 0.04),
            (0.97 * w, s.clear - 0.04),
            (0.97 * w, s.clear + 0.12),
            (0.72 * w, s.clear + 0.12),
        ]
        self.mirror(lamp, red, 0.7 * red, kind="lamp", z=-0.07, emit=emit)

    def front(self) -> None:
        """Headlamps, grille, intake, badge."""
        s, rng = self.car.shape, self.rng
        w, c = 0.5 * s.width, s.clear
        h = s.belt if self.car.kind != "truck" else 1.35
        top = h - 0.1
        mesh = [
            (-rng.uniform(0.4, 0.6) * w, top - 0.17),
            (0.5 * w, top - 0.17),
            (0.56 * w, top),
            (-0.56 * w, top),
        ]
        mesh[0] = (-mesh[1][0], mesh[1][1])
        self.end(mesh, (0.10, 0.10, 0.11), (0.03, 0.03, 0.03), z=-0.03)
        for k in range(3):
            y = top - 0.14 + 0.045 * k
            slat = [(-0.5 * w, y), (0.5 * w, y), (0.5 * w, y + 0.012), (-0.5 * w, y + 0.012)]
            self.end(slat, (0.55, 0.56, 0.58), None, z=-0.03, curve=0.05, alpha=0.7)
        self.end(disc(0.055, 14) + (0, top - 0.07), (0.8, 0.81, 0.83), (0.4, 0.41, 0.42), z=-0.035)
        intake = [
            (-0.62 * w, c + 0.04),
            (0.62 * w, c + 0.04),
            (0.55 * w, c + 0.17),
            (-0.55 * w, c + 0.17),
        ]
        self.end(intake, (0.05, 0.05, 0.05), (0.02, 0.02, 0.02), z=-0.065)
        emit = 1.0 if self.car.lit else 0.0
        glass = np.array((0.98, 0.96, 0.88)) if self.car.lit else np.array((0.66, 0.69, 0.72))
        inner, low = rng.uniform(0.6, 0.68) * w, top - rng.uniform(0.15, 0.22)
        lamp = [
            (inner, low + 0.03),
            (0.96 * w, low),
            (0.99 * w, top + 0.02),
            (inner + 0.05, top - 0.02),
        ]
        self.mirror(lamp, 0.8 * glass, 0.55 * glass, kind="lamp", curve=0.25, emit=0.8 * emit)
        middle = np.array(lamp).mean(axis=0)
        for side in (1, -1):
            spot = disc(0.065, 14) + middle * (side, 1)
            self.end(spot, glass, 0.8 * glass, self._under(spot), emit=emit)
        if rng.random() < 0.5:
            self.mirror(
                disc(0.05, 12) + (0.78 * w, c + 0.1),
                (0.6, 0.6, 0.6),
                (0.3, 0.3, 0.3),
                kind="lamp",
                z=-0.065,
            )

    def plate(self) -> Float[np.ndarray, "4 2"] | None:
        """The plate in its recess."""
        car = self.car
        half = 0.5 * np.array([car.style.width + 0.05, car.style.height + 0.05])
        holder = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + car.place
        self.end(holder, 0.25 * self.colour + 0.02, 0.4 * self.colour, z=-0.068, curve=0.1)
        if not car.text:
            return None
        lit = self.canvas.light
        bright = (
            lit if lit.mean() > 0.6 else np.minimum(2.6 * lit + 0.05, 1.0)
        )  # plates throw light back
        texture = plate_texture(car.style, car.text, 96, car.dirt, car.seed)
        number = self.canvas.new("plate")
        return self.canvas.paste(car.plate_corners(), texture, number, bright.astype(np.float32))
