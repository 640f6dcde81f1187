"""Draw all diagrams and road maps, light and dark, and refresh their cells in the chapters.

    python -m scripts.book.diagrams            write book/_static/diagrams/*.svg and the cells
    python -m scripts.book.diagrams --check    change nothing; exit 1 and name what would change

A new diagram is a module here with ``draw()``, and a ``Place`` in ``places.py``.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from mfnet_lite.utils.files import write_text
from scripts.book.diagrams import road_map
from scripts.book.diagrams.cells import FOLDER, generated
from scripts.book.diagrams.chapters import ROOT, read_parts
from scripts.book.diagrams.faults import faults
from scripts.book.diagrams.picture import Picture
from scripts.book.diagrams.places import PLACES
from scripts.book.diagrams.style import THEMES


def pictures() -> dict[str, Picture]:
    """Draw every diagram, and the road map of every chapter that there is."""
    names = dict.fromkeys(place.diagram for place in PLACES)
    found = [import_module(f"scripts.book.diagrams.{name}").draw() for name in names]
    parts = read_parts()
    found += [road_map.draw(parts, chapter) for part in parts for chapter in part.chapters]
    return {picture.name: picture for picture in found}


def files(drawn: dict[str, Picture]) -> dict[Path, str]:
    """Return the text of every file that this command writes.

    Args:
        drawn: All pictures by name.
    """
    wanted = {}
    for picture in drawn.values():
        for theme in THEMES:
            suffix = "" if theme.name == "light" else f"_{theme.name}"
            wanted[ROOT / FOLDER / f"{picture.name}{suffix}.svg"] = picture.svg(theme)
    for part in read_parts():
        for chapter in part.chapters:
            path = ROOT / "book" / f"{chapter.stem}.ipynb"
            wanted[path] = generated(path, PLACES, drawn)
    return wanted


def main() -> None:
    """Parse the command line and write or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if it is old")
    options = parser.parse_args()
    drawn = pictures()
    wrong = [f"{name}: {fault}" for name, picture in drawn.items() for fault in faults(picture)]
    if wrong:
        sys.exit("the diagrams have faults:\n  " + "\n  ".join(wrong))
    wanted = files(drawn)
    old = [
        path
        for path, text in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    extra = sorted(set((ROOT / FOLDER).glob("*.svg")) - set(wanted))
    if options.check:
        if old or extra:
            names = ", ".join(path.name for path in [*old, *extra])
            sys.exit(
                f"diagrams or their cells are not up to date: {names}; run python -m scripts.book.diagrams"
            )
        print(f"{len(drawn)} diagrams, all up to date")
        return
    for path in extra:
        path.unlink()
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, wanted[path])
    print(f"{len(drawn)} diagrams, light and dark; {len(old)} files written")


if __name__ == "__main__":
    main()
