"""A canvas that paints polygons of a street as its camera sees them (:mod:`~mfnet_lite.world.plates.view`).

Places on the image are fractions of its side, so a scene is planned without knowing the pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFilter

from mfnet_lite.world.plates.view import View

GLARE = 0.3
"""Light of its own above which a thing dazzles the lens."""


def rounded(points: Float[np.ndarray, "n axes"], share: float = 0.2) -> Float[np.ndarray, "m axes"]:
    """Round the corners of a polygon.

    Args:
        points: Corners, in any number of dimensions.
        share: How much of each edge the curve takes, up to 0.5.

    Returns:
        Five points per corner, on a parabola that touches both edges.
    """
    before = points + share * (np.roll(points, 1, axis=0) - points)
    after = points + share * (np.roll(points, -1, axis=0) - points)
    t = np.linspace(0, 1, 5)[None, :, None]
    curve = (
        (1 - t) ** 2 * before[:, None] + 2 * t * (1 - t) * points[:, None] + t**2 * after[:, None]
    )
    return curve.reshape(-1, points.shape[1])


def disc(radius: float, count: int = 20) -> Float[np.ndarray, "count 2"]:
    """Points of a circle around the origin."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


class Canvas:
    """Colour and object number of every pixel; what is painted later lies in front.

    Args:
        view: The camera.
        side: Pixels of the side.
    """

    def __init__(self, view: View, side: int) -> None:
        self.view, self.side = view, side
        self.rgb = np.zeros((side, side, 3), np.float32)
        self.glow = np.zeros((side, side, 3), np.float32)
        self.ids = np.zeros((side, side), np.int16)
        self.kinds: list[str] = []
        self.light = np.ones(3, np.float32)
        self.shining = False

    def new(self, kind: str) -> int:
        """Number a new object."""
        self.kinds.append(kind)
        return len(self.kinds)

    def see(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """Project points of the street to pixels."""
        return self.view.project(np.asarray(points, float)) * self.side

    def paint(
        self,
        points: Float[np.ndarray, "n 3"],
        top: ArrayLike,
        bottom: ArrayLike | None = None,
        number: int = 0,
        **look: float,
    ) -> None:
        """Paint a polygon of the street.

        Args:
            points: X, Y, Z of its corners.
            top: Colour at its upper edge, display values.
            bottom: Colour at its lower edge; None paints one colour.
            number: Of the object; 0 leaves the numbers below as they are.
            **look: ``alpha``, ``soft`` and ``emit`` of :meth:`paint_flat`.
        """
        self.paint_flat(self.see(points), top, bottom, number, **look)

    def paint_flat(
        self,
        pixels: Float[np.ndarray, "n 2"],
        top: ArrayLike,
        bottom: ArrayLike | None = None,
        number: int = 0,
        alpha: float = 1.0,
        soft: float = 0.0,
        emit: float = 0.0,
    ) -> None:
        """Paint a polygon given in pixels.

        Args:
            pixels: x, y of its corners.
            top: Colour at its upper edge, display values.
            bottom: Colour at its lower edge; None paints one colour.
            number: Of the object; 0 leaves the numbers below as they are.
            alpha: Opacity.
            soft: Width of a soft edge, as a fraction of the image's side.
            emit: Light of its own, which no darkness takes away; above 0.3 it glares.
        """
        margin = 1 + 3 * soft * self.side
        low = np.floor(pixels.min(axis=0) - margin)
        high = np.ceil(pixels.max(axis=0) + margin)
        x0, y0 = (int(max(value, 0)) for value in low)
        x1, y1 = (int(min(value, self.side)) for value in high)
        if x0 >= x1 or y0 >= y1:
            return
        shape = Image.new("L", (x1 - x0, y1 - y0))
        # A pixel's centre lies at .5; PIL counts centres as whole numbers.
        corners = [(x - x0 - 0.5, y - y0 - 0.5) for x, y in pixels]
        ImageDraw.Draw(shape).polygon(corners, fill=255)
        if soft:
            shape = shape.filter(ImageFilter.GaussianBlur(soft * self.side))
        window = slice(y0, y1), slice(x0, x1)
        upper = np.asarray(top, np.float32)
        colour = upper
        if bottom is not None:
            ramp = (np.arange(y0, y1) - pixels[:, 1].min()) / max(np.ptp(pixels[:, 1]), 1)
            ramp = np.clip(ramp, 0, 1).astype(np.float32)[:, None, None]
            colour = upper + ramp * (np.asarray(bottom, np.float32) - upper)
        shown = colour * np.maximum(self.light, np.float32(emit))
        inside = np.asarray(shape) > 127
        if soft or alpha < 1:
            share = np.asarray(shape, np.float32)[..., None] * np.float32(alpha / 255)
            self.rgb[window] += share * (shown - self.rgb[window])
        else:
            np.copyto(self.rgb[window], shown, where=inside[..., None])
            if emit > GLARE or self.shining:  # what lies in front of a lamp hides its glare
                self.shining = True
                glare = np.float32(max(emit - GLARE, 0)) * colour
                np.copyto(self.glow[window], glare, where=inside[..., None])
        if number:
            self.ids[window][inside] = number

    def paste(
        self,
        corners: Float[np.ndarray, "4 3"],
        texture: Float[np.ndarray, "rows cols 3"],
        number: int,
        light: Float[np.ndarray, " 3"],
    ) -> Float[np.ndarray, "4 2"]:
        """Lay a texture on a flat quadrilateral of the street, in true perspective.

        Args:
            corners: Upper left, upper right, lower right, lower left.
            texture: Display values.
            number: Of the object.
            light: Multiplies the texture.

        Returns:
            The corners in pixels.
        """
        pixels = self.see(corners)
        low, high = np.floor(pixels.min(axis=0)) - 1, np.ceil(pixels.max(axis=0)) + 1
        x0, y0 = (int(max(value, 0)) for value in low)
        x1, y1 = (int(min(value, self.side)) for value in high)
        if x0 >= x1 or y0 >= y1:
            return pixels
        # Shrink the texture first, else the sampling would skip most of its pixels.
        rows = max(4, round(1.2 * float(np.linalg.norm(pixels[3] - pixels[0]))))
        cols = max(8, round(1.2 * float(np.linalg.norm(pixels[1] - pixels[0]))))
        size = min(cols, texture.shape[1]), min(rows, texture.shape[0])
        image = Image.fromarray(np.rint(255 * np.clip(texture, 0, 1)).astype(np.uint8))
        image = image.resize(size, Image.Resampling.BOX)
        source = np.array([(0, 0), (size[0], 0), size, (0, size[1])], float)
        matrix = homography(pixels - (x0, y0), source)
        warped = image.transform(
            (x1 - x0, y1 - y0),
            Image.Transform.PERSPECTIVE,
            tuple(matrix),
            Image.Resampling.BILINEAR,
        )
        inside = contains(pixels - (x0, y0), warped.size[1], warped.size[0])
        window = slice(y0, y1), slice(x0, x1)
        shown = np.asarray(warped, np.float32) / 255 * np.asarray(light, np.float32)
        self.rgb[window][inside] = shown[inside]
        self.glow[window][inside] = 0
        self.ids[window][inside] = number
        return pixels


def turned(pixels: Float[np.ndarray, "n 2"]) -> bool:
    """Whether a polygon runs counter-clockwise on the image, as its outside does.

    Example:
        >>> turned(np.array([(0, 1), (1, 1), (1, 0)])), turned(np.array([(0, 0), (1, 0), (1, 1)]))
        (True, False)
    """
    x, y = pixels[:, 0], pixels[:, 1]
    area = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() + x[-1] * y[0] - x[0] * y[-1]
    return bool(area < 0)


def contains(
    corners: Float[np.ndarray, "n 2"], height: int, width: int
) -> Bool[np.ndarray, "height width"]:
    """Say which pixels have their centre inside a convex polygon.

    Args:
        corners: Clockwise on the image, x and y in pixel edges.
        height: Rows.
        width: Columns.

    Example:
        >>> contains(np.array([(0, 0), (2, 0), (2, 1), (0, 1)]), 2, 3).astype(int)
        array([[1, 1, 0],
               [0, 0, 0]])
    """
    x, y = np.arange(width)[None] + 0.5, np.arange(height)[:, None] + 0.5
    inside = np.ones((height, width), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
    return inside


def homography(
    start: Float[np.ndarray, "4 2"], end: Float[np.ndarray, "4 2"]
) -> Float[np.ndarray, " 8"]:
    """Solve for the eight numbers of the perspective map that takes four points to four others.

    Args:
        start: Points of the image that is written.
        end: Points of the image that is read.

    Returns:
        a … h of ``x' = (ax + by + c) / (gx + hy + 1)``, ``y' = (dx + ey + f) / (gx + hy + 1)``.

    Example:
        >>> square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float)
        >>> [round(float(n), 6) for n in homography(square, 2 * square)[:3]]
        [2.0, 0.0, 0.0]
    """
    rows, values = [], []
    for (x, y), (u, v) in zip(start, end, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(values, float))
