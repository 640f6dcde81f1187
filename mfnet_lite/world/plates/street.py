"""What lies around the vehicles of a plate image: sky, house fronts, trees, road, signs, lamp posts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image
from scipy import ndimage

from mfnet_lite.world.plates.lettering import PlateStyle, plate_texture, random_text
from mfnet_lite.world.plates.polygon_canvas import Canvas, disc

BOARDS = (
    PlateStyle("white board", 1.2, 0.4, (0.85, 0.86, 0.86), (0.1, 0.1, 0.1), "AAAAAA"),
    PlateStyle("blue board", 1.4, 0.7, (0.06, 0.22, 0.58), (0.9, 0.92, 0.94), "AAAAA/99 AA"),
    PlateStyle("yellow board", 0.9, 0.5, (0.88, 0.70, 0.10), (0.08, 0.08, 0.08), "AAAA/AAA"),
    PlateStyle("green board", 1.6, 0.6, (0.05, 0.36, 0.20), (0.9, 0.92, 0.9), "AAAAAAA"),
    PlateStyle("red board", 1.1, 0.34, (0.62, 0.08, 0.09), (0.94, 0.92, 0.88), "AAAA 99"),
)


@dataclass(frozen=True)
class Lights:
    """Daylight, or what is left of it and the lamps.

    Attributes:
        night: Whether it is night.
        ambient: From everywhere, R, G, B.
        lamps: Street lamps, x and z in metres; they burn at night only.
        flash: Light that the camera's own vehicle throws ahead.
        sun: On the left and right flank of the vehicles.
        sky: Colour above the horizon.
    """

    night: bool
    ambient: tuple[float, float, float]
    lamps: tuple[tuple[float, float], ...]
    flash: float
    sun: tuple[float, float]
    sky: tuple[float, float, float]

    def at(self, x: np.ndarray | float, z: np.ndarray | float) -> Float[np.ndarray, "... 3"]:
        """Light at points of the ground, R, G, B."""
        x, z = np.asarray(x, np.float32), np.asarray(z, np.float32)
        light: np.ndarray = np.broadcast_to(np.asarray(self.ambient, np.float32), (*x.shape, 3))
        if not self.night:
            return light.copy()
        warm, white = (
            np.array((1.0, 0.76, 0.46), np.float32),
            np.array((1.0, 0.98, 0.92), np.float32),
        )
        ahead = (
            self.flash
            * np.exp(-np.maximum(z, 0) / 9)
            * np.exp(-((x / (1.5 + 0.3 * np.abs(z))) ** 2))
        )
        light = light + ahead[..., None].astype(np.float32) * white
        for lx, lz in self.lamps:
            pool = 0.55 / (1 + ((x - lx) ** 2 + (z - lz) ** 2) / 12)
            light = light + pool[..., None].astype(np.float32) * warm
        return np.minimum(light, np.float32(1.15))


def draw_lights(rng: np.random.Generator, night: bool) -> Lights:
    """Choose the light of an image."""
    if night:
        lamps = tuple(
            (float(rng.choice([-1, 1]) * rng.uniform(3.5, 6)), float(rng.uniform(2, 26)))
            for _ in range(int(rng.integers(1, 4)))
        )
        dim = float(rng.uniform(0.06, 0.16))
        return Lights(True, (dim, 1.02 * dim, 1.25 * dim), lamps, float(rng.uniform(0.25, 0.8)),
                      (0.75, 0.75), (0.10, 0.11, 0.16))  # fmt: skip
    sides = rng.permutation([rng.uniform(0.55, 0.8), rng.uniform(0.85, 1.1)])
    clear = rng.uniform(0, 1)
    sky = clear * np.array((0.46, 0.66, 0.92)) + (1 - clear) * np.array((0.82, 0.84, 0.86))
    return Lights(False, (1.0, 1.0, 1.0), (), 0.0, (float(sides[0]), float(sides[1])),
                  (float(sky[0]), float(sky[1]), float(sky[2])))  # fmt: skip


def noise(rng: np.random.Generator, cells: int, side: int) -> Float[np.ndarray, "side side"]:
    """Smooth noise of zero mean, about ±1, ``cells`` bumps wide."""
    coarse = rng.standard_normal((cells + 1, cells + 1)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def paint_street(
    canvas: Canvas, rng: np.random.Generator, lights: Lights, yaw: float, offset: float
) -> None:
    """Fill the canvas: sky, what stands along the horizon, road.

    Args:
        canvas: Still empty.
        rng: Source of randomness.
        lights: The light.
        yaw: Direction of the road, radians.
        offset: Where the middle of the lane lies at the camera, metres to the right.
    """
    scale = (
        2 if canvas.side % 2 == 0 else 1
    )  # the street has no fine edges that would need all pixels
    side = canvas.side // scale
    x, z, azimuth, slope = canvas.view.ground(side)
    c, s = np.float32(np.cos(yaw)), np.float32(np.sin(yaw))
    across, along = c * (x - np.float32(offset)) - s * z, s * (x - np.float32(offset)) + c * z
    image = _backdrop(rng, lights, azimuth, slope, side)
    image = ndimage.gaussian_filter(image, (0.004 * side, 0.004 * side, 0), truncate=2.5)
    road = _road(rng, across, along) * lights.at(x, z)
    haze = np.clip(z / 300, 0, 0.75)[..., None]
    far = np.asarray(lights.sky, np.float32) * np.float32(0.85)
    image = np.where((slope < -1e-4)[..., None], road + haze * (far - road), image)
    canvas.rgb = image.repeat(scale, axis=0).repeat(scale, axis=1).astype(np.float32)


def _backdrop(
    rng: np.random.Generator, lights: Lights, azimuth: np.ndarray, slope: np.ndarray, side: int
) -> Float[np.ndarray, "side side 3"]:
    """Sky with clouds, house fronts with windows, trees, all as far away as the horizon."""
    sky = np.asarray(lights.sky, np.float32)
    pale = np.array((0.9, 0.91, 0.92), np.float32) if not lights.night else 1.5 * sky
    blend = np.clip(slope / 0.7, 0, 1)[..., None]
    image = pale + blend * (sky - pale)
    clouds = np.clip(noise(rng, 5, side) * 0.5 + noise(rng, 14, side) * 0.2, 0, 1)[..., None]
    image = image + 0.35 * clouds * (pale - image)

    edges = np.cumsum(rng.uniform(0.1, 0.3, 9)).astype(np.float32) - 0.9
    house = np.searchsorted(edges, azimuth)
    tops = rng.uniform(-0.05, 0.42, 10).astype(np.float32)
    grey = rng.uniform(0.25, 0.75, (10, 1)) * np.ones(3) + rng.normal(0, 0.06, (10, 3))
    shade = (lights.at(0.0, 60.0) * (2.2 if lights.night else 1)).astype(np.float32)
    wall = np.clip(grey, 0.05, 0.95).astype(np.float32)[house] * shade
    pitch = rng.uniform(0.035, 0.08, 10).astype(np.float32)[house]
    column, row = np.floor(azimuth / pitch), np.floor(slope / (1.3 * pitch))
    inside = (np.abs(azimuth / pitch - column - 0.5) < 0.28) & (
        np.abs(slope / (1.3 * pitch) - row - 0.5) < 0.3
    )
    glass = np.broadcast_to(0.35 * sky + 0.04, wall.shape)
    if lights.night:
        burning = np.sin(column * 12.9898 + row * 78.233 + house * 3.7) * 43758.5453 % 1 < 0.3
        glass = np.where(burning[..., None], np.array((0.75, 0.6, 0.33), np.float32), 0.4 * glass)
    wall = np.where(inside[..., None], glass, wall)
    image = np.where((slope < tops[house])[..., None], wall, image)

    crowns = rng.normal(0.08, 0.1) + 0.09 * noise(rng, 9, side)[0] + 0.02 * noise(rng, 40, side)[1]
    position = np.clip((azimuth + 0.9) / 1.8 * side, 0, side - 1).astype(int)
    leaves = np.array(rng.uniform((0.14, 0.19, 0.08), (0.27, 0.32, 0.16)), np.float32)
    texture = 1 + 0.3 * noise(rng, 90, side) + 0.22 * noise(rng, 24, side)
    green = leaves * texture[..., None] * shade
    return np.where((slope < crowns[position])[..., None], green, image).astype(np.float32)


def _road(
    rng: np.random.Generator, across: np.ndarray, along: np.ndarray
) -> Float[np.ndarray, "side side 3"]:
    """Asphalt with grain, stains and lines, a kerb, and pavement or grass beside it."""
    table = rng.standard_normal((256, 256)).astype(np.float32)
    broad = noise(rng, 40, 256)

    def grain(scale: float, source: np.ndarray) -> np.ndarray:
        u, v = (across * scale).astype(np.int32) & 255, (along * scale).astype(np.int32) & 255
        return source[u, v]

    tone = rng.uniform(0.26, 0.46)
    tint = np.array((1.0, 0.99, 0.97) if rng.random() < 0.6 else (0.96, 0.99, 1.03), np.float32)
    # Grain finer than a pixel would only flicker, so it fades with distance.
    near = 1 / (1 + np.abs(along) / 6)
    level = (
        tone + 0.055 * near * grain(60, table) + 0.035 * grain(9, broad) + 0.02 * grain(25, broad)
    )
    level = level - 0.05 * np.exp(-(((np.abs(across) - 0.75) / 0.3) ** 2)) * rng.uniform(0, 1)
    lane, line = rng.uniform(1.6, 2.1), rng.uniform(0.05, 0.09)
    dash = (along % 7 < 3.2) | (rng.random() < 0.4)
    paint = (np.abs(np.abs(across) - lane) < line) & dash & (grain(30, table) > -1.3)
    level = np.where(paint, 0.80 + 0.05 * grain(20, broad), level)
    image: np.ndarray = level[..., None] * tint
    edge = rng.uniform(2.6, 6.5)
    kerb = np.abs(np.abs(across) - edge) < 0.14
    beside = np.abs(across) > edge
    if rng.random() < 0.5:
        joints = (along * 1.6 % 1 < 0.05) | (across * 1.6 % 1 < 0.05)
        slabs = 0.55 + 0.05 * grain(2, table) - 0.12 * joints
        outer = slabs[..., None] * np.array((1.0, 0.97, 0.92), np.float32)
    else:
        blades = 1 + 0.25 * near * grain(50, table) + 0.2 * grain(12, broad)
        outer = blades[..., None] * np.array((0.26, 0.34, 0.14), np.float32)
    image = np.where(beside[..., None], outer, image)
    image = np.where(kerb[..., None], np.float32(0.6), image)
    if rng.random() < 0.5:  # leaves between sun and road
        dapple = np.clip(1.6 * (grain(4, broad) + 0.1), 0, 1)[..., None]
        image = image * (1 - 0.45 * dapple)
    return image.astype(np.float32)


@dataclass(frozen=True)
class Post:
    """A sign or a lamp at the roadside.

    Attributes:
        kind: ``board``, ``round``, ``triangle`` or ``lamp``.
        x: Metres to the right.
        z: Metres away.
        height: Of its middle above the ground.
        seed: Of what is written on it.
    """

    kind: str
    x: float
    z: float
    height: float
    seed: int


def draw_posts(rng: np.random.Generator, lights: Lights, yaw: float, offset: float) -> list[Post]:
    """Choose the signs beside the road; every street lamp gets its post."""
    posts = [Post("lamp", x, z, 5.0, 0) for x, z in lights.lamps]
    for _ in range(int(rng.integers(0, 4))):
        kind = str(rng.choice(["board", "round", "triangle"], p=(0.5, 0.3, 0.2)))
        side = float(rng.choice([-1, 1]) * rng.uniform(2.4, 5.0))
        away = float(rng.uniform(4, 16))
        x = offset + np.cos(yaw) * side + np.sin(yaw) * away
        z = np.cos(yaw) * away - np.sin(yaw) * side
        posts.append(
            Post(
                kind,
                float(x),
                float(max(z, 2.5)),
                float(rng.uniform(1.7, 2.6)),
                int(rng.integers(2**31)),
            )
        )
    return posts


def paint_post(canvas: Canvas, post: Post, night: bool) -> None:
    """Paint a sign or a street lamp."""
    rng = np.random.default_rng(post.seed)
    x, y, z = post.x, post.height, post.z

    def upright(flat: np.ndarray, back: float = 0.0) -> np.ndarray:
        return np.column_stack([flat[:, 0] + x, flat[:, 1] + y, np.full(len(flat), z + back)])

    stick = np.array([(-0.03, -y), (0.03, -y), (0.03, 0.0), (-0.03, 0.0)])
    canvas.paint(upright(stick, 0.02), (0.45, 0.46, 0.47), (0.3, 0.3, 0.3))
    if post.kind == "lamp":
        head = np.array([(-0.28, 0.0), (0.28, 0.0), (0.22, 0.12), (-0.22, 0.12)])
        number = canvas.new("lamp")
        canvas.paint(upright(head), (1.0, 0.88, 0.66), None, number, emit=1.0 if night else 0.0)
        return
    number = canvas.new("sign")
    if post.kind == "round":
        canvas.paint(upright(disc(0.32)), (0.72, 0.07, 0.08), (0.6, 0.05, 0.06), number)
        canvas.paint(upright(disc(0.25), -0.01), (0.9, 0.9, 0.9), (0.82, 0.82, 0.82), number)
        bars = np.array([(-0.13, -0.05), (0.13, -0.05), (0.13, 0.05), (-0.13, 0.05)])
        canvas.paint(upright(bars, -0.02), (0.08, 0.08, 0.08), None, number)
    elif post.kind == "triangle":
        shape = np.array([(-0.38, -0.3), (0.38, -0.3), (0.0, 0.38)])
        canvas.paint(upright(shape), (0.75, 0.08, 0.08), None, number)
        canvas.paint(upright(0.66 * shape - (0, 0.02), -0.01), (0.93, 0.92, 0.88), None, number)
        bar = np.array([(-0.03, -0.12), (0.03, -0.12), (0.03, 0.12), (-0.03, 0.12)])
        canvas.paint(upright(bar, -0.02), (0.08, 0.08, 0.08), None, number)
    else:
        style = BOARDS[int(rng.integers(len(BOARDS)))]
        half = 0.5 * np.array((style.width, style.height)) * rng.uniform(0.6, 1.0)
        flat = np.array([(-1, 1), (1, 1), (1, -1), (-1, -1)]) * half
        texture = plate_texture(style, random_text(rng, style.pattern), 64, 0.4, post.seed)
        canvas.paste(upright(flat, -0.01), texture, number, canvas.light)
