"""A picture of boxes, arrows and letters, which can be written as SVG in any theme.

Places are given by hand: where things stand is part of what a diagram says. What a hand gets wrong (letters wider than
their box, boxes on boxes, arrows through boxes) is found by ``scripts.book.diagrams.faults``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

from scripts.book.diagrams.lettering import svg_line, width
from scripts.book.diagrams.style import ENLARGED, FONT, LARGE, SMALL, WIDTH, Kind, Theme

Point = tuple[float, float]

MARK = 16
"""Side of a snowflake or a flame."""
LEADING = 1.28
"""From line to line, in sizes of the letters."""
SIGN = 11
"""Radius of a sign such as a plus."""
FLAKE = "M0-7V7M-6.1-3.5 6.1 3.5M-6.1 3.5 6.1-3.5M-2-6.4 0-4.4 2-6.4M-2 6.4 0 4.4 2 6.4"
FLAME = (
    "M.3-7.4C1-4.2 5-2.6 5 1.9 5 5 2.8 7.2 0 7.2S-5 5-5 2"
    "C-5 0-4-1.6-2.8-2.8-2.6-1.4-2-.6-1.1-.3-1.6-2.9-1.2-5.6.3-7.4Z"
)


@dataclass(frozen=True)
class Box:
    """A rectangle with lines of text in its middle.

    Attributes:
        x: Left edge.
        y: Upper edge.
        wide: Width.
        high: Height.
        lines: Text.
        kind: What it stands for.
        round: Radius of its corners.
        large: Number of lines, from the first, that are written larger.
    """

    x: float
    y: float
    wide: float
    high: float
    lines: tuple[str, ...]
    kind: Kind
    round: float = 7
    large: int = 1

    @property
    def marked(self) -> bool:
        """Whether a snowflake or a flame stands in it."""
        return self.kind in ("frozen", "trained")

    @property
    def sizes(self) -> list[int]:
        """Size of each line."""
        return [LARGE if number < self.large else SMALL for number in range(len(self.lines))]

    @property
    def room(self) -> float:
        """Width that letters may take."""
        return self.wide - (MARK + 14 if self.marked else 8)

    @property
    def middle(self) -> float:
        """Where the letters' middle stands."""
        return self.x + (self.wide - (MARK + 2 if self.marked else 0)) / 2

    @property
    def top(self) -> Point:
        """Middle of the upper edge."""
        return self.x + self.wide / 2, self.y

    @property
    def bottom(self) -> Point:
        """Middle of the lower edge."""
        return self.x + self.wide / 2, self.y + self.high

    @property
    def left(self) -> Point:
        """Middle of the left edge."""
        return self.x, self.y + self.high / 2

    @property
    def right(self) -> Point:
        """Middle of the right edge."""
        return self.x + self.wide, self.y + self.high / 2


@dataclass(frozen=True)
class Text:
    """A line outside all boxes; ``y`` is its middle."""

    x: float
    y: float
    line: str
    anchor: str = "start"
    size: float = SMALL

    @property
    def span(self) -> tuple[float, float]:
        """Left and right end."""
        wide = width(self.line, self.size)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * wide
        return left, left + wide


@dataclass(frozen=True)
class Arrow:
    """A line through some points, with a tip unless said otherwise."""

    points: tuple[Point, ...]
    tip: bool = True
    dashed: bool = False


@dataclass(frozen=True)
class Frame:
    """A dashed outline around boxes that belong together."""

    x: float
    y: float
    wide: float
    high: float


@dataclass
class Picture:
    """Boxes, arrows, frames and letters.

    Args:
        name: Name of its file without a suffix.
        title: What it shows, in a few words.
        text: What can be seen, in full.
        alt: The same in a sentence, for those who cannot see it.
        wide: Width.
        high: Height.
        enlarged: Size on a wide page beside the units of the picture.
    """

    name: str
    title: str
    text: str
    alt: str
    wide: float = WIDTH
    high: float = 0
    enlarged: float = ENLARGED
    boxes: list[Box] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def box(
        self,
        x: float,
        y: float,
        wide: float,
        high: float,
        text: str,
        kind: Kind = "step",
        large: int = 1,
    ) -> Box:
        """Draw a box.

        Args:
            x: Left edge.
            y: Upper edge.
            wide: Width.
            high: Height.
            text: Its lines.
            kind: What it stands for.
            large: Number of lines, from the first, that are written larger.
        """
        rounded = min(high / 2, 18) if kind == "data" else 7
        box = Box(x, y, wide, high, tuple(text.split("\n")), kind, rounded, large)
        self.boxes.append(box)
        return box

    def sign(self, x: float, y: float, text: str = "+", kind: Kind = "step") -> Box:
        """Draw a circle with a sign around a point.

        Args:
            x: Its middle.
            y: Its middle.
            text: The sign.
            kind: What it stands for.
        """
        box = Box(x - SIGN, y - SIGN, 2 * SIGN, 2 * SIGN, (text,), kind, SIGN)
        self.boxes.append(box)
        return box

    def arrow(self, *points: Point, tip: bool = True, dashed: bool = False) -> None:
        """Draw an arrow.

        Args:
            points: From where, by which corners, to where.
            tip: Whether it has a tip.
            dashed: Whether it is dashed.
        """
        self.arrows.append(Arrow(points, tip, dashed))

    def down(self, x: float, *stops: Box) -> None:
        """Join boxes that stand below each other by upright arrows.

        Args:
            x: Where the arrows run.
            stops: The boxes from above.
        """
        for upper, lower in pairwise(stops):
            self.arrow((x, upper.y + upper.high), (x, lower.y))

    def write(
        self, x: float, y: float, line: str, anchor: str = "start", size: float = SMALL
    ) -> None:
        """Write a line on the ground.

        Args:
            x: Where its anchor stands.
            y: Middle of the line.
            line: The text.
            anchor: ``"start"``, ``"middle"`` or ``"end"``.
            size: Size of its letters.
        """
        self.texts.append(Text(x, y, line, anchor, size))

    def frame(self, x: float, y: float, wide: float, high: float, label: str = "") -> None:
        """Draw an outline, with a label in its upper left corner.

        Args:
            x: Left edge.
            y: Upper edge.
            wide: Width.
            high: Height.
            label: The label.
        """
        self.frames.append(Frame(x, y, wide, high))
        if label:
            self.write(x + 10, y + 14, label)

    def legend(self, y: float, *kinds: Kind) -> None:
        """Explain the kinds of boxes at the foot of the picture, which ends there.

        Args:
            y: Upper edge.
            kinds: Which.
        """
        names = {
            "frozen": "frozen",
            "trained": "trained",
            "part": "depends on the stage",
            "step": "no weights",
            "data": "data",
        }
        at = 12.0
        for kind in kinds or ("frozen", "trained", "step", "data"):
            name = names[kind]
            if at + 34 + width(name, SMALL) > self.wide - 12:
                at, y = 12.0, y + 32
            self.box(at, y, 28, 22, "", kind)
            self.write(at + 34, y + 11, name)
            at += 34 + width(name, SMALL) + 16
        self.high = y + 22 + 12

    def svg(self, theme: Theme) -> str:
        """Write the picture.

        Args:
            theme: Its colours.
        """
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.wide:g} {self.high:g}" '
            f'width="{self.wide * self.enlarged:.0f}" height="{self.high * self.enlarged:.0f}" role="img" '
            f'aria-labelledby="title desc" font-family="{FONT}">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="desc">{escape(self.text)}</desc>',
            '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .8 10 5 0 9.2z" fill="{theme.line}"/></marker>'
            "</defs>",
            f'<rect width="{self.wide:g}" height="{self.high:g}" rx="10" fill="{theme.ground}"/>',
            *(_frame(frame, theme) for frame in self.frames),
            *(_arrow(arrow, theme) for arrow in self.arrows),
            *(part for box in self.boxes for part in _box(box, theme)),
            *(svg_line(t.line, t.x, t.y, t.size, t.anchor, theme.ink) for t in self.texts),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"


def _frame(frame: Frame, theme: Theme) -> str:
    """Draw a frame."""
    return (
        f'<rect x="{frame.x:g}" y="{frame.y:g}" width="{frame.wide:g}" height="{frame.high:g}" rx="10" '
        f'fill="{theme.inside}" stroke="{theme.line}" stroke-dasharray="5 4"/>'
    )


def _arrow(arrow: Arrow, theme: Theme) -> str:
    """Draw an arrow."""
    way = "L".join(f"{x:g} {y:g}" for x, y in arrow.points)
    tip = ' marker-end="url(#tip)"' if arrow.tip else ""
    dashes = ' stroke-dasharray="5 4"' if arrow.dashed else ""
    return (
        f'<path d="M{way}" fill="none" stroke="{theme.line}" stroke-width="1.6" '
        f'stroke-linejoin="round"{dashes}{tip}/>'
    )


def _box(box: Box, theme: Theme) -> list[str]:
    """Draw a box, its mark and its letters."""
    look = theme.looks[box.kind]
    parts = [
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.wide:g}" height="{box.high:g}" rx="{box.round:g}" '
        f'fill="{look.fill}" stroke="{look.line}" stroke-width="{look.wide:g}"/>'
    ]
    if box.marked:
        empty = box.lines == ("",)
        at = box.x + (box.wide / 2 if empty else box.wide - MARK / 2 - 5)
        place = f'transform="translate({at:g} {box.y + box.high / 2:g})"'
        if box.kind == "frozen":
            parts.append(
                f'<path {place} d="{FLAKE}" fill="none" stroke="{look.line}" stroke-width="1.3" '
                'stroke-linecap="round"/>'
            )
        else:
            parts.append(f'<path {place} d="{FLAME}" fill="{look.line}"/>')
    y = box.y + box.high / 2 - sum(box.sizes) * LEADING / 2
    for line, size in zip(box.lines, box.sizes, strict=True):
        if line:
            parts.append(
                svg_line(line, box.middle, y + size * LEADING / 2, size, "middle", theme.ink)
            )
        y += size * LEADING
    return parts
