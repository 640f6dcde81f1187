"""Draw the rooms of the package, from the ground up, with the imports between them.

    python -m scripts.book.architecture            write book/_static/architecture.svg and architecture_dark.svg
    python -m scripts.book.architecture --check    change nothing; exit 1 if a committed picture is out of date

A room is a folder of the package. It stands one storey above the highest room that it imports; an arrow leads to
what is imported. Imports that follow from other arrows (what a room imports through an imported one) are left out.
Lines are rounded to hundreds, so that small edits leave the file as it is.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from mfnet_lite.utils.files import write_text
from scripts.book.layered import WIDTH, Drawing, draw

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mfnet_lite"
OUT = ROOT / "book" / "_static" / "architecture.svg"

HIGH, STOREY, MARGIN, FOOT = 64, 132, 24, 72
LARGE, SMALL = 21, 18
"""Sizes of a room's name and of all other letters: on a page the picture is about half as wide as it is drawn."""


@dataclass(frozen=True)
class Look:
    """Colours of a picture.

    Attributes:
        storeys: Fill of a storey's rooms, from the ground up; ``ink`` is readable on all of them.
        ink: Letters.
        line: Arrows and borders.
        foot: Behind the sentence at the foot.
    """

    storeys: tuple[str, ...]
    ink: str
    line: str
    foot: str


LIGHT = Look(
    ("#dcebf7", "#d3efe3", "#fbeecb", "#fbdfd0", "#eddcf5", "#dfe1fb", "#f7d8e4", "#e3e8d0"),
    ink="#1b2733",
    line="#75818d",
    foot="#eef1f4",
)
DARK = Look(
    ("#17384f", "#16402f", "#4a3b10", "#54300f", "#41284d", "#2b2f5c", "#4f2438", "#363d1e"),
    ink="#e9eef3",
    line="#9aa7b3",
    foot="#1b1f25",
)


@dataclass(frozen=True)
class Room:
    """A folder of the package.

    Attributes:
        imports: Names of other rooms that any of its files imports.
        lines: Lines of its files.
        files: Number of its files.
        purpose: First line of its docstring.
    """

    imports: frozenset[str]
    lines: int
    files: int
    purpose: str


def read_rooms(package: Path) -> dict[str, Room]:
    """Read the rooms of a package: folders that hold Python files.

    Args:
        package: Folder of the package.

    Returns:
        Rooms by name, sorted by it.
    """
    names = sorted({path.parent.name for path in package.glob("*/*.py")})
    rooms = {}
    for name in names:
        texts = [
            path.read_text(encoding="utf-8") for path in sorted((package / name).rglob("*.py"))
        ]
        found: set[str] = set()
        for text in texts:
            found |= _imported(ast.parse(text), package.name)
        head = package / name / "__init__.py"
        doc = ast.get_docstring(
            ast.parse(head.read_text(encoding="utf-8") if head.exists() else "")
        )
        rooms[name] = Room(
            imports=frozenset(found & set(names) - {name}),
            lines=sum(len(text.splitlines()) for text in texts),
            files=len(texts),
            purpose=(doc or "").partition("\n")[0],
        )
    return rooms


def _imported(tree: ast.Module, package: str) -> set[str]:
    """Return the rooms that a file imports anywhere in it, for types alone as well."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == package and len(part) > 1}


def without_shortcuts(imports: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Drop every arrow that a longer way replaces (the transitive reduction).

    Args:
        imports: Names of the imported by the name of the importer; without circles.

    Raises:
        ValueError: If rooms import each other in a circle.

    Example:
        >>> kept = without_shortcuts({"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset()})
        >>> sorted(kept["a"])
        ['b']
    """
    below: dict[str, frozenset[str]] = {}

    def reach(name: str, way: tuple[str, ...] = ()) -> frozenset[str]:
        if name in way:
            circle = " -> ".join([*way[way.index(name) :], name])
            raise ValueError(f"rooms must not import each other in a circle, found {circle}")
        if name not in below:
            deeper = [reach(other, (*way, name)) for other in sorted(imports[name])]
            below[name] = imports[name].union(*deeper)
        return below[name]

    for name in imports:
        reach(name)
    return {
        name: frozenset(o for o in others if not any(o in below[p] for p in others))
        for name, others in imports.items()
    }


def rounded(lines: int) -> str:
    """Return a number of lines as the picture shows it.

    Example:
        >>> rounded(40), rounded(1249), rounded(12_951)
        ('< 100 lines', '1,200 lines', '13,000 lines')
    """
    hundreds = round(lines, -2)
    return f"{hundreds:,} lines" if hundreds else "< 100 lines"


def picture(rooms: Mapping[str, Room], package: str, look: Look = LIGHT) -> str:
    """Return the picture as the text of an SVG file.

    Args:
        rooms: As :func:`read_rooms` gives them.
        package: Name of the package.
        look: Colours.
    """
    arrows = without_shortcuts({name: room.imports for name, room in rooms.items()})
    drawing = draw(arrows)
    storeys = 1 + max(drawing.storey.values())
    wide = round(drawing.width) + 2 * MARGIN
    high = (storeys - 1) * STOREY + HIGH + 2 * MARGIN + FOOT
    text = " ".join(
        f"{name} imports {', '.join(sorted(room.imports)) or 'no other room'}."
        for name, room in rooms.items()
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" '
        f'height="{high}" role="img" aria-labelledby="title desc" '
        "font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">",
        f'<title id="title">Rooms of {escape(package)} and the imports between them</title>',
        f'<desc id="desc">{escape(text)}</desc>',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" '
        f'markerHeight="8" orient="auto"><path d="M0 1 10 5 0 9z" fill="{look.line}"/></marker></defs>',
        *_arrows(drawing, arrows, storeys, look),
        *(_box(name, room, drawing, storeys, look) for name, room in rooms.items()),
        *_foot(wide, high, look),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _top(storey: int, storeys: int) -> int:
    """Upper edge of a storey's boxes."""
    return MARGIN + (storeys - 1 - storey) * STOREY


def _arrows(
    drawing: Drawing, arrows: Mapping[str, frozenset[str]], storeys: int, look: Look
) -> list[str]:
    """Draw every arrow as a curve that is upright wherever it meets a storey."""
    found = []
    for upper in sorted(arrows):
        for lower in sorted(arrows[upper]):
            xs = [MARGIN + x for x in drawing.ways[upper, lower]]
            y = _top(drawing.storey[upper], storeys) + HIGH
            path = f"M{xs[0]:.1f} {y}"
            for number, (a, b) in enumerate(pairwise(xs)):
                end = y + STOREY - HIGH - (1 if number == len(xs) - 2 else 0)
                middle = (y + end) / 2
                path += f"C{a:.1f} {middle:.1f} {b:.1f} {middle:.1f} {b:.1f} {end}"
                if number < len(xs) - 2:  # straight past the boxes of the storey between
                    y = end + HIGH
                    path += f"V{y}"
            found.append(
                f'<path d="{path}" fill="none" stroke="{look.line}" stroke-width="1.8" marker-end="url(#tip)">'
                f"<title>{escape(upper)} imports {escape(lower)}</title></path>"
            )
    return found


def _box(name: str, room: Room, drawing: Drawing, storeys: int, look: Look) -> str:
    """Draw one room."""
    storey = drawing.storey[name]
    x, y = MARGIN + drawing.x[name], _top(storey, storeys)
    fill = look.storeys[storey % len(look.storeys)]
    return (
        f"<g><title>{escape(room.purpose or name)}</title>"
        f'<rect x="{x - WIDTH / 2:.1f}" y="{y}" width="{WIDTH}" height="{HIGH}" rx="9" '
        f'fill="{fill}" stroke="{look.line}"/>'
        f'<text x="{x:.1f}" y="{y + 28}" text-anchor="middle" font-size="{LARGE}" font-weight="600" '
        f'fill="{look.ink}">{escape(name)}</text>'
        f'<text x="{x:.1f}" y="{y + 51}" text-anchor="middle" font-size="{SMALL}" fill="{look.ink}">'
        f"{escape(rounded(room.lines))}</text></g>"
    )


def _foot(wide: int, high: int, look: Look) -> list[str]:
    """Draw the sentence that explains the arrows, on a ground of its own."""
    lines = (
        "An arrow leads from a room to a room that it imports.",
        "What follows from other arrows is left out.",
    )
    y = high - MARGIN - 56
    return [
        f'<rect x="{wide / 2 - 250:.1f}" y="{y}" width="500" height="60" rx="9" fill="{look.foot}"/>',
        *(
            f'<text x="{wide / 2:.1f}" y="{y + 24 + 24 * number}" text-anchor="middle" '
            f'font-size="{SMALL}" fill="{look.ink}">{line}</text>'
            for number, line in enumerate(lines)
        ),
    ]


def dark(path: Path) -> Path:
    """Return where the picture for dark pages stands beside that for light ones."""
    return path.with_stem(f"{path.stem}_dark")


def main() -> None:
    """Parse the command line and draw or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--package", type=Path, default=PACKAGE, help="folder of the package")
    parser.add_argument("--out", type=Path, default=OUT, help="the picture")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if it is old")
    options = parser.parse_args()
    rooms = read_rooms(options.package)
    for out, look in ((options.out, LIGHT), (dark(options.out), DARK)):
        text = picture(rooms, options.package.name, look)
        if not options.check:
            write_text(out, text)
            print(f"{out.name}: {len(rooms)} rooms")
        elif not out.is_file() or out.read_text(encoding="utf-8") != text:
            sys.exit(
                f"{out.name}: expected the picture of today's imports, found another or none; "
                "run python -m scripts.book.architecture"
            )


if __name__ == "__main__":
    main()
