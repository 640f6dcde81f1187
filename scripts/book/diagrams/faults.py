"""What is wrong with a picture: letters that do not fit, boxes on boxes, arrows through boxes, weak contrast."""

from __future__ import annotations

from itertools import combinations, pairwise

from scripts.book.diagrams.lettering import plain, width
from scripts.book.diagrams.picture import LEADING, Box, Picture, Point, Text
from scripts.book.diagrams.style import THEMES, contrast

READABLE, VISIBLE = 4.5, 3.0
"""Least contrast of letters, and of borders and arrows."""

Area = tuple[float, float, float, float]
"""Left, upper, right, lower."""


def faults(picture: Picture) -> list[str]:
    """Name everything that is wrong; nothing if all is well.

    Args:
        picture: The picture.
    """
    return [*_letters(picture), *_overlaps(picture), *_crossed(picture), *_pale(picture)]


def _area(box: Box, less: float = 0.0) -> Area:
    return box.x + less, box.y + less, box.x + box.wide - less, box.y + box.high - less


def _written(text: Text) -> Area:
    left, right = text.span
    return left, text.y - text.size * 0.5, right, text.y + text.size * 0.5


def _meet(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _within(inner: Area, outer: Area) -> bool:
    return (
        inner[0] >= outer[0]
        and inner[1] >= outer[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )


def _name(box: Box) -> str:
    return f"box {plain(box.lines[0])!r} at ({box.x:g}, {box.y:g})"


def _letters(picture: Picture) -> list[str]:
    """Lines wider than their box, and too many of them."""
    found = []
    for box in picture.boxes:
        for line, size in zip(box.lines, box.sizes, strict=True):
            need = width(line, size)
            if line and need > box.room:
                found.append(f"{_name(box)}: {plain(line)!r} needs {need:.0f}, has {box.room:.0f}")
        need = sum(box.sizes) * LEADING
        if box.lines != ("",) and need > box.high + 2:
            found.append(f"{_name(box)} is {box.high:g} high, its lines {need:.0f}")
    return found


def _overlaps(picture: Picture) -> list[str]:
    """Boxes on boxes or frames' edges, letters on boxes or letters, anything outside."""
    found = []
    ground = (0.0, 0.0, picture.wide, picture.high)
    for one, other in combinations(picture.boxes, 2):
        if _meet(_area(one), _area(other)):
            found.append(f"{_name(one)} lies on {_name(other)}")
    for box in picture.boxes:
        if not _within(_area(box), ground):
            found.append(f"{_name(box)} leaves the picture")
        for frame in picture.frames:
            edge = (frame.x, frame.y, frame.x + frame.wide, frame.y + frame.high)
            if _meet(_area(box), edge) and not _within(_area(box), edge):
                found.append(f"{_name(box)} lies on the edge of a frame")
    for text in picture.texts:
        if not _within(_written(text), ground):
            found.append(f"text {plain(text.line)!r} leaves the picture")
        found += [
            f"text {plain(text.line)!r} lies on {_name(box)}"
            for box in picture.boxes
            if _meet(_written(text), _area(box))
        ]
    for one_text, other_text in combinations(picture.texts, 2):
        if _meet(_written(one_text), _written(other_text)):
            found.append(f"texts {plain(one_text.line)!r} and {plain(other_text.line)!r} meet")
    return found


def _crossed(picture: Picture) -> list[str]:
    """Arrows that run through boxes or letters."""
    found = []
    for arrow in picture.arrows:
        for start, end in pairwise(arrow.points):
            found += [
                f"an arrow from {start} to {end} runs through {_name(box)}"
                for box in picture.boxes
                if _cuts(start, end, _area(box, 2))
            ]
            found += [
                f"an arrow from {start} to {end} runs through {plain(text.line)!r}"
                for text in picture.texts
                if _cuts(start, end, _written(text))
            ]
    return found


def _cuts(start: Point, end: Point, area: Area) -> bool:
    """Whether a line has a part inside an area (Liang and Barsky's clipping)."""
    enter, leave = 0.0, 1.0
    for axis in (0, 1):
        move = end[axis] - start[axis]
        low, high = area[axis] - start[axis], area[axis + 2] - start[axis]
        if move == 0:
            if low >= 0 or high <= 0:
                return False
            continue
        first, last = sorted((low / move, high / move))
        enter, leave = max(enter, first), min(leave, last)
    return enter < leave


def _pale(picture: Picture) -> list[str]:
    """Letters, borders and arrows that hardly differ from what is behind them."""
    found = []
    for theme in THEMES:
        for kind in sorted({box.kind for box in picture.boxes}):
            look = theme.looks[kind]
            if contrast(theme.ink, look.fill) < READABLE:
                found.append(f"letters on {kind} are hard to read, {theme.name}")
            if contrast(look.line, theme.ground) < VISIBLE:
                found.append(f"the border of {kind} hardly shows, {theme.name}")
        for ground in (theme.ground, theme.inside):
            if contrast(theme.ink, ground) < READABLE or contrast(theme.line, ground) < VISIBLE:
                found.append(f"letters or arrows hardly show on {ground}, {theme.name}")
    return found
