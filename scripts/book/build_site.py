"""Build the site strictly and prove that it is whole and needs no network.

    python -m scripts.book.build_site --notebooks _build/executed    from freshly run chapters (make book)
    python -m scripts.book.build_site --notebooks book               from the committed outputs (make site)

The sources are first gathered in _build/source, so stray files of the checkout never reach Sphinx and running the book
never touches a committed notebook. Warnings are errors, unresolved references too. Afterwards every page of _toc.yml
must exist, no page may load anything from a server, and every image must have an alt text of its own.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import yaml

from scripts.book.languages import mark_chinese
from scripts.book.live_page import write_page

ROOT = Path(__file__).resolve().parents[2]
REMOTE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
CSS_REMOTE = re.compile(r"(?:url\(\s*|@import\s+)[\"']?\s*(?:https?:)?//", re.IGNORECASE)
LOADING_RELS = {
    "stylesheet",
    "icon",
    "preload",
    "prefetch",
    "modulepreload",
    "preconnect",
    "dns-prefetch",
    "manifest",
}
LOADING_TAGS = {
    "script",
    "img",
    "source",
    "iframe",
    "video",
    "audio",
    "embed",
    "track",
    "object",
    "image",
}


def pages() -> list[str]:
    """Every page that _toc.yml names, without suffix, the landing page first."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [
        toc["root"],
        *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"]),
    ]


def gather(notebooks: Path, tree: Path) -> None:
    """Copy what the site is made of into the empty folder ``tree``."""
    if tree.exists():
        shutil.rmtree(tree)
    tree.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "references.bib"):
        shutil.copy2(ROOT / name, tree / name)
    hide = shutil.ignore_patterns("*.ipynb", ".*", "__pycache__")
    shutil.copytree(ROOT / "book", tree / "book", ignore=hide)
    for page in pages():
        if (tree / f"{page}.md").is_file():
            continue
        source = notebooks / f"{Path(page).name}.ipynb"
        if not source.is_file():
            sys.exit(
                f"_toc.yml names {page}, but there is neither {page}.md nor {source}; run make book"
            )
        shutil.copy2(source, tree / f"{page}.ipynb")


class _Loads(HTMLParser):
    """Collects what a browser would fetch from elsewhere, and images without a proper alt text."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: list[str] = []
        self.unnamed: list[str] = []
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self._inside = tag if tag in ("style", "script") else None
        candidates = []
        if tag in LOADING_TAGS:
            candidates = [values.get(key, "") for key in ("src", "data", "poster", "xlink:href")]
            candidates += [
                part.split()[0] for part in values.get("srcset", "").split(",") if part.strip()
            ]
        if tag == "link" and LOADING_RELS & set(values.get("rel", "").lower().split()):
            candidates.append(values.get("href", ""))
        self.remote += [f"<{tag}> {url}" for url in candidates if REMOTE.match(url)]
        if CSS_REMOTE.search(values.get("style", "")):
            self.remote.append(f"<{tag} style> {values['style']}")
        if tag == "img":
            alt = values.get("alt", "").strip()
            if not alt or re.search(r"(^|/)_images/|[0-9a-f]{32}", alt):
                self.unnamed.append(values.get("src", "")[:80])

    def handle_data(self, data: str) -> None:
        loads = r"""(?:import\(\s*|\bfrom\s+|\.src\s*=\s*|fetch\(\s*)["'`]\s*(?:https?:)?//"""
        if self._inside == "style" and CSS_REMOTE.search(data):
            self.remote.append("<style> with a remote url()")
        if self._inside == "script" and re.search(loads, data):
            self.remote.append("<script> that loads a remote file")

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


def problems(html: Path) -> list[str]:
    """Everything about the built site in ``html`` that breaks a promise; empty if all is well."""
    found = [
        f"page {page}.html is missing" for page in pages() if not (html / f"{page}.html").is_file()
    ]
    for path in sorted(html.rglob("*.html")):
        name = path.relative_to(html)
        if "_static" in name.parts:
            continue
        parser = _Loads()
        parser.feed(path.read_text(encoding="utf-8"))
        found += [f"{name} loads from a server: {what}" for what in parser.remote]
        found += [f"{name} has an image without an alt text: {what}" for what in parser.unnamed]
    for page in pages():
        path, number = html / f"{page}.html", re.match(r"\d+", Path(page).name)
        if number is None or not path.is_file():
            continue
        shown = f'<span class="section-number">{int(number[0])}. </span>'
        if shown not in path.read_text(encoding="utf-8"):
            found.append(f"{page}.html does not carry the number of its file")
    for path in sorted(html.rglob("*.css")):
        if CSS_REMOTE.search(path.read_text(encoding="utf-8", errors="replace")):
            found.append(f"{path.relative_to(html)} loads from a server")
    return found


def main() -> None:
    """Parse the command line, build, check, and print where the site is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--notebooks", type=Path, required=True, help="folder with the chapters to show"
    )
    parser.add_argument("--out", type=Path, default=ROOT, help="the site goes to OUT/_build/html")
    options = parser.parse_args()
    out = options.out.resolve()
    tree = out / "_build" / "source"
    html = out / "_build" / "html"
    gather(options.notebooks.resolve(), tree)
    if why := write_page(tree / "book"):
        print(f"the page with the live model shows pictures instead: {why}", flush=True)
    shutil.rmtree(html, ignore_errors=True)
    shutil.rmtree(out / "_build" / ".doctrees", ignore_errors=True)
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(tree),
        "--path-output",
        str(out),
    ]
    result = subprocess.run(
        [*command, "--all", "-W", "-n", "--keep-going", "-q"], cwd=tree, check=False
    )
    if result.returncode:
        sys.exit(
            f"jupyter-book found warnings or errors (exit status {result.returncode}); see above"
        )
    if not mark_chinese(html):
        sys.exit("the site is built, but its Chinese parts were not found to be marked as such")
    if found := problems(html):
        sys.exit("the site is built but not as promised:\n  " + "\n  ".join(found))
    landing = html / f"{pages()[0]}.html"
    print(
        f"{len(pages())} pages built, all offline. Open {html / 'index.html'} ({landing.name} is its first page)"
    )


if __name__ == "__main__":
    main()
