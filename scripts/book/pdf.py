"""Print the built site as one PDF: contents, bookmarks, page numbers, and links that lead to pages of the file.

    python -m scripts.book.pdf _build/html --out _build/pdf/mfnet_lite.pdf        (make pdf builds the site first)

Chromium prints all pages of _toc.yml in their order, from a folder, without network. It prints twice: the first time
tells on which pages chapters begin, the second time the contents say so. The file is then read back, and gets its
name only if every link leads somewhere, every chapter has a bookmark, nothing is cut off and no page is empty.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from mfnet_lite.utils.files import replacing
from scripts.book.browser import BrowserPage, find_chromium, open_browser
from scripts.book.one_document import Book, Document, assemble, this_book
from scripts.book.pdf_check import Printed, inspect, places, quiet

WIDTH = 657
"""CSS pixels between the margins of A4, as print.css states them."""
PATIENCE = 900.0
"""Seconds for setting all formulas, and for printing."""
MOST = 8
"""Problems that are named."""

FIT = """
(() => {
  const width = document.documentElement.clientWidth, cut = [];
  const beyond = e => e.getBoundingClientRect().right - width;
  for (const frame of document.querySelectorAll(".still .frame"))
    if (frame.querySelector("img").naturalWidth < 480) frame.classList.add("half");
  for (const e of document.querySelectorAll("pre, .admonition"))
    if (e.getBoundingClientRect().height < 300) e.classList.add("short");
  const wide = "table, mjx-container, img";
  for (const e of document.querySelectorAll(".chapter :is(" + wide + ")")) {
    const box = e.getBoundingClientRect();
    if (box.width <= 1 || beyond(e) <= 0) continue;
    e.style.zoom = Math.max(0.3, (width - box.left - 1) / box.width);
  }
  for (const e of document.querySelectorAll(
      ":is(p, li, h1, h2, h3, h4, dt, figcaption, table, td, pre, img, mjx-container)"))
    if (e.getBoundingClientRect().width > 1 && beyond(e) > 1.5)
      cut.push("<" + e.tagName.toLowerCase() + "> ends " + Math.round(beyond(e)) + " px beyond the edge: "
               + (e.alt || e.textContent).trim().replace(/\\s+/g, " ").slice(0, 60));
  for (const e of document.images)
    if (!e.naturalWidth) cut.push("an image is not there: " + (e.alt || e.src.slice(0, 60)));
  for (const e of document.querySelectorAll("mjx-merror"))
    cut.push("a formula is wrong: " + e.textContent.slice(0, 60));
  return cut;
})()
"""


NUMBER = """
for (const link of document.querySelectorAll(".contents a"))
  link.querySelector(".number").textContent = (NUMBERS)[link.getAttribute("href").slice(1)];
"""


async def lay_out(page: BrowserPage, document: Document, folder: Path) -> None:
    """Open the document as it will stand on paper, and make what is too wide smaller.

    Args:
        page: A tab.
        document: What to print.
        folder: For the HTML.

    Raises:
        ValueError: If something does not fit on the paper.
    """
    file = folder / "book.html"
    file.write_text(document.text, encoding="utf-8")
    await page.send("Emulation.setEmulatedMedia", media="print")
    await page.open(file.as_uri(), WIDTH)
    if cut := await page.evaluate(FIT):
        raise ValueError("the book does not fit on the paper: " + _told(cut))


async def print_once(page: BrowserPage) -> bytes:
    """Print what the tab shows.

    Returns:
        The PDF.
    """
    answer = await page.send(
        "Page.printToPDF",
        preferCSSPageSize=True, printBackground=True, generateTaggedPDF=True, generateDocumentOutline=True,
    )  # fmt: skip
    return base64.b64decode(answer["data"])


async def print_book(site: Path, book: Book, program: str, pdf: Path) -> Printed:
    """Print a site into a file and read that back.

    Args:
        site: Folder of the built site.
        book: Which pages, in which order.
        program: The Chromium.
        pdf: The file.

    Returns:
        What is in it.

    Raises:
        ValueError: If the site is incomplete, or the file is not as promised.
        RuntimeError: If Chromium does not print.
    """
    document = assemble(site, book)
    ids = [place for _, place in document.headings]
    with tempfile.TemporaryDirectory() as name:
        async with open_browser(program, PATIENCE) as page:
            await lay_out(page, document, Path(name))
            pdf.write_bytes(await print_once(page))
            begins = places(pdf, ids)
            await page.evaluate(NUMBER.replace("NUMBERS", json.dumps(begins)))
            pdf.write_bytes(await print_once(page))
        printed = inspect(pdf, document.title, document.headings, [str(site.resolve()), name])
    if places(pdf, ids) != begins:
        printed.problems.append("the contents name other pages than those where chapters begin")
    if printed.inner < document.links:
        printed.problems.append(
            f"of {document.links} links within the book {printed.inner} are in the file"
        )
    if printed.problems:
        raise ValueError("the PDF is printed but not as promised: " + _told(printed.problems))
    return printed


def _told(problems: Sequence[str]) -> str:
    more = len(problems) - MOST
    return "; ".join([*problems[:MOST], *([f"and {more} more"] if more > 0 else [])])


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, print, and say what was printed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("html", type=Path, help="folder of the built site")
    parser.add_argument("--out", type=Path, required=True, help="the PDF")
    options = parser.parse_args(arguments)
    program, begun = find_chromium(), time.monotonic()
    if program is None:
        sys.exit("the PDF needs Chromium or Chrome, and none was found; install chromium")
    if options.out.is_dir():
        sys.exit(f"{options.out}: expected a name for the PDF, found a folder; name a file in it")
    quiet()
    try:
        with replacing(options.out) as temporary:
            printed = asyncio.run(print_book(options.html, this_book(), program, temporary))
    except OSError as error:
        sys.exit(
            f"{options.out} cannot be written: {error.strerror or error}; choose another place"
        )
    except (ValueError, RuntimeError) as error:
        sys.exit(str(error))
    size, seconds = options.out.stat().st_size / 1e6, time.monotonic() - begun
    print(
        f"{options.out}: {printed.pages} pages, {size:.1f} MB, {printed.inner} links within and {printed.outer} out of "
        f"it, printed in {seconds:.0f} s"
    )
    if printed.boxes:
        print(
            f"{printed.boxes} headings have characters that no font here has, and show boxes; install Noto Sans CJK"
        )


if __name__ == "__main__":
    main()
