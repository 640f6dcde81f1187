"""What the road maps show: parts and chapters of ``_toc.yml``, their titles, and what each builds on.

A chapter builds on those that its paragraph **You need** links to; so the map says what the text says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[3]
NEEDED = re.compile(r"\*\*You need\*\*(.*?)(?:\n\s*\n|\Z)", re.DOTALL)
LINKED = re.compile(r"\b(\d\d)_[a-z]\w*")


@dataclass(frozen=True)
class Chapter:
    """A chapter.

    Attributes:
        stem: Name of its notebook without suffix.
        title: Its title without number and without what follows a colon.
        needs: Numbers of the chapters that it builds on.
    """

    stem: str
    title: str
    needs: tuple[int, ...]

    @property
    def number(self) -> int:
        """Its number."""
        return int(self.stem[:2])


@dataclass(frozen=True)
class Part:
    """A part of the book: its name and its chapters."""

    name: str
    chapters: tuple[Chapter, ...]


def read_chapter(path: Path) -> Chapter:
    """Read title and requirements of a notebook.

    Args:
        path: The notebook.

    Raises:
        ValueError: If it has no title.
    """
    notebook = nbformat.read(path, as_version=4)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    title = re.match(r"# (?:(?:Chapter )?\d+[.:]?\s+)?(.+)", texts[0]) if texts else None
    if title is None:
        raise ValueError(
            f"{path.name}: expected a title, a first cell that starts with '# ', found none"
        )
    need = next((found[1] for text in texts if (found := NEEDED.search(text))), "")
    numbers = {int(number) for number in LINKED.findall(need)} - {int(path.name[:2])}
    return Chapter(path.stem, title[1].partition(":")[0].strip(), tuple(sorted(numbers)))


def read_parts(root: Path = ROOT) -> list[Part]:
    """Read all parts that hold chapters.

    Args:
        root: Folder of ``_toc.yml``.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = []
    for part in toc["parts"]:
        files = [root / f"{entry['file']}.ipynb" for entry in part["chapters"]]
        chapters = tuple(
            read_chapter(path) for path in files if re.match(r"\d\d_", path.name) and path.is_file()
        )
        if chapters:
            parts.append(Part(part["caption"], chapters))
    return parts
