"""Images of vehicles with number plates: what SamLP learns to find, made from a seed.

An image is planned in metres first (camera, road, vehicles, plates, signs), painted at twice or more of
its resolution, then photographed: lens, motion, exposure, noise, JPEG. Beside the plates, every window,
wheel, lamp and sign has a number of its own, so the same image can ask whether a model that was tuned
to plates still answers a click on anything else.

Neither vehicles nor letters resemble any real make or owner; all texts are random.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

from mfnet_lite.world.plates.camera import photograph
from mfnet_lite.world.plates.plate_parts import Vehicle, draw_vehicle
from mfnet_lite.world.plates.polygon_canvas import Canvas, contains
from mfnet_lite.world.plates.street import (
    Post,
    draw_lights,
    draw_posts,
    paint_post,
    paint_street,
)
from mfnet_lite.world.plates.vehicle_ends import paint_vehicle
from mfnet_lite.world.plates.view import View

__all__ = ["PlateConfig", "PlateImage", "make_plate_image"]

DETAIL = 512
"""The canvas has at least this many pixels on a side, and at least twice the image's."""


@dataclass(frozen=True)
class PlateConfig:
    """Parameters of the plate images.

    Attributes:
        largest: Width of the largest plate, as a fraction of the image's side.
        smallest: Width of the smallest plate of the vehicle in front.
        legible: Plates of vehicles behind are left off below this width.
        others: Most vehicles beside the one in front.
        absent: Probability that a vehicle carries no plate.
        tilt: Typical roll of the camera, degrees.
        blur: Scales defocus and motion blur; 0 is a perfect lens.
        noise: Scales the sensor's noise.
    """

    largest: float = 0.38
    smallest: float = 0.07
    legible: float = 0.04
    others: int = 3
    absent: float = 0.07
    tilt: float = 4.0
    blur: float = 1.0
    noise: float = 1.0


@dataclass(frozen=True)
class PlateImage:
    """A photograph of vehicles, with everything known about it.

    Attributes:
        image: Red, green, blue.
        plate: Where plates are, all of them together.
        instances: Number of the object that a pixel shows: vehicles and, in front of them, their
            windows, wheels, lamps, stickers and plates, then signs; 0 is street and sky. Numbers
            run from 1 without gaps.
        kinds: Word for object 1, 2, …
        plate_boxes: X0, y0, x1, y1 of each plate, in pixel edges (a pixel is 1 wide).
        corners: Upper left, upper right, lower right, lower left corner of each plate as it hangs
            on the vehicle, x and y in pixel edges.
        texts: What each plate says; ``/`` begins its second line.
        night: Whether it was taken at night.
        seed: The seed.
    """

    image: UInt8[np.ndarray, "3 height width"]
    plate: Bool[np.ndarray, "height width"]
    instances: Int[np.ndarray, "height width"]
    kinds: tuple[str, ...]
    plate_boxes: Float[np.ndarray, "plates 4"]
    corners: Float[np.ndarray, "plates 4 2"]
    texts: tuple[str, ...]
    night: bool
    seed: int


def make_plate_image(
    seed: int, size: int = 256, night: bool = False, config: PlateConfig | None = None
) -> PlateImage:
    """Take one image.

    The plan does not depend on the size, so one seed gives the same street at every resolution.

    Args:
        seed: Of everything; not negative.
        size: Side of the image in pixels, at least 32.
        night: Lamps instead of daylight.
        config: The parameters.

    Returns:
        The image; about one in ten shows no plate.

    Raises:
        ValueError: For a smaller size or a negative seed.

    Example:
        >>> image = make_plate_image(seed=1, size=64)
        >>> image.image.shape, image.plate.any()
        ((3, 64, 64), np.True_)
    """
    if size < 32 or seed < 0:
        raise ValueError(
            f"make_plate_image needs size >= 32 and seed >= 0, got size={size} and seed={seed}: "
            "smaller plates could not be seen"
        )
    config = config or PlateConfig()
    rng = np.random.default_rng((seed, 7, int(night)))
    lights = draw_lights(rng, night)
    view, vehicles, yaw, offset = _plan(rng, night, config)
    posts = draw_posts(rng, lights, yaw, offset)
    scale = max(2, -(-DETAIL // size))
    canvas = Canvas(view, scale * size)
    paint_street(canvas, rng, lights, yaw, offset)

    found: list[_Found] = []
    things: list[Post | Vehicle] = [*posts, *vehicles]
    for thing in sorted(things, key=lambda thing: -thing.z):
        canvas.light = lights.at(thing.x, thing.z)
        if not isinstance(thing, Vehicle):
            paint_post(canvas, thing, night)
            continue
        sky = np.asarray(lights.sky) if not night else np.array((0.5, 0.5, 0.52))
        number, corners = paint_vehicle(canvas, thing, lights.sun, sky)
        if corners is not None:
            found.append(_Found(len(canvas.kinds), number, corners / scale, thing.text))
    image = photograph(canvas, rng, lights, size, config.blur, config.noise)
    return _label(canvas, image, found, scale, night, seed)


def _plan(
    rng: np.random.Generator, night: bool, config: PlateConfig
) -> tuple[View, list[Vehicle], float, float]:
    """Choose camera and vehicles so that the plate in front lies whole in the image."""
    for _ in range(40):
        focal = float(rng.uniform(1.15, 2.1))
        yaw = float(np.clip(rng.normal(0, 0.2), -0.55, 0.55))
        width = np.exp(rng.uniform(np.log(config.smallest), np.log(config.largest)))
        front = draw_vehicle(rng, 0.0, 0.0, yaw, night, rng.random() >= config.absent)
        away = focal * front.style.width / width
        if front.kind == "truck":
            away = max(away, 2.6)
        u, v = rng.uniform(0.25, 0.75), rng.uniform(0.42, 0.84)
        down = np.radians(rng.uniform(0, 20) * rng.uniform(0.2, 1))
        height = max(front.centre[1] + away * np.tan(down), 0.55)
        down = np.arctan2(height - front.centre[1], away)
        pitch = down - np.arctan((v - 0.5) / focal)
        roll = np.radians(rng.normal(0, config.tilt) * (3 if rng.random() < 0.12 else 1))
        view = View(
            focal, float(height), float(np.clip(pitch, -0.16, 0.7)), float(np.clip(roll, -0.5, 0.5))
        )
        front = replace(front, x=float(away * (u - 0.5) / focal), z=float(away))
        seen = view.project(front.plate_corners())
        if seen.min() > 0.015 and seen.max() < 0.985:
            break
    vehicles = [front]
    for _ in range(int(rng.integers(0, config.others + 1))):
        lane = float(rng.choice([-1, 0, 1], p=(0.42, 0.16, 0.42)))
        gap = rng.uniform(7, 16) if lane == 0 else rng.uniform(-0.3, 13)
        aside = lane * rng.uniform(2.6, 4.4)
        x = front.x + np.cos(yaw) * aside + np.sin(yaw) * gap
        z = front.z + np.cos(yaw) * gap - np.sin(yaw) * aside
        turn = yaw + rng.normal(0, 0.05)
        other = draw_vehicle(
            rng, float(x), float(z), float(turn), night, rng.random() >= config.absent
        )
        clear = all(
            np.hypot(x - o.x, z - o.z) > 2.4 and (abs(aside) > 2 or gap > 6) for o in vehicles
        )
        if z > 2.2 and clear:
            vehicles.append(other)
    return view, _hide_plates(view, vehicles, config), yaw, front.x - np.tan(yaw) * front.z


def _hide_plates(view: View, vehicles: list[Vehicle], config: PlateConfig) -> list[Vehicle]:
    """Take the plates off which would be cut, hidden by a nearer vehicle, or too small to be seen."""
    ordered = sorted(vehicles, key=lambda vehicle: vehicle.z)
    boxes: list[tuple[np.ndarray, np.ndarray]] = []
    result = []
    for vehicle in ordered:
        seen = view.project(vehicle.plate_corners())
        low, high = seen.min(axis=0), seen.max(axis=0)
        whole = low.min() > 0.01 and high.max() < 0.99 and high[0] - low[0] > config.legible
        hidden = any((low < b).all() and (high > a).all() for a, b in boxes)
        result.append(vehicle if whole and not hidden else replace(vehicle, text=""))
        hull = view.project(vehicle.hull())
        boxes.append((hull.min(axis=0), hull.max(axis=0)))
    return result


@dataclass(frozen=True)
class _Found:
    """A painted plate: its number, that of its vehicle, its corners in pixels of the image, its text."""

    number: int
    vehicle: int
    corners: Float[np.ndarray, "4 2"]
    text: str


def _label(
    canvas: Canvas,
    image: UInt8[np.ndarray, "3 size size"],
    found: list[_Found],
    scale: int,
    night: bool,
    seed: int,
) -> PlateImage:
    """Numbers at the middle of each pixel, without gaps; a plate that something hides is left out."""
    size = image.shape[1]
    whole = canvas.ids[scale // 2 :: scale, scale // 2 :: scale].copy()
    plates = []
    for entry in found:
        # The sample lies half a canvas pixel aside if the scale is even; a small plate needs better.
        exact = contains(entry.corners, size, size)
        shown = whole == entry.number
        hidden = exact & ~ndimage.binary_dilation(shown, iterations=2)
        whole[shown & ~exact] = entry.vehicle
        whole[exact & ~hidden] = entry.number
        if (exact & ~hidden).any():
            plates.append(entry)
    numbers = np.unique(whole[whole > 0])
    lookup = np.zeros(len(canvas.kinds) + 1, np.int32)
    lookup[numbers] = np.arange(1, len(numbers) + 1)
    corners = np.array([entry.corners for entry in plates], np.float32).reshape(-1, 4, 2)
    return PlateImage(
        image=image,
        plate=np.isin(whole, [entry.number for entry in plates]),
        instances=lookup[whole],
        kinds=tuple(canvas.kinds[number - 1] for number in numbers),
        plate_boxes=np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1),
        corners=corners,
        texts=tuple(entry.text for entry in plates),
        night=night,
        seed=seed,
    )
