"""Put diagrams and road maps into the chapters, as cells of their own.

A cell refers to the picture in the public repository: that address works in Colab, which has the notebook without the
files beside it, and the site's extension ``light_and_dark`` replaces it by the two files in ``_static``. The address
comes from ``_config.yml``, captions and alt texts from the drawings; so the cells are written, not edited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from scripts.book.badges import repository
from scripts.book.diagrams.picture import Picture
from scripts.book.diagrams.places import Place
from scripts.book.diagrams.road_map import name_of
from scripts.book.normalise_notebooks import normalise

ROAD_MAP, DIAGRAM = "road-map", "diagram"
"""Tags of the two kinds of cells."""
FOLDER = "book/_static/diagrams"
LABEL = re.compile(r"\A:::\{figure-md\} (\S+)")


def image(picture: Picture) -> str:
    """Return the reference to a picture with its alt text, in Markdown.

    Args:
        picture: The picture.
    """
    url, branch = repository()
    path = url.removeprefix("https://github.com/")
    address = f"https://raw.githubusercontent.com/{path}/{branch}/{FOLDER}/{picture.name}.svg"
    return f"![{picture.alt}]({address})"


def figure(place: Place, picture: Picture) -> str:
    """Return the source of a diagram's cell.

    Args:
        place: Where it stands.
        picture: What it shows.
    """
    return f":::{{figure-md}} {place.figure}\n{image(picture)}\n\n{place.caption}\n:::"


def with_cells(
    notebook: NotebookNode,
    stem: str,
    places: Sequence[Place],
    pictures: Mapping[str, Picture],
) -> NotebookNode:
    """Write or refresh the cells of a chapter.

    Args:
        notebook: The chapter; it is changed.
        stem: Name of the notebook without suffix.
        places: All places.
        pictures: All pictures by name.

    Raises:
        ValueError: If a diagram's line is not found.
    """
    cells = [c for c in notebook.cells if ROAD_MAP not in c.metadata.get("tags", [])]
    road = nbformat.v4.new_markdown_cell(
        image(pictures[name_of(stem)]), metadata={"tags": [ROAD_MAP]}
    )
    has_badges = len(cells) > 1 and "badges" in cells[1].metadata.get("tags", [])
    cells.insert(2 if has_badges else 1, road)
    here = {place.figure: place for place in places if place.chapter == stem}
    kept = []
    for cell in cells:
        if DIAGRAM not in cell.metadata.get("tags", []):
            kept.append(cell)
            continue
        label = LABEL.match(cell.source)
        place = here.pop(label[1], None) if label else None
        if place is not None:  # one that has lost its place is left out
            cell.source = figure(place, pictures[place.diagram])
            kept.append(cell)
    for place in here.values():
        kept = _inserted(kept, place, figure(place, pictures[place.diagram]))
    notebook.cells = kept
    return notebook


def _inserted(cells: list[NotebookNode], place: Place, source: str) -> list[NotebookNode]:
    """Put a new cell before a line, cutting the cell that holds it."""
    new = nbformat.v4.new_markdown_cell(source, metadata={"tags": [DIAGRAM]})
    for number, cell in enumerate(cells):
        lines = cell.source.split("\n") if cell.cell_type == "markdown" else []
        for at, line in enumerate(lines):
            if line.startswith(place.before):
                head = "\n".join(lines[:at]).strip("\n")
                tail = nbformat.v4.new_markdown_cell("\n".join(lines[at:]))
                between = [new, cell]
                if head:
                    cell.source = head
                    between = [cell, new, tail]
                return [*cells[:number], *between, *cells[number + 1 :]]
    raise ValueError(
        f"{place.chapter}: expected a line that starts with {place.before!r} for the diagram {place.figure}, found "
        "none; name another line in scripts/book/diagrams/places.py"
    )


def generated(path: Path, places: Sequence[Place], pictures: Mapping[str, Picture]) -> str:
    """Return the text of a notebook with its cells in place.

    Args:
        path: The notebook.
        places: All places.
        pictures: All pictures by name.
    """
    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    written = normalise(with_cells(notebook, path.stem, places, pictures))
    return nbformat.writes(written, version=4).rstrip("\n") + "\n"
