"""Paint a vehicle: flat panels, far ones first; what both ends have in common.

The ends themselves, with lamps and lids and grilles, are in :mod:`mfnet_lite.world.plates.vehicle_ends`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from mfnet_lite.world.plates.lettering import plate_texture
from mfnet_lite.world.plates.plate_parts import Vehicle
from mfnet_lite.world.plates.polygon_canvas import Canvas, disc, rounded, turned

TYRE, TRIM = (0.035, 0.035, 0.04), (0.06, 0.06, 0.065)
DARK_GLASS = (0.05, 0.06, 0.07)
RIM = (0.5, 0.51, 0.52)

Flat = Float[np.ndarray, "n 2"]


def box(x0: float, y0: float, x1: float, y1: float) -> Flat:
    """Corners of an upright rectangle of the seen end, counter-clockwise from the lower left."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)


def band(y0: float, half0: float, y1: float, half1: float) -> Flat:
    """Corners of a strip around the middle of the end: its lower half width, then its upper one."""
    return np.array([(-half0, y0), (half0, y0), (half1, y1), (-half1, y1)], float)


class Painter:
    """Paints one vehicle on a canvas.

    Args:
        canvas: Where to.
        vehicle: What.
        sun: Light of the left and the right flank, 0…1.
        sky: Colour that glass and lacquer mirror.
    """

    def __init__(
        self,
        canvas: Canvas,
        vehicle: Vehicle,
        sun: tuple[float, float],
        sky: Float[np.ndarray, " 3"],
    ) -> None:
        self.canvas, self.car, self.sun, self.sky = canvas, vehicle, sun, sky
        self.rng = np.random.default_rng(vehicle.seed)
        self.number = canvas.new("vehicle")
        self.colour = np.array(vehicle.paint)

    def panel(
        self,
        local: ArrayLike,
        top: ArrayLike,
        bottom: ArrayLike | None = None,
        number: int | None = None,
        cull: bool = True,
        **how: float,
    ) -> None:
        """Paint a polygon of local points (x, y, z), unless it turns its back to the camera."""
        pixels = self.canvas.see(self.car.at(np.asarray(local, float)))
        if not cull or turned(pixels):
            number = self.number if number is None else number
            self.canvas.paint_flat(pixels, top, bottom, number, **how)

    def end(
        self,
        flat: ArrayLike,
        top: ArrayLike,
        bottom: ArrayLike | None = None,
        number: int | None = None,
        z: float = -0.02,
        curve: float = 0.2,
        **how: float,
    ) -> None:
        """Paint a polygon (x, y) on the end that is seen, with round corners."""
        points = rounded(np.asarray(flat, float), curve)
        local = np.column_stack([points, np.full(len(points), z)])
        self.panel(local, top, bottom, number, cull=False, **how)

    def mirror(
        self,
        flat: ArrayLike,
        top: ArrayLike,
        bottom: ArrayLike | None,
        kind: str,
        z: float = -0.02,
        emit: float = 0.0,
    ) -> list[int]:
        """Paint a polygon of the right side of the end and its mirror image, as two objects."""
        numbers = [self.canvas.new(kind), self.canvas.new(kind)]
        for side, number in zip((1, -1), numbers, strict=True):
            self.end(np.asarray(flat) * (side, 1), top, bottom, number, z, emit=emit)
        return numbers

    def ground(self) -> None:
        """The soft shadow under the body."""
        s, z = self.car.shape, -0.12
        for half, alpha in ((0.605 * s.width, 0.35), (0.53 * s.width, 0.75)):
            area = [(-half, 0.0, z), (half, 0.0, z), (half, 0.0, s.length), (-half, 0.0, s.length)]
            dark = (0.02, 0.02, 0.025)
            self.panel(area, dark, dark, 0, cull=False, alpha=alpha, soft=0.012)

    def wheels(self) -> None:
        """Tyres and the dark floor under the seen end."""
        s = self.car.shape
        for side in (-1, 1):
            outer, inner = side * (s.width / 2 - 0.04), side * (s.width / 2 - 0.25)
            tyre = box(inner, 0.0, outer, s.clear + 0.25)
            self.end(tyre, TRIM, TYRE, self.canvas.new("wheel"), z=0.32)
        floor = band(0.55 * s.clear, 0.42 * s.width, s.clear + 0.2, 0.45 * s.width)
        self.end(floor, (0.03, 0.03, 0.03), (0.015, 0.015, 0.015), z=0.15)

    def cabin(self) -> None:
        """Everything above the belt line: deck, flanks with windows, roof, the window at the seen end."""
        s, car = self.car.shape, self.car
        start, far = (s.bonnet, s.boot) if car.front else (s.boot, s.bonnet)
        lean = s.slant * (2.0 if car.front else 1.0)
        w, r = 0.47 * s.width, s.narrow * s.width / 2
        z1 = start + lean
        z2 = max(s.length - far - 0.6 * lean, z1 + 0.4)
        z3 = max(s.length - far, z2 + 0.05)
        if start > 0.1:
            deck = [(-w, s.belt, 0.02), (w, s.belt, 0.02), (w, s.belt, start), (-w, s.belt, start)]
            shine = 0.55 * self.colour + 0.35 * self.sky
            self.panel(deck, 0.7 * shine, shine)
        top = s.height - 0.04
        for side, light in zip((-1, 1), self.sun, strict=True):
            foot = [(side * w, s.belt, start), (side * w, s.belt, z3)]
            flank = np.array([*foot, (side * r, top, z2), (side * r, top, z1)])[::side]
            self.panel(flank, self.colour * light, self.colour * light * 0.9)
            if car.kind != "truck":
                self.side_windows(flank)
        roof = [(-r, top, z1), (r, top, z1), (r, top, z2), (-r, top, z2)]
        near = 0.75 * self.colour + 0.15 * self.sky
        self.panel(roof, 0.6 * self.colour + 0.3 * self.sky, near)
        face = np.array(
            [(-w, s.belt, start), (w, s.belt, start), (r, s.height, z1), (-r, s.height, z1)]
        )
        self.panel(rounded(face, 0.14), 0.92 * self.colour + 0.06 * self.sky, 0.85 * self.colour)
        if car.front or car.kind != "truck":
            self.end_window(face)

    def side_windows(self, flank: Float[np.ndarray, "4 3"]) -> None:
        """Two panes in a flank of the cabin."""
        middle = flank.mean(axis=0)
        glass = middle + (flank - middle) * np.array([1.0, 0.72, 0.86])
        cut = middle[2] + 0.1
        near = glass[:, 2] < cut
        for keep, edge in ((near, cut - 0.05), (~near, cut + 0.05)):
            pane = glass.copy()
            pane[~keep, 2] = edge
            self.panel(pane, 0.45 * self.sky, DARK_GLASS, self.canvas.new("window"))

    def end_window(self, face: Float[np.ndarray, "4 3"]) -> None:
        """The window of the seen end: one pane, two in the doors of a van, or none in a closed van."""
        middle = face.mean(axis=0)
        glass = middle + (face - middle) * np.array([0.86, 0.74, 0.74])
        panes = [glass]
        if self.car.kind == "van" and not self.car.front:
            left, right = glass.copy(), glass.copy()
            left[[1, 2], 0], right[[0, 3], 0] = -0.05, 0.05
            panes = [] if self.rng.random() < 0.4 else [left, right]
        for pane in panes:
            number = self.canvas.new("window")
            self.panel(rounded(pane, 0.16), 0.62 * self.sky, DARK_GLASS, number)
            self.behind_glass(pane, number)

    def behind_glass(self, pane: Float[np.ndarray, "4 3"], number: int) -> None:
        """Headrests behind a pane, and the sky mirrored across it."""
        low, high = pane[:2].mean(axis=0), pane[2:].mean(axis=0)
        reach = np.ptp(pane[:, 0]) / 2
        for x in (-0.45, 0.42):
            shape = disc(1.0, 12) * (0.17 * reach, 0.24 * (high[1] - low[1]))
            aside = np.column_stack([shape[:, 0] + x * reach, shape[:, 1], np.zeros(12)])
            seat = low + 0.34 * (high - low) + aside
            self.panel(seat, (0.03, 0.03, 0.035), None, number, cull=False, alpha=0.7)
        a, b = sorted(self.rng.uniform(0, 1, 2))
        foot, head = pane[1] - pane[0], pane[2] - pane[3]
        streak = [
            pane[0] + a * foot,
            pane[0] + b * foot,
            pane[3] + min(b + 0.15, 1) * head,
            pane[3] + min(a + 0.15, 1) * head,
        ]
        self.panel(streak, self.sky, None, number, cull=False, alpha=0.22)

    def flanks(self) -> None:
        """Sides below the belt line, with a ridge that catches the sky, and wheels."""
        s = self.car.shape
        h = s.height if self.car.kind == "truck" else s.belt
        for side, light in zip((-1, 1), self.sun, strict=True):
            w, back = side * 0.5 * s.width, s.length - 0.1
            flank = [(w, s.clear, 0.12), (w, s.clear, back), (w, h, back), (w, h, 0.05)]
            self.panel(flank[::side], self.colour * light, 0.55 * self.colour * light)
            low, high = s.belt - 0.2, s.belt - 0.16
            ridge = [(w, low, 0.1), (w, low, back), (w, high, back), (w, high, 0.1)]
            self.panel(ridge[::side], 0.7 * self.colour * light + 0.3 * self.sky, None, alpha=0.6)
            for z in (0.8, s.length - 0.9):
                self.side_wheel(w, side, z)

    def side_wheel(self, x: float, side: int, z: float) -> None:
        """A wheel in a flank: its arch, the tyre, the rim."""
        number = self.canvas.new("wheel")
        parts = ((1.22, TRIM, self.number), (1.0, TYRE, number), (0.64, RIM, number))
        for scale, colour, owner in parts:
            flat = disc(self.car.shape.wheel * scale)
            y = flat[:, 1] + self.car.shape.wheel
            ring = np.column_stack([np.full(len(flat), x), y, side * flat[:, 0] + z])
            self.panel(ring, colour, 0.6 * np.asarray(colour), owner)

    def seen_end(self) -> None:
        """The end below the belt line: its outline, the bumper, the mirrors at the cabin."""
        s, car = self.car.shape, self.car
        h = s.height if car.kind == "truck" else s.belt
        w, c = 0.5 * s.width, s.clear
        right = np.array([(0.95 * w, c), (w, c + 0.16), (w, h - 0.14), (0.94 * w, h)])
        outline = np.concatenate([right, right[::-1] * (-1, 1)])
        tint = 0.9 * self.colour + 0.1 * self.sky
        self.end(outline, tint, 0.58 * self.colour, z=0.0, curve=0.3)
        if car.kind == "truck":
            return
        edge = band(h - 0.045, 0.92 * w, h - 0.008, 0.9 * w)
        self.end(edge, 0.5 * self.colour + 0.55 * self.sky, None, alpha=0.6)
        # The bumper stands out a little; its upper edge mirrors the sky, the lower part lies in shade.
        rise = c + 0.42 * (h - c)
        tone = 2.4 * np.array(TRIM) if self.rng.random() < 0.3 else self.colour
        right = np.array([(0.97 * w, c - 0.03), (1.01 * w, c + 0.1), (1.01 * w, rise)])
        bumper = np.concatenate([right, right[::-1] * (-1, 1)])
        self.end(bumper, 0.96 * tone, 0.45 * tone, z=-0.06, curve=0.25)
        shine = 0.6 * tone + 0.35 * self.sky
        self.end(band(rise - 0.02, w, rise + 0.015, w), shine, None, z=-0.06, alpha=0.7)
        self.end(band(rise + 0.015, w, rise + 0.03, w), 0.2 * self.colour)
        self.end(band(c - 0.03, 0.8 * w, c + 0.09, 0.74 * w), TRIM, TYRE, z=-0.062)
        for side in (-1, 1):
            x, y = side * (w + 0.11), s.belt + 0.06
            pod = box(x - 0.1, y - 0.065, x + 0.1, y + 0.065)
            z = s.bonnet + 0.25 if car.front else 1.25
            self.end(pod, 0.8 * self.colour, 0.5 * self.colour, z=z, curve=0.35)

    def plate(self) -> Float[np.ndarray, "4 2"] | None:
        """The plate in its recess.

        Returns:
            Its corners in pixels of the canvas, None without a plate.
        """
        car, (x, y) = self.car, self.car.centre
        half, tall = car.style.width / 2 + 0.025, car.style.height / 2 + 0.025
        holder = box(x - half, y - tall, x + half, y + tall)
        self.end(holder, 0.25 * self.colour + 0.02, 0.4 * self.colour, z=-0.068, curve=0.1)
        if not car.text:
            return None
        light = self.canvas.light
        if light.mean() < 0.6:  # plates throw the light of lamps back to where it came from
            light = np.minimum(2.6 * light + 0.05, 1.0)
        texture = plate_texture(car.style, car.text, 96, car.dirt, car.seed)
        return self.canvas.paste(car.plate_corners(), texture, self.canvas.new("plate"), light)
