"""The camera of the plate images: glare, defocus, motion, exposure, noise, JPEG."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
from scipy import ndimage

from mfnet_lite.world.plates.polygon_canvas import Canvas
from mfnet_lite.world.plates.street import Lights


def photograph(
    canvas: Canvas,
    rng: np.random.Generator,
    lights: Lights,
    size: int,
    blur: float = 1.0,
    noise: float = 1.0,
) -> UInt8[np.ndarray, "3 size size"]:
    """Turn the painted canvas into a photograph.

    Args:
        canvas: Display values, and what glares.
        rng: Source of randomness.
        lights: The light.
        size: Side of the photograph.
        blur: Scales defocus and motion blur; 0 is a perfect lens.
        noise: Scales the sensor's noise.

    Returns:
        Red, green, blue.
    """
    side = canvas.side
    scale = side // size
    image: np.ndarray = canvas.rgb
    if canvas.shining:
        small = _shrink(canvas.glow, 8 if side % 8 == 0 else scale)
        halo = sum(
            share * ndimage.gaussian_filter(small, (width * len(small), width * len(small), 0))
            for share, width in ((2.2, 0.010), (2.0, 0.035), (2.5, 0.11))
        )
        rows = np.arange(side) * len(small) // side
        image = image + (1.0 if lights.night else 0.35) * np.asarray(halo)[rows][:, rows]
    image = _shrink(image, scale)

    unit = size / 256
    soft = rng.uniform(0.25, 0.8) if rng.random() < 0.8 else rng.uniform(0.9, 2.2)
    image = ndimage.gaussian_filter(image, (soft * unit * blur, soft * unit * blur, 0))
    length, angle = rng.uniform(2, 6) * unit * blur, rng.normal(0, 0.5)
    if rng.random() < 0.28 and length >= 2:
        steps = np.linspace(-0.5, 0.5, int(np.ceil(length)) + 1) * length
        shifts = {(round(t * np.sin(angle)), round(t * np.cos(angle))) for t in steps}
        reach = int(np.ceil(length))
        padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
        image = np.mean(
            [
                padded[reach + dy : reach + dy + size, reach + dx : reach + dx + size]
                for dy, dx in sorted(shifts)
            ],
            axis=0,
        )

    axis = np.linspace(-1, 1, size, dtype=np.float32)
    vignette = (
        1 - np.float32(rng.uniform(0.05, 0.3)) * (axis[:, None] ** 2 + axis**2)[..., None] / 2
    )
    gain = rng.uniform(0.85, 1.2) * (rng.uniform(1.1, 1.5) if lights.night else 1)
    balance = 1 + rng.normal(0, 0.035, 3)
    image = image * vignette * (gain * balance).astype(np.float32)
    haze = rng.uniform(0, 0.12) * (0.4 if lights.night else 1)
    image = image * (1 - haze) + haze * np.mean(lights.sky)
    # A film-like shoulder keeps lamps from clipping into flat patches.
    image = np.clip(image, 0, None)
    image = np.where(image > 0.8, 0.8 + 0.2 * np.tanh((image - 0.8) / 0.2), image)
    level = rng.uniform(0.004, 0.016) * (2.2 if lights.night else 1) * noise
    image = image + level * (0.4 + image) * rng.standard_normal(image.shape, np.float32)
    image = image + level * 0.7 * rng.standard_normal((size, size, 1), np.float32)
    grey = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    quality = int(rng.integers(55, 96))
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1).copy()


def _shrink(image: Float[np.ndarray, "h w 3"], scale: int) -> Float[np.ndarray, "h/s w/s 3"]:
    """Average square blocks of pixels."""
    total = np.zeros((image.shape[0] // scale, image.shape[1] // scale, 3), np.float32)
    for row in range(scale):  # several times as fast as a mean over two axes
        for column in range(scale):
            total += image[row::scale, column::scale]
    return total / np.float32(scale * scale)
