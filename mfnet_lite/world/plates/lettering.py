"""What is written on plates and boards: letters of our own, drawn as strokes, and the styles of plates.

No font file is needed. A letter is a few lines through the points of a grid 4 wide and 6 high, row 0 at
the top; ``"06 20 46|14 34"`` is an A: one line over three points, then the bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

Colour = tuple[float, float, float]

STROKES = {
    "A": "06 02 20 42 46|04 44", "B": "00 30 41 42 33 03|33 44 45 36 06 00", "C": "41 30 10 01 05 16 36 45",
    "D": "00 30 42 44 36 06 00", "E": "40 00 06 46|03 33", "F": "40 00 06|03 33",
    "G": "41 30 10 01 05 16 36 45 43 23", "H": "00 06|40 46|03 43", "I": "20 26|10 30|16 36",
    "J": "40 45 36 16 05", "K": "00 06|40 03 46", "L": "00 06 46", "M": "06 00 23 40 46",
    "N": "06 00 46 40", "O": "10 30 41 45 36 16 05 01 10", "P": "06 00 30 41 42 33 03",
    "Q": "10 30 41 45 36 16 05 01 10|24 46", "R": "06 00 30 41 42 33 03|23 46",
    "S": "41 30 10 01 02 13 33 44 45 36 16 05", "T": "00 40|20 26", "U": "00 05 16 36 45 40",
    "V": "00 26 40", "W": "00 16 22 36 40", "X": "00 46|40 06", "Y": "00 23 40|23 26", "Z": "00 40 06 46",
    "0": "10 30 41 45 36 16 05 01 10|41 05", "1": "12 20 26|16 36", "2": "01 10 30 41 42 06 46",
    "3": "00 40 23 33 44 45 36 16 05", "4": "36 30 04 44", "5": "40 00 02 32 43 45 36 16 05",
    "6": "40 20 02 05 16 36 45 44 33 03", "7": "00 40 16", "8": "10 30 41 42 33 13 02 01 10|13 04 05 16 36 45 44 33",
    "9": "06 26 44 41 30 10 01 02 13 43", "-": "13 33", " ": "",
}  # fmt: skip
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"


@dataclass(frozen=True)
class PlateStyle:
    """How the plates of a region look.

    Attributes:
        name: Word for it.
        width: Metres.
        height: Metres.
        ground: Colour of the plate, display values in [0, 1].
        ink: Colour of the letters.
        pattern: ``A`` a letter, ``9`` a digit, ``-`` and blank as they are, ``/`` begins a second line.
        band: Colour of a strip at the left, if there is one.
        head: Colour of a strip along the top, if there is one.
    """

    name: str
    width: float
    height: float
    ground: Colour
    ink: Colour
    pattern: str
    band: Colour | None = None
    head: Colour | None = None


STYLES = (
    PlateStyle("grey", 0.42, 0.135, (0.74, 0.75, 0.74), (0.10, 0.10, 0.11), "AAA-9999"),
    PlateStyle("red", 0.42, 0.135, (0.68, 0.09, 0.10), (0.94, 0.92, 0.90), "AAA-9999"),
    PlateStyle("white", 0.52, 0.115, (0.92, 0.93, 0.92), (0.06, 0.06, 0.08), "AA AA 999", (0.06, 0.16, 0.55)),
    PlateStyle("yellow", 0.52, 0.115, (0.93, 0.76, 0.10), (0.07, 0.07, 0.07), "AA99 AAA"),
    PlateStyle("blue", 0.44, 0.142, (0.08, 0.20, 0.62), (0.93, 0.94, 0.96), "AA 9A999"),
    PlateStyle("green", 0.48, 0.142, (0.62, 0.86, 0.70), (0.05, 0.08, 0.07), "AA 999999"),
    PlateStyle("headed", 0.42, 0.138, (0.93, 0.94, 0.93), (0.08, 0.09, 0.12), "AAA9A99", None, (0.08, 0.20, 0.58)),
    PlateStyle("square", 0.31, 0.21, (0.90, 0.91, 0.90), (0.07, 0.07, 0.09), "AAA/9999"),
)  # fmt: skip


def random_text(rng: np.random.Generator, pattern: str) -> str:
    """Fill a pattern with letters and digits.

    Args:
        rng: Source of randomness.
        pattern: ``A`` a letter, ``9`` a digit; anything else stays.

    Example:
        >>> random_text(np.random.default_rng(0), "AA-9/9")
        'WQ-5/2'
    """
    draw = {"A": LETTERS, "9": DIGITS}
    return "".join(str(rng.choice(list(draw[c]))) if c in draw else c for c in pattern)


@cache
def _lines(letter: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    """The strokes of a letter as points (x, y) of the grid."""
    return tuple(
        tuple((int(point[0]), int(point[1])) for point in line.split())
        for line in STROKES[letter].split("|")
        if line
    )


def write_line(
    draw: ImageDraw.ImageDraw, text: str, box: tuple[float, float, float, float], weight: float
) -> None:
    """Draw one line of text into a box, as large as fits, with round joints.

    Args:
        draw: Of an image in mode ``L``; letters become 255.
        text: Letters, digits, blanks and hyphens.
        box: Left, top, right, bottom in pixels.
        weight: Width of a stroke, as a share of the width of a letter.
    """
    left, top, right, bottom = box
    advance = (right - left) / max(len(text), 1)
    step = (0.72 * advance / 4, (bottom - top) / 6)
    stroke = max(1, round(weight * 4 * step[0]))
    for index, letter in enumerate(text):
        x0 = left + (index + 0.14) * advance
        for line in _lines(letter):
            points = [(x0 + x * step[0], top + y * step[1]) for x, y in line]
            draw.line(points, fill=255, width=stroke, joint="curve")
            for x, y in points:
                r = stroke / 2
                draw.ellipse((x - r, y - r, x + r, y + r), fill=255)


def plate_texture(
    style: PlateStyle, text: str, height: int = 64, dirt: float = 0.0, seed: int = 0
) -> Float[np.ndarray, "rows cols 3"]:
    """Draw a plate from straight ahead.

    Args:
        style: Colours and size.
        text: What is written, ``/`` begins a second line.
        height: In pixels; the width follows from the style.
        dirt: 0 is new, 1 is a plate after a winter.
        seed: Of the dirt.

    Returns:
        Display values in [0, 1].

    Example:
        >>> plate_texture(STYLES[0], "ABC-1234", height=27).shape
        (27, 84, 3)
    """
    width = round(height * style.width / style.height)
    image: np.ndarray = np.empty((height, width, 3), np.float32)
    image[:] = style.ground
    left, top = 0.05 * width, 0.17 * height
    if style.band:
        image[:, : round(0.09 * width)] = style.band
        left = 0.12 * width
    if style.head:
        image[: round(0.22 * height)] = style.head
        top = 0.31 * height
    ink = Image.new("L", (width, height))
    draw = ImageDraw.Draw(ink)
    lines = text.split("/")
    room = (0.86 * height - top) / len(lines)
    for index, line in enumerate(lines):
        y = top + index * room + (0.08 * room if index else 0)
        write_line(
            draw, line, (left, y, 0.96 * width, y + (0.84 if len(lines) > 1 else 1) * room), 0.25
        )
    rim = max(1, round(0.022 * height))
    draw.rounded_rectangle(
        (rim, rim, width - 1 - rim, height - 1 - rim), round(0.09 * height), outline=200, width=rim
    )
    share = np.asarray(ink, np.float32)[..., None] / 255
    image = image * (1 - share) + np.asarray(style.ink, np.float32) * share
    if dirt:
        rng = np.random.default_rng(seed)
        coarse = Image.fromarray(rng.integers(0, 256, (5, 12), np.uint8))
        smooth = coarse.resize((width, height), Image.Resampling.BICUBIC)
        share = dirt * 0.55 * np.asarray(smooth, np.float32)[..., None] / 255
        image = image * (1 - share) + np.asarray((0.33, 0.29, 0.24), np.float32) * share
    return image
