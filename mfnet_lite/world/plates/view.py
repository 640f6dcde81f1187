"""A pinhole camera over a street.

Metres: X to the right, Y up, Z away from the camera, which stands at X = 0, Z = 0 above the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

NEAR = 0.25
"""Points closer to the camera than this many metres are pushed away, lest they land behind it."""


@dataclass(frozen=True)
class View:
    """Where the camera stands and looks.

    Attributes:
        focal: Focal length, in sides of the image.
        height: Above the ground, metres.
        pitch: Downwards, radians.
        roll: Clockwise tilt of the image, radians.
    """

    focal: float = 1.6
    height: float = 1.6
    pitch: float = 0.05
    roll: float = 0.0

    def project(self, points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 2"]:
        """See points of the street on the image.

        Args:
            points: X, Y, Z in metres.

        Returns:
            x to the right and y down, as fractions of the side.

        Example:
            >>> View(focal=1.0, height=2.0, pitch=0.0).project(np.array([[1.0, 0.0, 4.0]]))
            array([[0.75, 1.  ]])
        """
        x, up, away = points[:, 0], points[:, 1] - self.height, points[:, 2]
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        depth = np.maximum(c * away - s * up, NEAR)
        u, v = x / depth, -(c * up + s * away) / depth
        c, s = np.cos(self.roll), np.sin(self.roll)
        return 0.5 + self.focal * np.stack([c * u - s * v, s * u + c * v], axis=1)

    def ground(
        self, side: int
    ) -> tuple[
        Float[np.ndarray, "side side"],
        Float[np.ndarray, "side side"],
        Float[np.ndarray, "side side"],
        Float[np.ndarray, "side side"],
    ]:
        """Say where each pixel meets the ground.

        Args:
            side: Pixels of the image's side.

        Returns:
            X and Z in metres (up to 400), the ray's tangent to the right, and upwards: the ground lies
            where the latter is below 0.
        """
        axis = ((np.arange(side, dtype=np.float32) + np.float32(0.5)) / side - 0.5) / self.focal
        axis = axis.astype(np.float32)
        c, s = np.float32(np.cos(self.roll)), np.float32(np.sin(self.roll))
        u = c * axis[None, :] + s * axis[:, None]
        v = c * axis[:, None] - s * axis[None, :]
        c, s = np.float32(np.cos(self.pitch)), np.float32(np.sin(self.pitch))
        down, away = c * v + s, c - s * v
        reach = self.height / np.maximum(down, 1e-4)
        far = np.minimum(reach * away, 400)
        return np.clip(reach * u, -400, 400), far, u / away, -down / away
