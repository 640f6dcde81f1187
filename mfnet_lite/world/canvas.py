"""The canvas on which the world is painted: one raster per quality of the ground.

It is a little larger than the scene, so that roofs and crowns just outside still throw their shadow
in. Objects are painted one after the other into small windows; what stands higher stays visible.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage

PAD_M = 12.0
"""Width of the invisible border, metres: the length of a house's shadow at noon in spring."""

# Materials decide what radar and thermal cameras see; classes do not (a pool and a tank are clutter).
ASPHALT, CONCRETE, SOIL, GRASS, SHRUB, CROWN, TILES, METAL, GLASS, CAR_BODY, WATER = range(11)


@dataclass(frozen=True)
class SceneObject:
    """One class-free object of the scene.

    Attributes:
        id: Its value in the instance raster, from 1.
        kind: Plain word: house, garage, hall, crown, car, lawn, pool, …
        label: Its ISPRS class.
        height: Metres above ground at its highest point.
        box: First and last+1 row and column of its visible part, ``(row0, row1, col0, col1)``.
        pixels: How many pixels are visible.
    """

    id: int
    kind: str
    label: int
    height: float
    box: tuple[int, int, int, int]
    pixels: int


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int], sigma: float
) -> Float[np.ndarray, "rows cols"]:
    """Draw Gaussian noise of unit variance whose spots have a radius of ``sigma`` pixels.

    Wide spots are drawn on a coarse grid and enlarged, which costs the same at every width.

    Args:
        rng: Random generator.
        shape: Rows and columns.
        sigma: Radius of the spots, pixels.

    Returns:
        float32, mean 0, standard deviation 1.
    """
    step = max(1, int(sigma / 1.5))
    coarse = tuple(-(-n // step) + 3 for n in shape)
    noise = rng.standard_normal(coarse, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, sigma / step, mode="wrap")
    if step > 1:
        noise = ndimage.zoom(noise, step, order=1)
    noise = noise[: shape[0], : shape[1]]
    noise = noise - noise.mean()
    return (noise / max(float(noise.std()), 1e-6)).astype(np.float32)


@dataclass
class Canvas:
    """Rasters under construction, all ``(side, side)``; ``albedo`` has a last axis R, G, B, NIR.

    ``x`` points east and ``y`` south, both in metres from the scene's centre. ``top`` is the highest
    surface in metres, ``slope_x`` and ``slope_y`` its analytic slopes (so that walls get none),
    ``grain`` and ``clump`` the strength of fine and leaf-sized texture.
    """

    size: int
    gsd: float
    pad: int
    x: Float[np.ndarray, "side side"]
    y: Float[np.ndarray, "side side"]
    dtm: Float[np.ndarray, "side side"]
    top: Float[np.ndarray, "side side"]
    albedo: Float[np.ndarray, "side side 4"]
    grain: Float[np.ndarray, "side side"]
    clump: Float[np.ndarray, "side side"]
    slope_x: Float[np.ndarray, "side side"]
    slope_y: Float[np.ndarray, "side side"]
    label: UInt8[np.ndarray, "side side"]
    material: UInt8[np.ndarray, "side side"]
    instances: Int[np.ndarray, "side side"]
    fine_noise: Float[np.ndarray, "side side"]
    leaf_noise: Float[np.ndarray, "side side"]
    patch_noise: Float[np.ndarray, "side side"]
    kinds: list[tuple[str, int, float]] = field(default_factory=list)
    lamps: list[tuple[float, float]] = field(default_factory=list)

    def new_object(self, kind: str, label: int, height: float = 0.0) -> int:
        """Register an object and return its instance id."""
        self.kinds.append((kind, label, height))
        return len(self.kinds)

    def window(self, x: float, y: float, radius: float) -> tuple[slice, slice] | None:
        """Return the rows and columns within ``radius`` metres, or ``None`` outside the canvas."""
        half = self.size / 2 + self.pad
        side = self.top.shape[0]
        row0, row1 = (int(np.floor((y + k) / self.gsd + half)) for k in (-radius, radius))
        col0, col1 = (int(np.floor((x + k) / self.gsd + half)) for k in (-radius, radius))
        row0, col0 = max(row0, 0), max(col0, 0)
        row1, col1 = min(row1 + 2, side), min(col1 + 2, side)
        if row0 >= row1 or col0 >= col1:
            return None
        return slice(row0, row1), slice(col0, col1)

    def local(
        self, window: tuple[slice, slice], x: float, y: float, angle: float
    ) -> tuple[Float[np.ndarray, "rows cols"], Float[np.ndarray, "rows cols"]]:
        """Return coordinates along and across a direction, metres from the point ``(x, y)``."""
        dx, dy = self.x[window] - np.float32(x), self.y[window] - np.float32(y)
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        return dx * c + dy * s, dy * c - dx * s

    def ground_at(self, x: float, y: float) -> float:
        """Return the terrain height at a point, metres, clamped to the canvas."""
        half, last = self.size / 2 + self.pad, self.top.shape[0] - 1
        row = min(max(int(y / self.gsd + half), 0), last)
        col = min(max(int(x / self.gsd + half), 0), last)
        return float(self.dtm[row, col])

    def paint(
        self,
        window: tuple[slice, slice],
        mask: Bool[np.ndarray, "rows cols"],
        colour: Float[np.ndarray, ...],
        *,
        label: int,
        material: int,
        instance: int = 0,
        grain: float = 0.05,
        clump: float = 0.0,
        top: Float[np.ndarray, "rows cols"] | float | None = None,
        slope: tuple[Float[np.ndarray, ...] | float, Float[np.ndarray, ...] | float] = (
            0.0,
            0.0,
        ),
    ) -> None:
        """Paint one object where it is at least as high as what is already there.

        Args:
            window: Rows and columns.
            mask: Where the object is.
            colour: Reflectance R, G, B, NIR in [0, 1]; four numbers or one set per pixel.
            label: ISPRS class.
            material: A material of this module.
            instance: Id from :meth:`new_object`; 0 is background.
            grain: Strength of the fine texture.
            clump: Strength of the leaf-sized texture.
            top: Surface height, metres; ``None`` lays the object on the bare terrain.
            slope: Analytic slopes towards east and south.
        """
        if top is not None:
            high = np.broadcast_to(np.asarray(top, np.float32), mask.shape)
            mask = mask & (high >= self.top[window])
            self.top[window][mask] = high[mask]
        else:
            self.top[window][mask] = self.dtm[window][mask]
        colours = np.broadcast_to(colour, (*mask.shape, 4))
        self.albedo[window][mask] = colours[mask]
        for raster, value in ((self.slope_x, slope[0]), (self.slope_y, slope[1])):
            raster[window][mask] = np.broadcast_to(np.asarray(value, np.float32), mask.shape)[mask]
        self.grain[window][mask] = grain
        self.clump[window][mask] = clump
        self.label[window][mask] = label
        self.material[window][mask] = material
        self.instances[window][mask] = instance

    def crop(self) -> tuple[slice, slice]:
        """Return the rows and columns of the visible scene."""
        inner = slice(self.pad, self.pad + self.size)
        return inner, inner


def objects_of(
    instances: Int[np.ndarray, "rows cols"], kinds: list[tuple[str, int, float]]
) -> tuple[SceneObject, ...]:
    """List the objects that are visible in an instance raster.

    Args:
        instances: Ids, 0 for background.
        kinds: Kind, class and height of id 1, 2, ….

    Returns:
        The visible objects by ascending id.
    """
    counts = np.bincount(instances.ravel(), minlength=len(kinds) + 1)
    boxes = ndimage.find_objects(instances, max_label=len(kinds))
    found = []
    for index, (kind, label, height) in enumerate(kinds, start=1):
        box = boxes[index - 1]
        if box is not None:
            rows, cols = box
            corner = (rows.start, rows.stop, cols.start, cols.stop)
            found.append(SceneObject(index, kind, label, height, corner, int(counts[index])))
    return tuple(found)
