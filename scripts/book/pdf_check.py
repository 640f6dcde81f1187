"""Read a printed book back: links lead to pages, bookmarks name every chapter, no sheet is empty.

What a link is: an annotation of a page that leads to a place in the file or to an address outside.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pypdf import PageObject, PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import Destination

ADDRESSES = ("https://", "http://", "mailto:")
"""How a link out of the file may begin."""
MOST_PAGES = 3000
BOX = "\0"
"""Read where no font has the character, and a box was printed."""
SHORT = 8000
"""Bytes of instructions; a sheet with more shows something."""


@dataclass
class Printed:
    """What was found in a file.

    Args:
        pages: Sheets.
        inner: Links from one place of the file to another.
        outer: Links out of it.
        boxes: Headings of which the fonts here lack characters.
        problems: One sentence each; empty if all is well.
    """

    pages: int = 0
    inner: int = 0
    outer: int = 0
    boxes: int = 0
    problems: list[str] = field(default_factory=list)


def squeezed(text: str) -> str:
    """The text without spaces and ligatures: printed words may be divided anywhere."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def places(pdf: Path, ids: Sequence[str]) -> dict[str, int]:
    """Find the sheets, counted from 1, on which places of the document stand.

    Args:
        pdf: The file.
        ids: Ids of the document.

    Raises:
        ValueError: If the file does not know one of them.
    """
    reader = PdfReader(pdf)
    numbers, named = _numbers(reader), reader.named_destinations
    found = {name: _sheet(numbers, named.get(f"/{name}", named.get(name))) for name in ids}
    for name, number in found.items():
        if number is None:
            raise ValueError(f"{pdf}: expected a place named {name}, found none")
    return {name: number for name, number in found.items() if number is not None}


def inspect(
    pdf: Path, title: str, headings: Sequence[tuple[str, str]], private: Sequence[str] = ()
) -> Printed:
    """Look for everything a reader of the file would miss.

    Args:
        pdf: The file.
        title: What its metadata have to say.
        headings: Text and id of parts and chapters, in order.
        private: Paths of this machine, which must not stand in it.

    Raises:
        ValueError: If it is no PDF.
    """
    try:
        reader = PdfReader(pdf)
        printed = Printed(len(reader.pages))
    except (PyPdfError, OSError) as error:
        raise ValueError(
            f"{pdf}: expected a PDF, found something that cannot be read ({error})"
        ) from error
    told = printed.problems
    if not len(headings) / 2 < printed.pages <= MOST_PAGES:
        told.append(
            f"it has {printed.pages} pages for {len(headings)} headings, which cannot be right"
        )
    stated = reader.metadata.title if reader.metadata else None
    if stated != title:
        told.append(f"its title is {stated!r} instead of {title!r}")
    content = pdf.read_bytes()
    told += [f"it names a path of this machine: {p}" for p in private if p.encode() in content]
    _look_at_links(reader, printed)
    told += [
        f"page {number} is empty"
        for number, page in enumerate(reader.pages, start=1)
        if number > 1 and _is_empty(page)
    ]
    _look_at_headings(reader, headings, printed)
    return printed


def _is_empty(page: PageObject) -> bool:
    """Whether a sheet shows nothing but its head and foot."""
    content = page.get_contents()
    drawn = b"" if content is None else content.get_data()
    if len(drawn) > SHORT or b" Do" in drawn:
        return False
    return len(page.extract_text().strip().splitlines()) <= 2


def _numbers(reader: PdfReader) -> dict[int, int]:
    """Sheets by the number of their object."""
    return {
        page.indirect_reference.idnum: number
        for number, page in enumerate(reader.pages, start=1)
        if page.indirect_reference is not None
    }


def _sheet(numbers: dict[int, int], destination: Any) -> int | None:
    """On which sheet a destination lies; None if on none."""
    if isinstance(destination, Destination):
        target = destination.raw_get("/Page")
    elif isinstance(destination, list) and destination:
        target = destination[0]
    else:
        return None
    return numbers.get(getattr(target, "idnum", -1))


def _look_at_links(reader: PdfReader, printed: Printed) -> None:
    numbers, named = _numbers(reader), reader.named_destinations
    for number, page in enumerate(reader.pages, start=1):
        for reference in page.get("/Annots", []):
            annotation = reference.get_object()
            if annotation.get("/Subtype") != "/Link":
                continue
            action = annotation.get("/A", {})
            if "/URI" in action:
                printed.outer += 1
                address = str(action["/URI"])
                if not address.startswith(ADDRESSES):
                    printed.problems.append(f"page {number} has a link to {address}")
                continue
            printed.inner += 1
            target = annotation.get("/Dest", action.get("/D"))
            found = target if isinstance(target, list) else named.get(str(target))
            if _sheet(numbers, found) is None:
                printed.problems.append(f"page {number} has a link that leads nowhere: {target}")


def _flat(outline: Sequence[Any]) -> list[Destination]:
    """Bookmarks of all depths, in order."""
    found: list[Destination] = []
    for item in outline:
        found += _flat(item) if isinstance(item, list) else [item]
    return found


def _pattern(title: str) -> str:
    """Pattern of a title in print; for letters that few fonts have, also of the boxes that stand for them."""
    return "".join(
        re.escape(squeezed(letter))
        if letter.isascii()
        else f"(?:{re.escape(squeezed(letter))}|{BOX})"
        for letter in title
    )


def _look_at_headings(
    reader: PdfReader, headings: Sequence[tuple[str, str]], printed: Printed
) -> None:
    """Every heading has a bookmark, in order, and stands in print, on a numbered sheet, where that leads."""
    numbers = _numbers(reader)
    heads = "|".join(_pattern(title) for title, _ in headings)
    marks, told = iter(_flat(reader.outline)), printed.problems
    for title, _ in headings:
        wanted = squeezed(title)
        mark = next((m for m in marks if squeezed(str(m.title)) == wanted), None)
        if mark is None:
            told.append(f"no bookmark names, in its place, {title}")
            return
        number = _sheet(numbers, mark)
        if number is None:
            told.append(f"the bookmark of {title} leads nowhere")
            continue
        text = squeezed(reader.pages[number - 1].extract_text())
        shown = re.search(_pattern(title), text)
        if shown is None:
            told.append(f"page {number} does not show the heading {title}")
        elif BOX in shown[0]:
            printed.boxes += 1
        if not re.match(f"(?:{heads}){number}", text):
            told.append(f"page {number} does not show its number; Chromium before 131 prints none")


def quiet() -> None:
    """Keep pypdf from telling on the terminal what it mends in passing."""
    logging.getLogger("pypdf").setLevel(logging.ERROR)
