"""Colours and sizes that all diagrams share, light and dark.

What is frozen and what is trained differs in colour, in the strength of the border and in a mark, a snowflake or a
flame. So it shows in print and to colour-blind readers as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["frozen", "trained", "part", "step", "data", "here", "needed", "other"]
"""Frozen weights; trained weights; weights of which neither is said; a step without weights; a map or tokens; of the
road maps the chapter itself, one that it builds on, any other."""

WIDTH = 440
"""Of a picture: on a telephone its letters still have nine tenths of a page's usual size."""
ENLARGED = 1.15
"""Size on a wide page beside the units of the picture."""
LARGE, SMALL = 15, 13
"""Sizes of the first line in a box and of all other letters."""
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Look:
    """Fill and border of a box.

    Attributes:
        fill: Colour inside.
        line: Colour of the border and of the mark.
        wide: Width of the border.
    """

    fill: str
    line: str
    wide: float = 1.2


@dataclass(frozen=True)
class Theme:
    """Colours of a picture.

    Attributes:
        name: ``"light"`` or ``"dark"``.
        ground: Behind everything.
        ink: Letters.
        line: Arrows and frames.
        inside: Ground of a frame.
        looks: Of each kind of box.
    """

    name: str
    ground: str
    ink: str
    line: str
    inside: str
    looks: Mapping[Kind, Look]


LIGHT = Theme(
    name="light",
    ground="#ffffff",
    ink="#17212b",
    line="#5b6772",
    inside="#f6f8fa",
    looks={
        "frozen": Look("#dcebf7", "#2a6496"),
        "trained": Look("#fce3cc", "#b34700", 2.2),
        "part": Look("#e6e8ee", "#5b6772"),
        "step": Look("#ffffff", "#5b6772"),
        "data": Look("#eef6ea", "#5f8a4e"),
        "here": Look("#fce3cc", "#b34700", 2.6),
        "needed": Look("#dcebf7", "#2a6496", 2.0),
        "other": Look("#ffffff", "#8a949e"),
    },
)
DARK = Theme(
    name="dark",
    ground="#121212",
    ink="#e9eef3",
    line="#9aa7b3",
    inside="#1b1f25",
    looks={
        "frozen": Look("#17384f", "#6db6e8"),
        "trained": Look("#54300f", "#f0a35e", 2.2),
        "part": Look("#323a45", "#9aa7b3"),
        "step": Look("#121212", "#9aa7b3"),
        "data": Look("#22351f", "#8fc27c"),
        "here": Look("#54300f", "#f0a35e", 2.6),
        "needed": Look("#17384f", "#6db6e8", 2.0),
        "other": Look("#121212", "#76828e"),
    },
)
THEMES = (LIGHT, DARK)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as the Web Content Accessibility Guidelines define it, 1 to 21.

    Args:
        one: Such as ``"#ffffff"``.
        other: The other colour.

    Example:
        >>> round(contrast("#ffffff", "#000000"))
        21
    """
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """Return the relative luminance of a colour."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
