"""Reflectances of the world's materials, and how ambiguity mixes them.

Each object draws two colours: an honest one of its own kind and an ambiguous one from the kind it can
be mistaken for, and a threshold. ``ambiguity`` above the threshold shows the second. The draws do not
depend on the parameter, so one object only ever switches between its two faces.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Colour = Float[np.ndarray, "4"]
"""Reflectance in R, G, B, NIR."""


def _table(*rows: tuple[float, float, float, float]) -> Float[np.ndarray, "n 4"]:
    return np.array(rows, np.float32)


HONEST_ROOFS = _table(
    (0.43, 0.205, 0.135, 0.39),
    (0.36, 0.150, 0.105, 0.33),
    (0.49, 0.265, 0.170, 0.44),
    (0.33, 0.165, 0.120, 0.30),
)
PAVINGS = _table(
    (0.24, 0.24, 0.25, 0.26),  # asphalt
    (0.30, 0.30, 0.30, 0.32),  # older asphalt
    (0.40, 0.39, 0.37, 0.42),  # concrete slabs
    (0.47, 0.45, 0.41, 0.49),  # light paving
    (0.19, 0.19, 0.21, 0.21),  # fresh bitumen, slate
    (0.40, 0.25, 0.18, 0.38),  # clinker, brick
    (0.36, 0.30, 0.25, 0.37),  # brown paving
)
GREYS = 5
"""How many of the first pavings are grey; without ambiguity nothing on the ground is red."""
LAWNS = _table(
    (0.20, 0.30, 0.12, 0.56),
    (0.24, 0.33, 0.14, 0.58),
    (0.29, 0.33, 0.16, 0.54),
    (0.33, 0.33, 0.19, 0.48),
)
HONEST_CROWNS = _table(
    (0.060, 0.130, 0.070, 0.36),
    (0.068, 0.145, 0.074, 0.40),
    (0.052, 0.115, 0.070, 0.32),
)
GREENS = _table(
    (0.13, 0.21, 0.085, 0.47),
    (0.17, 0.25, 0.10, 0.52),
    (0.21, 0.28, 0.12, 0.53),
    (0.25, 0.29, 0.14, 0.50),
)
"""Shared by crowns, shrubs and rough grass where they are ambiguous."""
HONEST_CARS = _table(  # neighbours blend, so they stand in an order that makes no odd colours
    (0.75, 0.76, 0.78, 0.70),
    (0.72, 0.60, 0.05, 0.60),
    (0.62, 0.05, 0.06, 0.45),
    (0.04, 0.04, 0.05, 0.06),
    (0.05, 0.19, 0.42, 0.20),
)
GREY_CARS = _table(
    (0.28, 0.29, 0.31, 0.30),
    (0.42, 0.43, 0.45, 0.42),
    (0.20, 0.20, 0.21, 0.20),
    (0.55, 0.56, 0.57, 0.53),
    (0.12, 0.13, 0.16, 0.14),
    (0.68, 0.69, 0.70, 0.64),
)
SOILS = _table((0.42, 0.33, 0.23, 0.46), (0.36, 0.29, 0.21, 0.41), (0.48, 0.41, 0.31, 0.52))
POND = np.array((0.075, 0.105, 0.095, 0.035), np.float32)
POOL = np.array((0.26, 0.55, 0.62, 0.09), np.float32)
SOLAR = np.array((0.06, 0.075, 0.14, 0.10), np.float32)
PAINT = np.array((0.68, 0.68, 0.66, 0.66), np.float32)
CONTAINERS = _table(
    (0.06, 0.25, 0.42, 0.22),
    (0.12, 0.36, 0.25, 0.26),
    (0.62, 0.62, 0.60, 0.60),
    (0.50, 0.14, 0.08, 0.38),
    (0.28, 0.22, 0.17, 0.27),
)

# Season multiplies the bands of vegetation: (evergreen or grass, leaves).
SEASON_GRASS = {
    "spring": (0.95, 1.06, 0.92, 1.08),
    "summer": (1.0, 1.0, 1.0, 1.0),
    "autumn": (1.30, 1.02, 1.05, 0.80),
    "winter": (1.35, 1.02, 1.25, 0.62),
}
SEASON_LEAVES = {
    "spring": (1.10, 1.15, 1.00, 1.05),
    "summer": (1.0, 1.0, 1.0, 1.0),
    "autumn": (2.10, 1.15, 0.80, 0.80),
    "winter": (1.45, 0.98, 1.50, 0.50),
}


def pick(table: Float[np.ndarray, "n 4"], hue: float, tone: float) -> Colour:
    """Pick a colour by a number in [0, 1) and lighten or darken it by another.

    Args:
        table: Reflectances to choose from.
        hue: Which one, in [0, 1); also blends towards the next, so that no two objects are quite alike.
        tone: 0…1, from 15 % darker to 15 % lighter.

    Returns:
        R, G, B, NIR reflectance.
    """
    position = hue * len(table)
    index = int(position) % len(table)
    blend = 0.35 * (position - int(position))
    colour = (1 - blend) * table[index] + blend * table[(index + 1) % len(table)]
    return (colour * (0.85 + 0.3 * tone)).astype(np.float32)


def confusion(ambiguity: float, threshold: float) -> float:
    """Return how far an object shows its ambiguous face, 0…1, steep around its threshold.

    Example:
        >>> confusion(0.0, 0.3), confusion(1.0, 0.3)
        (0.0, 1.0)
    """
    ramp = 0.15
    return float(np.clip((ambiguity * (1 + ramp) - threshold) / ramp, 0, 1))


def mix(honest: Colour, ambiguous: Colour, weight: float) -> Colour:
    """Blend two colours; weight 1 is the ambiguous one."""
    return ((1 - weight) * honest + weight * ambiguous).astype(np.float32)
