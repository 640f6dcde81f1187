"""Class colours that stay apart for colour-blind readers.

The official colours of the ISPRS benchmark (pure blue, cyan, green, yellow, red, white) belong in files, where other
software expects them. In figures they fail: green and yellow, or cyan and white, merge under the common colour-vision
deficiencies. The palettes here start from Okabe and Ito's set (*Color universal design*, 2008) and are checked by
:func:`separation`, which simulates the three deficiencies and returns the smallest perceived difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy.typing import NDArray

from mfnet_lite.utils.labels import IGNORE_INDEX

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """Names and colours of the classes of one task, by class index.

    Args:
        names: One readable name per class.
        colours: One sRGB triple (0 to 255) per class.
        ignored: Colour of pixels labelled :data:`~mfnet_lite.utils.labels.IGNORE_INDEX`: a grey, since black is a
            spoilt pixel beside compared maps.
    """

    names: tuple[str, ...]
    colours: tuple[RGB, ...]
    ignored: RGB = (128, 128, 128)

    def __post_init__(self) -> None:
        """Refuse a palette whose names and colours do not match."""
        if len(self.names) != len(self.colours):
            raise ValueError(
                f"expected one colour per class name, got {len(self.names)} names and {len(self.colours)} colours"
            )

    def __len__(self) -> int:
        return len(self.names)

    def hex(self, index: int) -> str:
        """Colour of class ``index`` as ``#rrggbb``, the form matplotlib and HTML take; 255 is what has no class."""
        colour = self.ignored if index == IGNORE_INDEX else self.colours[index]
        return "#{:02x}{:02x}{:02x}".format(*colour)

    def name(self, index: int) -> str:
        """Name of class ``index``; 255 is what has no class."""
        return "no class" if index == IGNORE_INDEX else self.names[index]

    def paint(
        self, label: Integer[np.ndarray, "height width"]
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Turn a map of class indices into an image.

        Args:
            label: Class indices; :data:`~mfnet_lite.utils.labels.IGNORE_INDEX` marks pixels without a class.

        Returns:
            The image, sRGB 0 to 255.

        Raises:
            ValueError: If ``label`` holds a value that is neither a class of the palette nor 255.

        Example:
            >>> import numpy as np
            >>> BINARY.paint(np.array([[0, 1], [1, 255]]))[1, 0].tolist()
            [213, 94, 0]
        """
        label = np.asarray(label)
        values = np.unique(label)
        strange = values[((values < 0) | (values >= len(self))) & (values != IGNORE_INDEX)]
        if strange.size:
            raise ValueError(
                f"expected labels 0 to {len(self) - 1} or {IGNORE_INDEX} for a palette of {len(self)} classes, "
                f"got {strange.tolist()}; check the number of classes or remap the labels"
            )
        table = np.tile(np.array(self.ignored, dtype=np.uint8), (IGNORE_INDEX + 1, 1))
        table[: len(self)] = np.array(self.colours, dtype=np.uint8)
        return table[label.astype(np.int64)]


ISPRS = Palette(
    names=("impervious surface", "building", "low vegetation", "tree", "car", "clutter"),
    colours=(
        (235, 235, 235),
        (30, 50, 200),
        (255, 198, 36),
        (18, 153, 110),
        (202, 58, 13),
        (221, 98, 196),
    ),
)
BINARY = Palette(names=("background", "object"), colours=((200, 200, 200), (213, 94, 0)))
CHANGE = Palette(names=("unchanged", "changed"), colours=((200, 200, 200), (204, 51, 17)))
ERRORS = Palette(
    names=("true negative", "true positive", "false positive", "false negative"),
    colours=((225, 225, 225), (0, 90, 181), (230, 159, 0), (170, 40, 110)),
)
"""Outcome of a binary decision, drawn in the same colours in the whole book."""


def instance_palette(count: int) -> UInt8[np.ndarray, "colours 3"]:
    """Colours for numbered objects, where only neighbours need to differ and no number has a meaning.

    Hues step by the golden angle, so any run of consecutive numbers is spread over the circle; lightness alternates
    between three levels, so that neighbours differ for colour-blind readers too. Number 0 is dark grey, no object.

    Args:
        count: Largest object number.

    Returns:
        ``count + 1`` colours, sRGB 0 to 255.

    Example:
        >>> instance_palette(3).shape
        (4, 3)
    """
    index = np.arange(1, count + 1)
    hue = 2 * np.pi * (index * 0.618033988749895 % 1.0)
    light = np.array([0.45, 0.7, 0.9])[index % 3]
    swing = np.array([0.0, 2 * np.pi / 3, 4 * np.pi / 3])
    rgb = light[:, None] * (0.62 + 0.38 * np.cos(hue[:, None] - swing[None, :]))
    coloured = np.clip(np.rint(255 * rgb), 0, 255).astype(np.uint8)
    return np.concatenate([np.full((1, 3), 45, dtype=np.uint8), coloured])


# Machado, Oliveira and Fernandes (2009), severity 1.0, acting on linear RGB.
DEFICIENCIES: dict[str, NDArray[np.float64]] = {
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _TO_XYZ.sum(axis=1)


def _linear(colours: Sequence[RGB]) -> Float[np.ndarray, "colours 3"]:
    """Undo the sRGB transfer curve; result in [0, 1]."""
    value = np.asarray(colours, dtype=np.float64) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def perceived(
    colours: Sequence[RGB], deficiency: str | None = None
) -> Float[np.ndarray, "colours 3"]:
    """CIELAB coordinates of colours as a reader with ``deficiency`` sees them.

    Args:
        colours: sRGB triples, 0 to 255.
        deficiency: A key of :data:`DEFICIENCIES`, or None for normal vision.

    Returns:
        L*, a*, b* per colour; the Euclidean distance of two rows is the CIE 1976 colour difference.

    Raises:
        ValueError: If the deficiency is unknown.
    """
    linear = _linear(colours)
    if deficiency is not None:
        if deficiency not in DEFICIENCIES:
            raise ValueError(
                f"expected a deficiency out of {sorted(DEFICIENCIES)}, got {deficiency!r}"
            )
        linear = np.clip(linear @ DEFICIENCIES[deficiency].T, 0, 1)
    relative = linear @ _TO_XYZ.T / _WHITE
    cubed = (6 / 29) ** 3
    curve = np.where(relative > cubed, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = curve.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def separation(palette: Palette) -> dict[str, float]:
    """Smallest perceived difference between two classes, for normal vision and every deficiency.

    A difference of about 2.3 is just noticeable side by side; a map is easy to read from about 15 on.

    Args:
        palette: The colours to judge.

    Returns:
        The smallest CIE 1976 difference by kind of vision.

    Example:
        >>> sorted(separation(CHANGE))
        ['deuteranopia', 'normal', 'protanopia', 'tritanopia']
    """
    result = {}
    for kind in (None, *DEFICIENCIES):
        lab = perceived(palette.colours, kind)
        result[kind or "normal"] = min(
            float(np.linalg.norm(lab[first] - lab[second]))
            for first, second in combinations(range(len(palette)), 2)
        )
    return result
