"""The road map at the head of a chapter: all parts and chapters, where it stands, and what it builds on."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.book.diagrams.chapters import Chapter, Part
from scripts.book.diagrams.lettering import width, wrapped
from scripts.book.diagrams.picture import Box, Picture
from scripts.book.diagrams.style import SMALL, WIDTH, Kind

MARGIN, STEP, STOP = 12, 34, 26
"""Left and right; from chapter to chapter; size of a chapter."""
BETWEEN = 12
"""Least space between two parts."""
LINE = 18
"""From line to line."""

Labelled = tuple[Part, list[str], float]
"""A part, the lines of its name, and its width."""


def labelled(part: Part) -> Labelled:
    """Break the name of a part in two where it is wider than its chapters, and measure the part.

    Args:
        part: The part.
    """
    words, stops = part.name.split(), STEP * (len(part.chapters) - 1) + STOP
    cuts = [[" ".join(words[:place]), " ".join(words[place:])] for place in range(1, len(words))]
    lines = [part.name]
    if width(f"**{part.name}**", SMALL) > stops and cuts:
        lines = min(cuts, key=lambda two: max(width(line, SMALL) for line in two))
    return part, lines, max(stops, *(width(f"**{line}**", SMALL) for line in lines))


def rows_of(parts: Sequence[Part]) -> list[list[Labelled]]:
    """Lay parts out in rows, in their order.

    Args:
        parts: All parts.
    """
    rows: list[list[Labelled]] = [[]]
    for each in map(labelled, parts):
        taken = sum(wide + BETWEEN for *_, wide in rows[-1])
        if rows[-1] and taken + each[2] > WIDTH - 2 * MARGIN:
            rows.append([])
        rows[-1].append(each)
    return rows


def name_of(stem: str) -> str:
    """Return the name of a chapter's road map.

    Args:
        stem: Name of its notebook.
    """
    return f"road_map_{stem[:2]}"


def draw(parts: Sequence[Part], here: Chapter) -> Picture:
    """Draw the road map of a chapter.

    Args:
        parts: All parts of the book.
        here: The chapter.
    """
    chapters = [chapter for part in parts for chapter in part.chapters]
    titles = {chapter.number: f"{chapter.number}\u00a0{chapter.title}" for chapter in chapters}
    place = chapters.index(here)
    own = next(part for part in parts if here in part.chapters)
    needs = "; ".join(titles[n] for n in here.needs if n in titles) or "no earlier chapter"
    before, after = chapters[place - 1 : place] if place else [], chapters[place + 1 : place + 2]
    beside = [f"← {titles[c.number]}" for c in before] + [f"{titles[c.number]} →" for c in after]
    spoken = [f"It builds on: {needs}.", *(f"Before it: {titles[c.number]}." for c in before)]
    spoken += [f"After it: {titles[c.number]}." for c in after]
    p = Picture(
        name_of(here.stem),
        f"Road map of chapter {here.number}",
        f"Road map of the book: chapter {titles[here.number]} in the part “{own.name}”. {' '.join(spoken)}",
        alt=_alt(here, own, before, after),
        enlarged=1.0,
    )
    y = 10.0
    for row in rows_of(parts):
        x = float(MARGIN)
        above = max(len(lines) for _, lines, _ in row) * LINE
        stop: Box | None = None
        for part, lines, wide in row:
            top = y + above - len(lines) * LINE
            for number, line in enumerate(lines):
                text = f"**{line}**" if part is own else line
                p.write(x, top + (number + 0.5) * LINE - 1, text)
            for number, chapter in enumerate(part.chapters):
                last, at = stop, x + number * STEP
                kind = _kind(chapter, here)
                stop = p.box(at, y + above, STOP, STOP, str(chapter.number), kind, 0)
                if last is not None:
                    p.arrow(last.right, stop.left, tip=False)
            x += wide + BETWEEN
        y += above + STOP + 8
    indent = MARGIN
    if here.needs:
        p.box(MARGIN, y + 4, 14, 14, "", "needed")
        indent += 22
    for line in wrapped(f"builds on {needs}", SMALL, WIDTH - indent - MARGIN):
        p.write(indent, y + LINE / 2 + 2, line)
        y += LINE
    y += 2
    room = WIDTH - 2 * MARGIN - 2 * LINE
    together = sum(width(line, SMALL) for line in beside) <= room
    for number, line in enumerate(beside):
        right = number == 1 or not before  # an arrow to the right ends at the right
        p.write(
            WIDTH - MARGIN if right else MARGIN, y + LINE / 2 + 2, line, "end" if right else "start"
        )
        y += LINE if not together or number == len(beside) - 1 else 0
    p.high = y + 8
    return p


def _kind(chapter: Chapter, here: Chapter) -> Kind:
    """What a chapter is on the road map of another one."""
    if chapter is here:
        return "here"
    return "needed" if chapter.number in here.needs else "other"


def _alt(here: Chapter, own: Part, before: Sequence[Chapter], after: Sequence[Chapter]) -> str:
    """Say in a sentence where a chapter stands."""
    needs = ", ".join(str(number) for number in here.needs) or "no earlier one"
    words = f"Road map: chapter {here.number} of the part {own.name} builds on {needs}"
    words += "".join(f", follows {chapter.number}" for chapter in before)
    return words + "".join(f", leads to {chapter.number}" for chapter in after)
