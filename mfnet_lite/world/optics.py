"""The camera: reflectance and light become four bands of a photograph.

``digital = tone((reflectance · (sun + sky)) · transmission + haze) + noise``, blurred by the lens.
The domains change the camera and the air, never the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from mfnet_lite.world.canvas import Canvas, smooth_noise
from mfnet_lite.world.config import WorldConfig
from mfnet_lite.world.light import cast_shadows, open_sky, sunlit


@dataclass(frozen=True)
class Camera:
    """What a domain means to the optical sensor.

    Attributes:
        sun: Direct light per band R, G, B, NIR; 0 at night.
        sky: Light from the sky, which also fills the shadows.
        haze: Share of the path light that hides the ground, 0…1.
        air: Colour of the haze.
        gain: Exposure.
        gamma: Tone curve's exponent.
        cross: How much each band leaks into its neighbours.
        blur: Lens blur, pixels (standard deviation).
        noise: Of the sensor, grey values.
        lamps: Light of street lamps; 0 by day.
    """

    sun: tuple[float, float, float, float] = (1.0, 0.97, 0.90, 1.0)
    sky: tuple[float, float, float, float] = (0.21, 0.245, 0.31, 0.16)
    haze: float = 0.02
    air: tuple[float, float, float, float] = (0.62, 0.66, 0.72, 0.5)
    gain: float = 1.28
    gamma: float = 0.72
    cross: float = 0.0
    blur: float = 0.62
    noise: float = 2.2
    lamps: float = 0.0


CAMERAS = {
    "clear": Camera(),
    "haze": Camera(haze=0.42, gain=1.15, blur=0.95, sun=(0.72, 0.70, 0.64, 0.8)),
    "night": Camera(
        sun=(0.0, 0.0, 0.0, 0.0),
        sky=(0.052, 0.060, 0.085, 0.045),
        haze=0.01,
        air=(0.10, 0.09, 0.10, 0.05),
        noise=7.0,
        blur=0.85,
        gain=1.6,
        lamps=0.8,
    ),
    "other_camera": Camera(
        sun=(0.92, 1.0, 1.10, 0.72),
        sky=(0.20, 0.27, 0.40, 0.12),
        gain=1.0,
        gamma=0.92,
        cross=0.14,
        blur=1.0,
        noise=3.2,
    ),
}


LAMP_COLOUR = (1.0, 0.80, 0.50, 0.40)


def _lamp_light(canvas: Canvas) -> Float[np.ndarray, "side side"]:
    """Return pools of light under the street lamps; roofs and crowns above them stay dark."""
    glow = np.zeros_like(canvas.top)
    for x, y in canvas.lamps:
        window = canvas.window(x, y, 20.0)
        if window is not None:
            dx, dy = canvas.local(window, x, y, 0.0)
            glow[window] += 1 / (1 + (dx * dx + dy * dy) / 25) ** 2
    return (glow / (1 + 0.3 * np.maximum(canvas.top - canvas.dtm, 0))).astype(np.float32)


def photograph(
    canvas: Canvas,
    config: WorldConfig,
    azimuth: float,
    elevation: float,
    rng: np.random.Generator,
) -> tuple[UInt8[np.ndarray, "4 size size"], Float[np.ndarray, "side side"]]:
    """Take the image.

    Args:
        canvas: The painted world.
        config: Parameters; domain, haze and noise matter here.
        azimuth: Of the sun, degrees clockwise from north.
        elevation: Of the sun, degrees.
        rng: Source of the sensor's noise.

    Returns:
        R, G, B, NIR as uint8, and the cast shadow (0…1) on the whole canvas for other sensors.
    """
    camera = CAMERAS[config.domain]
    shadow = cast_shadows(canvas.top, canvas.gsd, azimuth, elevation)
    relief_y, relief_x = np.gradient(canvas.dtm, canvas.gsd)
    facing = sunlit(canvas.slope_x + relief_x, canvas.slope_y + relief_y, azimuth, elevation)
    direct = facing * (1 - shadow) / np.float32(0.8)
    sky = open_sky(canvas.top, canvas.gsd)
    texture = (
        1
        + canvas.grain * canvas.fine_noise
        + canvas.clump * canvas.leaf_noise
        + np.float32(0.04) * canvas.patch_noise
    )
    texture = np.clip(texture, 0.25, 2.2)
    lamps = camera.lamps * _lamp_light(canvas) if camera.lamps else None
    inner = canvas.crop()
    haze = min(camera.haze + 0.55 * config.haze, 0.9)
    radius2 = (canvas.x[inner] ** 2 + canvas.y[inner] ** 2) / (0.5 * canvas.size * canvas.gsd) ** 2
    vignette = 1 - np.float32(0.035) * radius2
    bands = []
    for band in range(4):
        light = np.float32(camera.sun[band]) * direct + np.float32(camera.sky[band]) * sky
        if lamps is not None:
            light = light + lamps * np.float32(LAMP_COLOUR[band])
        radiance = (canvas.albedo[..., band] * texture * light)[inner]
        bands.append(ndimage.gaussian_filter(radiance, camera.blur))
    stack = np.stack(bands)
    if camera.cross:
        mean = stack.mean(axis=0, keepdims=True)
        stack = (1 - camera.cross) * stack + camera.cross * mean
    air = np.asarray(camera.air, np.float32)[:, None, None]
    stack = ((1 - haze) * stack + haze * air * np.float32(0.5)) * vignette
    grey = 255 * np.clip(stack * np.float32(camera.gain), 0, None) ** np.float32(camera.gamma)
    noise = rng.standard_normal(grey.shape, dtype=np.float32)
    blotch = smooth_noise(rng, grey.shape[1:], 1.2)
    level = np.float32(camera.noise * config.noise)
    grey = grey + level * (noise * (0.6 + grey / 400) + 0.4 * blotch)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), shadow
