"""Letters of the diagrams: a small markup for symbols, and how wide a line is.

``*x*`` is italic, ``**W**`` bold, ``_{m}`` stands lower and ``^{x}`` higher, both smaller. Widths are those of DejaVu
Sans, which comes with matplotlib and is wider than the fonts that browsers choose first; what fits with it, fits.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from xml.sax.saxutils import escape

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

SMALLER = 0.72
"""Size of raised and lowered letters beside that of the line."""
LOWERED, RAISED = 0.22, -0.36
"""How far they move down, in sizes of the line."""
BASELINE = 0.36
"""From the middle of a line down to the foot of its letters, in sizes."""
MARKUP = re.compile(r"\*\*(.+?)\*\*|\*(.+?)\*|_\{(.+?)\}|\^\{(.+?)\}|([^*_^]+|[*_^])")


class Run(NamedTuple):
    """Letters of one style.

    Args:
        text: The letters.
        style: ``""``, ``"italic"`` or ``"bold"``.
        shift: How far they move down, in sizes of the line; 0 for the line itself.
    """

    text: str
    style: str = ""
    shift: float = 0.0


@lru_cache(maxsize=4096)
def runs(line: str) -> tuple[Run, ...]:
    """Read the markup of a line.

    Args:
        line: Text with markup.

    Example:
        >>> [run.text for run in runs("**W**_{q} x")]
        ['W', 'q', ' x']
    """
    found = []
    for bold, italic, low, high, plain in MARKUP.findall(line):
        if bold or italic:
            found.append(Run(bold or italic, "bold" if bold else "italic"))
        elif low or high:
            found.append(Run(low or high, "", LOWERED if low else RAISED))
        else:
            found.append(Run(plain))
    return tuple(found)


def plain(line: str) -> str:
    """Return a line without its markup.

    Args:
        line: Text with markup.

    Example:
        >>> plain("*x*_{1}")
        'x1'
    """
    return "".join(run.text for run in runs(line))


@lru_cache(maxsize=4096)
def width(line: str, size: float) -> float:
    """Return the width of a line in the units of the picture.

    Args:
        line: Text with markup.
        size: Size of its letters.
    """
    total = 0.0
    for run in runs(line):
        font = FontProperties(
            family="DejaVu Sans",
            weight="bold" if run.style == "bold" else "normal",
            style="italic" if run.style == "italic" else "normal",
            size=100,
        )
        wide, _, _ = text_to_path.get_text_width_height_descent(run.text, font, ismath=False)
        total += wide / 100 * size * (SMALLER if run.shift else 1)
    return total


def wrapped(words: str, size: float, room: float) -> list[str]:
    """Break a text into lines that fit.

    Args:
        words: Text with markup that no space divides; a no-break space is no place to break.
        size: Size of its letters.
        room: Width of the lines.
    """
    lines: list[str] = []
    for word in words.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def svg_line(line: str, x: float, y: float, size: float, anchor: str, colour: str) -> str:
    """Write a line as an element of SVG.

    Args:
        line: Text with markup.
        x: Where its anchor stands.
        y: Middle of the line.
        size: Size of its letters.
        anchor: ``"start"``, ``"middle"`` or ``"end"``.
        colour: Of its letters.
    """
    parts, at = [], 0.0
    for run in runs(line):
        style = {"bold": ' font-weight="700"', "italic": ' font-style="italic"'}.get(run.style, "")
        small = f' font-size="{size * SMALLER:.1f}"' if run.shift else ""
        move = f' dy="{(run.shift - at) * size:.1f}"' if run.shift != at else ""
        at = run.shift
        text = escape(run.text)
        parts.append(
            f"<tspan{move}{small}{style}>{text}</tspan>" if move or small or style else text
        )
    return (
        f'<text x="{x:g}" y="{y + BASELINE * size:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
        f'fill="{colour}">{"".join(parts)}</text>'
    )
