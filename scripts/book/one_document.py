"""All pages of the built site in one HTML document that a browser can print as a book.

Ids get their page in front, so that they stay unique, and every link from page to page becomes one within the
document. What a sheet of paper cannot do is shown as it would be after a click: folded cells and solutions are open,
of a slider the first and the last picture stand side by side.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

from scripts.book.build_site import ROOT

STYLE = Path(__file__).with_name("print.css")
CONTENTS = "contents"
"""Id of the list of chapters."""
REFERRING = ("for", "aria-labelledby", "aria-describedby", "headers")
"""Attributes that hold ids, beside links."""
NEEDLESS = (
    "a.headerlink, .toctree-wrapper, script, link, button, .live-sam, .only-dark, .diagram-dark"
)
PLAIN = {"n", "p", "pre", "o", "w", "nn", "nx", "colon", "sig-paren", "default_value"}
"""Classes of words in code that are printed in the colour of the text; each word of its own costs 130 bytes."""
LIVE = "On the site the model runs in your browser; here these pictures, computed when it was built, stand for it."
FOLDED = "Folded on the site"


@dataclass(frozen=True)
class Part:
    """Chapters under one heading.

    Args:
        caption: The heading; None for pages before the first part.
        pages: Names of pages without suffix, relative to the site.
    """

    caption: str | None
    pages: Sequence[str]


@dataclass(frozen=True)
class Book:
    """What is printed, and what its title page says.

    Args:
        title: Name of the book.
        authors: Their names.
        address: Where its source is.
        licence: A sentence.
        parts: Its pages in order; the first page brings the subtitle.
    """

    title: str
    authors: str
    address: str
    licence: str
    parts: Sequence[Part]

    def pages(self) -> list[str]:
        """All pages in order."""
        return [page for part in self.parts for page in part.pages]


@dataclass
class Document:
    """The one document.

    Args:
        text: HTML.
        title: Title of the whole.
        headings: Text and id of every heading that a reader looks for: parts and chapters, in order.
        links: How many links lead from one place of the document to another.
    """

    text: str
    title: str
    headings: list[tuple[str, str]] = field(default_factory=list)
    links: int = 0


def this_book() -> Book:
    """Read ``_toc.yml`` and ``_config.yml``."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    parts = [
        Part(part["caption"], [chapter["file"] for chapter in part["chapters"]])
        for part in toc["parts"]
    ]
    return Book(
        config["title"], config["author"], config["repository"]["url"],
        config["html"]["extra_footer"].strip(), [Part(None, [toc["root"]]), *parts],
    )  # fmt: skip


def slug(page: str) -> str:
    """Id of a page in the document."""
    return page.removeprefix("book/").replace("/", "-")


def assemble(site: Path, book: Book) -> Document:
    """Put the articles of all pages into one document.

    Args:
        site: Folder of the built site.
        book: What belongs to it.

    Returns:
        The document, with absolute addresses of files of the site.

    Raises:
        ValueError: If a page is missing or has no text, or if a link leads to a place that is not there.
    """
    articles = {page: _read(site, page) for page in book.pages()}
    known = {
        page: {str(tag["id"]) for tag in article.select("[id]")}
        for page, article in articles.items()
    }
    first = BeautifulSoup(_file(site, book.pages()[0]).read_text("utf-8"), "html.parser")
    subtitle = _heading(articles[book.pages()[0]])
    document = Document("", f"{book.title}: {subtitle}")
    body, styles, entries = [], [], []
    for number, part in enumerate(book.parts):
        for place, page in enumerate(part.pages):
            article, name = articles[page], slug(page)
            if part.caption is not None and place == 0:
                document.headings.append((part.caption, f"part-{number}"))
                entries.append(_entry(part.caption, f"part-{number}", "part"))
                document.links += 1
                caption = f'<div id="part-{number}"><h1 class="part">{html.escape(part.caption)}</h1></div>'
            else:
                caption = ""
            title, depth = _heading(article), 0 if part.caption is None else 1
            document.headings.append((title, name))
            entries.append(_entry(title, name))
            document.links += 1
            document.links += _redirect(article, page, known, site)
            _identify(article, name)
            _open(article)
            _join(article)
            _lower(article, depth)
            lang = f' lang="{article["lang"]}"' if article.has_attr("lang") else ""
            styles.append(
                f"@page p-{number}-{place} {{ @top-center {{ content: {json.dumps(title, ensure_ascii=False)} }} }}"
            )
            body.append(
                f'<section class="chapter bd-article" id="{name}" style="page: p-{number}-{place}"{lang}>'
                f"{caption}{article.decode_contents()}</section>"
            )
    head = _head(first, site, document.title, "\n".join(styles))
    front = _front(book, subtitle, _logo(site), "\n".join(entries), _date(first))
    document.text = (
        f'<!doctype html>\n<html lang="en" data-theme="light" data-mode="light">\n{head}\n'
        f"<body>\n{front}\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )
    return document


def _file(site: Path, page: str) -> Path:
    return site / f"{page}.html"


def _read(site: Path, page: str) -> Tag:
    """The article of a page, without what only a screen needs."""
    path = _file(site, page)
    if not path.is_file():
        raise ValueError(f"{site}: expected the built site, found no {page}.html; run make site")
    article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").find("article")
    if not isinstance(article, Tag) or article.h1 is None:
        raise ValueError(f"{path}: expected an <article> with a heading, found none; run make site")
    for needless in article.select(NEEDLESS):
        needless.decompose()
    return article


def _heading(article: Tag) -> str:
    assert article.h1 is not None
    return " ".join(article.h1.get_text().split())


def _redirect(article: Tag, page: str, known: Mapping[str, set[str]], site: Path) -> int:
    """Turn links to pages into links within the document, and sources into addresses of files.

    Returns:
        How many links lead to a place in the document.
    """
    count = 0
    for link in article.select("a[href]"):
        address = urlsplit(str(link["href"]))
        if address.scheme or address.netloc:
            continue
        name = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(address.path)))
        target = name.removesuffix(".html") if address.path else page
        place = unquote(address.fragment)
        if target not in known:
            link.unwrap()  # search, index and files for download are on the site alone
        elif place and place not in known[target]:
            raise ValueError(
                f"{page}.html: expected every link to lead somewhere, found {link['href']!r}; build the site anew"
            )
        else:
            link["href"] = f"#{slug(target)}--{place}" if place else f"#{slug(target)}"
            count += 1
    for tag in article.select("[src]"):
        source = str(tag["src"])
        if not urlsplit(source).scheme:
            path = (_file(site, page).parent / unquote(urlsplit(source).path)).resolve()
            tag["src"] = path.as_uri()
    return count


def _identify(article: Tag, name: str) -> None:
    """Put the page's name in front of ids; where a page says an id twice, the first keeps it."""
    taken: set[str] = set()
    for tag in article.select("[id]"):
        if (own := str(tag["id"])) in taken:
            del tag["id"]
        else:
            tag["id"] = f"{name}--{own}"
            taken.add(own)
    for key in REFERRING:
        for tag in article.select(f"[{key}]"):
            value = tag[key]
            ids = value.split() if isinstance(value, str) else value
            tag[key] = " ".join(f"{name}--{own}" for own in ids)


def _open(article: Tag) -> None:
    """Show what a reader of the site clicks open, and stills of what moves."""
    maker = BeautifulSoup("", "html.parser")
    for details in article.select("details"):
        title = maker.new_tag("p", attrs={"class": "folded-title"})
        title.string = FOLDED
        if details.summary is not None:
            if "hide" not in details.get_attribute_list("class"):
                title.string = " ".join(details.summary.get_text().split())
            details.summary.decompose()
        details.insert(0, title)
        details.name, details["class"] = "div", "folded"
    for dropdown in article.select(".dropdown"):
        classes = dropdown.get_attribute_list("class")
        dropdown["class"] = " ".join(str(name) for name in classes if name != "dropdown")
    for slider in article.select(".mfnet-slider"):
        _still(slider, maker)
    if (note := article.select_one("#live--live-sam-note")) is not None:
        note.string = LIVE


def _join(article: Tag) -> None:
    """Take away marks around words of code that look as their neighbours do, and line breaks within headings."""
    for span in article.select("span"):
        classes = set(span.get_attribute_list("class"))
        if classes <= PLAIN or (classes == {None} and not span.attrs):
            span.unwrap()
    for heading in article.select("h1, h2, h3, h4"):
        for text in heading.find_all(string=True):
            text.replace_with(re.sub(r"\s+", " ", text))


def _still(slider: Tag, maker: BeautifulSoup) -> None:
    """Replace a slider by its first and last picture and a sentence."""
    pictures = slider.select("img")
    label = slider.select_one("label")
    title = "" if label is None else label.get_text().strip()
    still = maker.new_tag("div", attrs={"class": "still"})
    for picture in dict.fromkeys((pictures[0], pictures[-1])):
        frame = maker.new_tag("div", attrs={"class": "frame"})
        caption = maker.new_tag("p")
        caption.string = f"{title}: {picture.get('data-label', '')}"
        del picture["hidden"]
        frame.extend([picture.extract(), caption])
        still.append(frame)
    sentence = maker.new_tag("p", attrs={"class": "still-note"})
    sentence.string = (
        f"The first and the last of {len(pictures)} pictures; interactive on the site."
    )
    still.append(sentence)
    slider.replace_with(still)


def _lower(article: Tag, depth: int) -> None:
    """Move headings down, below those of parts."""
    if depth:
        for level in range(5, 0, -1):
            for heading in article.find_all(f"h{level}"):
                heading.name = f"h{level + depth}"
    title = article.find(f"h{1 + depth}")
    assert isinstance(title, Tag)
    title["class"] = "chapter-title"


def _entry(title: str, name: str, kind: str = "page") -> str:
    """A line of the contents, with room for the number of a sheet."""
    return (
        f'<li class="{kind}"><a href="#{name}"><span class="name">{html.escape(title)}</span>'
        f'<span class="dots"></span><span class="number"></span></a></li>'
    )


def _date(first: BeautifulSoup) -> str:
    """When the site was built, as its pages say."""
    meta = first.select_one('meta[name="docbuild:last-update"]')
    return "" if meta is None else str(meta["content"])


def _logo(site: Path) -> str:
    path = site / "_static" / "favicon.svg"
    return f'<img class="logo" alt="" src="{path.resolve().as_uri()}">' if path.is_file() else ""


def _front(book: Book, subtitle: str, logo: str, entries: str, date: str) -> str:
    """Title page and list of chapters."""
    say = html.escape
    address = f'<p><a href="{say(book.address)}">{say(book.address)}</a></p>'
    return f"""<section class="title-page">{logo}
<p class="book-title">{say(book.title)}</p>
<p class="book-subtitle">{say(subtitle)}</p>
<p class="book-authors">{say(book.authors)}</p>
<div class="imprint"><p>{say(date)}</p>
<p>Printed from the site of the book. What moves or runs there is shown here as pictures.</p>
{address}<p>{say(book.licence)}</p></div></section>
<section class="contents" id="{CONTENTS}"><h1>Contents</h1><ol>
{entries}
</ol></section>"""


def _head(first: BeautifulSoup, site: Path, title: str, pages: str) -> str:
    """The site's own styles, the print style, and MathJax with the site's settings."""
    folder = _file(site, "book/x").parent
    kept = [f'<meta charset="utf-8"><title>{html.escape(title)}</title>']
    for link in first.select('link[rel="stylesheet"]'):
        kept.append(f'<link rel="stylesheet" href="{_address(folder, str(link["href"]))}">')
    kept.append(f"<style>{STYLE.read_text(encoding='utf-8')}\n{pages}</style>")
    for script in first.select("script"):
        if re.search(r"window\.MathJax\s*=", script.get_text()):
            kept.append(str(script))
        elif "mathjax" in str(script.get("src", "")):
            kept.append(f'<script src="{_address(folder, str(script["src"]))}"></script>')
    return "<head>" + "\n".join(kept) + "</head>"


def _address(folder: Path, source: str) -> str:
    return (folder / unquote(urlsplit(source).path)).resolve().as_uri()
