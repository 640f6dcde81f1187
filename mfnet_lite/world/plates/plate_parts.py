"""Which vehicle stands where in a plate image: kinds, measures, paint, plate.

The end that the camera sees lies at local z = 0, the other end at z = length; x = 0 is the middle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from mfnet_lite.world.plates.lettering import STYLES, PlateStyle, random_text

PAINTS = (
    (0.72, 0.73, 0.74), (0.90, 0.90, 0.89), (0.10, 0.10, 0.11), (0.38, 0.39, 0.41),
    (0.55, 0.10, 0.10), (0.14, 0.22, 0.42), (0.12, 0.26, 0.20), (0.66, 0.60, 0.48),
    (0.30, 0.20, 0.15), (0.80, 0.45, 0.10), (0.25, 0.42, 0.58), (0.85, 0.78, 0.28),
)  # fmt: skip
PAINT_SHARES = (0.22, 0.2, 0.14, 0.16, 0.07, 0.06, 0.02, 0.04, 0.02, 0.02, 0.03, 0.02)


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
        centre: Middle of the plate, local x and y in metres.
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
    centre: tuple[float, float]
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
        flat = signs @ np.array([(c, s), (-s, c)]) + self.centre
        return self.at(np.column_stack([flat, np.full(4, -0.075)]))

    def hull(self) -> Float[np.ndarray, "8 3"]:
        """Corners of the box around it in the street."""
        half, ends = self.shape.width / 2, (-0.08, self.shape.length)
        corners = [(x, y, z) for z in ends for x in (-half, half) for y in (0.0, self.shape.height)]
        return self.at(np.array(corners))


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
        plate: Whether it carries a plate.
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
    # Plates hang on the bumper, or (at the rear only) on the lid between the lamps.
    low, high = shape.clear + 0.19, shape.belt - 0.24
    lid = not front and rng.random() < 0.55
    tall = rng.uniform(0.55, 0.95) if lid else rng.uniform(0.0, 0.25)
    aside = rng.uniform(-0.25, 0.25) * shape.width if rng.random() < 0.12 else rng.normal(0, 0.01)
    base = np.array(PAINTS[int(rng.choice(len(PAINTS), p=PAINT_SHARES))])
    red, green, blue = np.clip(base * rng.uniform(0.85, 1.1) + rng.normal(0, 0.02, 3), 0.03, 0.95)
    text = random_text(rng, style.pattern)
    return Vehicle(
        kind=kind,
        shape=shape,
        front=front,
        x=x,
        z=z,
        yaw=yaw,
        paint=(float(red), float(green), float(blue)),
        style=style,
        text=text if plate else "",
        centre=(float(aside), float(low + tall * (high - low))),
        tilt=float(rng.normal(0, 0.02)),
        dirt=float(rng.uniform(0, 1) ** 2),
        lit=bool(rng.random() < (0.85 if night else 0.2)),
        seed=int(rng.integers(2**31)),
    )
