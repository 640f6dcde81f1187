"""Look at every page of the built site as its readers do: in Chromium, from a folder, wide and on a phone.

    python -m scripts.book.check_in_browser _build/html                     says what is wrong, and then ends with 1
    python -m scripts.book.check_in_browser _build/html --axe axe.min.js    asks axe-core about accessibility, too

Wrong is: a request that leaves the folder or fails, an error in the console, a page that can be pushed sideways, a
text, table, formula or image that is cut off at the edge and cannot be scrolled to. axe-core (Deque, MPL-2.0) is not
part of the project: ``npm pack axe-core`` brings it; of what it finds the serious and critical count.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.book.browser import BrowserPage, Event, find_chromium, open_browser
from scripts.book.build_site import pages

WIDTHS = (1280, 390)
"""A laptop and a phone, CSS pixels."""
LOCAL = ("file:", "data:", "blob:", "about:", "chrome:")
MOST = 5
"""Problems of one kind that are named on one page."""

CUT = """
(() => {
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width + 1)
    found.push("can be pushed sideways by " + (document.documentElement.scrollWidth - width) + " px");
  const reachable = element => {
    for (let e = element.parentElement; e; e = e.parentElement)
      if (/auto|scroll/.test(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth) return true;
    return false;
  };
  for (const e of document.querySelectorAll(
      ".bd-article :is(p, li, h1, h2, h3, figcaption, table, td, pre, img, svg, video, iframe, mjx-container)")) {
    const box = e.getBoundingClientRect();
    if (!box.width || !e.checkVisibility() || box.right <= width + 1 || reachable(e)) continue;
    found.push("<" + e.tagName.toLowerCase() + "> ends " + Math.round(box.right - width)
               + " px beyond the edge: " + (e.alt || e.textContent).trim().slice(0, 60));
  }
  return found;
})()
"""
AXE = """
axe.run(document, {preload: false, resultTypes: ["violations"]}).then(found => found.violations
  .filter(v => ["serious", "critical"].includes(v.impact))
  .map(v => v.impact + " (axe " + v.id + "): " + v.help + ", " + v.nodes.length + " times, such as "
            + v.nodes[0].target.join(" ") + " " + v.nodes[0].html.slice(0, 100)))
"""


def told_by(events: Sequence[Event]) -> list[str]:
    """Find what went wrong while a page was loaded.

    Args:
        events: Of the DevTools protocol.

    Returns:
        One phrase each: requests that leave the folder, requests that failed, errors of scripts.
    """
    found, asked = [], {}
    for event in events:
        what = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                asked[what["requestId"]] = url = what["request"]["url"]
                if not url.startswith(LOCAL):
                    found.append(f"asks for {url}")
            case "Network.loadingFailed" if not what.get("canceled"):
                found.append(f"does not get {asked.get(what['requestId'])}: {what['errorText']}")
            case "Runtime.exceptionThrown":
                details = what["exceptionDetails"]
                said = details.get("exception", {}).get("description") or details["text"]
                found.append(f"has an error in a script: {said.splitlines()[0]}")
            case "Log.entryAdded" if what["entry"]["level"] == "error":
                found.append(f"logs an error: {what['entry']['text']}")
    return list(dict.fromkeys(found))


async def problems_of(page: BrowserPage, url: str, width: int, axe: str | None) -> list[str]:
    """Open a page and list what is wrong with it.

    Args:
        page: A tab.
        url: The page.
        width: Of the window, CSS pixels.
        axe: Source of axe-core; None does not ask it.
    """
    await page.open(url, width)
    found = await page.evaluate(CUT)
    told = found[:MOST] + ([f"and {len(found) - MOST} more"] if len(found) > MOST else [])
    if axe is not None:
        await page.evaluate(axe + "; true")
        told += await page.evaluate(AXE)
    return told_by(page.events) + told


async def check(html: Path, program: str, axe: str | None = None) -> dict[str, list[str]]:
    """Look at all pages of ``_toc.yml``.

    Args:
        html: Folder of the built site.
        program: The Chromium.
        axe: As in :func:`problems_of`.

    Returns:
        Problems by page and width; without those that have none.
    """
    found = {}
    async with open_browser(program) as page:
        for name in pages():
            for width in WIDTHS:
                url = (html / f"{name}.html").resolve().as_uri()
                if problems := await problems_of(page, url, width, axe):
                    found[f"{name} at {width} px"] = problems
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, look, and print what was seen.

    Returns:
        1 if something is wrong, else 0.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("html", type=Path, help="folder of the built site")
    parser.add_argument("--axe", type=Path, help="axe.min.js, to ask about accessibility, too")
    options = parser.parse_args(arguments)
    program = find_chromium()
    if program is None:
        print("no Chromium found, so the pages were not looked at; install chromium or Chrome")
        return 0
    axe = None if options.axe is None else options.axe.read_text(encoding="utf-8")
    found = asyncio.run(check(options.html, program, axe))
    for where, problems in found.items():
        print(*(f"{where}: {problem}" for problem in problems), sep="\n")
    if not found:
        print(f"{len(pages())} pages at {' and '.join(map(str, WIDTHS))} px: nothing is wrong")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
