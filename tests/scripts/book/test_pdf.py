"""The book as one document and as a PDF: links lead on, what was folded is open, and a bad file is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Link
from pypdf.generic import NameObject

from scripts.book import pdf
from scripts.book.browser import find_chromium
from scripts.book.one_document import Book, Part, assemble, this_book
from scripts.book.pdf_check import inspect, places

PIXEL = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E"
PAGE = """<!doctype html><html><head><title>x</title><meta name="docbuild:last-update" content="Nov 1, 2026">
<link rel="stylesheet" href="{up}_static/a.css"></head><body><nav>Never printed</nav>
<article class="bd-article"{lang}><section id="{id}"><h1>{title}<a class="headerlink" href="#{id}">#</a></h1>
{text}</section><script>alert(1)</script></article></body></html>"""
FIRST = """<p>See <a href="02_two.html">the second</a>, <a href="02_two.html#fig">its figure</a>,
<a href="#here">here</a>, <a href="../search.html">the search</a>, <a href="https://example.org/x">elsewhere</a>.</p>
<section id="here"><h2>Folded things</h2>
<details class="admonition hide above-input"><summary><p>Show code cell source</p></summary>
<div class="highlight"><pre><span></span><span class="n">folded</span><span class="o">=</span><span class="mi">1</span>
</pre></div></details>
<div class="solution dropdown admonition" id="s"><p>The solution</p></div></section>"""
SECOND = """<p id="fig"><a href="01_one.html#here">back</a></p><img src="../_images/a.svg" alt="a square">
<div class="mfnet-slider"><img src="PIXEL" data-label="rank 0"><img src="PIXEL" hidden data-label="rank 1">
<img src="PIXEL" hidden data-label="rank 2"><label for="r">rank</label><input id="r" type="range"></div>
<table style="width: 1500px"><tr><td>wide</td><td>table</td></tr></table>""".replace("PIXEL", PIXEL)
BOOK = Book(
    "a_book", "Some authors", "https://example.org/book", "A licence.",
    [
        Part(None, ["book/intro"]),
        Part("Part one", ["book/01_one", "book/02_two"]),
        Part("中文：甲，乙", ["book/zh/three"]),
    ],
)  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of four pages."""
    root = tmp_path / "html"
    pages = {
        "book/intro": ("What it is about", "<p>Welcome.</p>", ""),
        "book/01_one": ("1. The first, with a rather long title that does not fit on one line", FIRST, ""),
        "book/02_two": ("2. The second", SECOND, ""),
        "book/zh/three": ("中文概要", '<p id="fig">三 <a href="../02_two.html">二</a></p>', ' lang="zh-CN"'),
    }  # fmt: skip
    for name, (title, text, lang) in pages.items():
        file = root / f"{name}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * name.count("/")
        file.write_text(PAGE.format(up=up, id="top", title=title, text=text, lang=lang))
    for folder, file, text in (
        ("_static", "a.css", "h1 { font-family: sans-serif }"),
        ("_images", "a.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"/>'),
    ):
        (root / folder).mkdir()
        (root / folder / file).write_text(text)
    return root


def test_links_lead_to_places_of_the_document(site: Path):
    document = assemble(site, BOOK)
    soup = BeautifulSoup(document.text, "html.parser")
    links = [str(a["href"]) for a in soup.select("a[href]")]
    ids = [str(tag["id"]) for tag in soup.select("[id]")]
    assert len(ids) == len(set(ids))
    inner = [link for link in links if link.startswith("#")]
    assert [link for link in inner if link[1:] not in ids] == []
    assert [link for link in links if link not in inner] == [
        "https://example.org/book",
        "https://example.org/x",
    ]
    article = [a["href"] for a in soup.select('[id="01_one"] p a')]
    assert article == ["#02_two", "#02_two--fig", "#01_one--here", "https://example.org/x"]
    assert [a["href"] for a in soup.select("#zh-three p a")] == ["#02_two"]
    assert document.links == len(inner) == 6 + 5
    assert document.headings == [
        ("What it is about", "intro"),
        ("Part one", "part-1"),
        ("1. The first, with a rather long title that does not fit on one line", "01_one"),
        ("2. The second", "02_two"),
        ("中文：甲，乙", "part-2"),
        ("中文概要", "zh-three"),
    ]


def test_what_a_click_would_show_is_open_and_screen_parts_are_gone(site: Path):
    soup = BeautifulSoup(assemble(site, BOOK).text, "html.parser")
    assert soup.select("details, summary, .dropdown, nav, input, .headerlink, body script") == []
    assert soup.select_one(".folded pre").get_text() == "folded=1\n"
    assert str(soup.select_one(".folded pre")) == '<pre>folded=<span class="mi">1</span>\n</pre>'
    assert "Folded on the site" in soup.text
    assert "Show code" not in soup.text
    assert "The solution" in soup.text
    shown = soup.select(".still img")
    assert [image["data-label"] for image in shown] == ["rank 0", "rank 2"]
    assert not any(image.has_attr("hidden") for image in shown)
    assert "The first and the last of 3 pictures; interactive on the site." in soup.text
    assert soup.select_one("#zh-three")["lang"] == "zh-CN"
    assert soup.select_one('img[alt="a square"]')["src"] == (site / "_images/a.svg").as_uri()
    assert [h.name for h in soup.select(".chapter-title")] == ["h1", "h2", "h2", "h2"]
    assert soup.select_one('[id="01_one--here"]').h3.text == "Folded things"


def test_a_link_to_nowhere_and_a_missing_page_are_told(site: Path):
    file = site / "book" / "02_two.html"
    text = file.read_text()
    file.write_text(text.replace("01_one.html#here", "01_one.html#gone"))
    with pytest.raises(
        ValueError, match=r"02_two\.html: expected every link to lead.*'01_one\.html#gone'"
    ):
        assemble(site, BOOK)  # fmt: skip
    file.write_text("<html></html>")
    with pytest.raises(ValueError, match=r"02_two\.html: expected an <article> with a heading"):
        assemble(site, BOOK)
    file.unlink()
    with pytest.raises(ValueError, match=r"found no book/02_two\.html; run make site"):
        assemble(site, BOOK)


def test_the_book_is_read_from_its_settings():
    book = this_book()
    assert book.title == "mfnet_lite"
    assert book.pages()[:3] == ["book/intro", "book/live", "book/01_inside_sam"]
    assert book.parts[0].caption is None
    assert "Apache" in book.licence


def written(path: Path, pages: int, title: str) -> PdfWriter:
    """A file of empty sheets."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    writer.add_metadata({"/Title": title})
    writer.write(path)
    return writer


def test_a_bad_file_is_told(tmp_path: Path):
    file = tmp_path / "bad.pdf"
    writer = written(file, 3, "Another")
    writer.add_uri(0, "file:///home/someone/book.html", [0, 0, 9, 9])
    writer.add_annotation(0, Link(rect=(0, 0, 9, 9), target_page_index=2))
    lost = Link(rect=(0, 0, 9, 9), target_page_index=0)
    lost[NameObject("/Dest")] = NameObject("/gone")
    writer.add_annotation(1, lost)
    writer.add_outline_item(title="Second", page_number=1)
    writer.write(file)
    file.write_bytes(file.read_bytes() + b"% /home/someone")
    printed = inspect(file, "A title", [("First", "first")], ["/home/someone"])
    assert (printed.pages, printed.inner, printed.outer) == (3, 2, 1)
    assert printed.problems == [
        "its title is 'Another' instead of 'A title'",
        "it names a path of this machine: /home/someone",
        "page 1 has a link to file:///home/someone/book.html",
        "page 2 has a link that leads nowhere: /gone",
        "page 2 is empty",
        "page 3 is empty",
        "no bookmark names, in its place, First",
    ]
    told = inspect(file, "Another", [("Second", "second"), ("Third", "x")] * 3).problems
    assert "it has 3 pages for 6 headings, which cannot be right" in told
    assert "page 2 does not show the heading Second" in told
    with pytest.raises(ValueError, match="expected a place named here, found none"):
        places(file, ["here"])
    file.write_text("no PDF")
    with pytest.raises(ValueError, match=r"bad\.pdf: expected a PDF"):
        inspect(file, "A title", [])


@pytest.fixture
def chromium() -> str:
    program = find_chromium()
    if program is None:
        pytest.skip("needs Chromium or Chrome")
    return program


def test_a_small_book_is_printed_with_links_bookmarks_and_numbers(
    site: Path, tmp_path: Path, chromium: str, monkeypatch, capsys
):
    monkeypatch.setattr(pdf, "this_book", lambda: BOOK)
    file = tmp_path / "out" / "book.pdf"
    pdf.main([str(site), "--out", str(file)])
    said = capsys.readouterr().out
    assert re.search(
        r"book\.pdf: 6 pages, 0\.\d MB, 11 links within and 2 out of it, printed in", said
    )
    assert [path.name for path in file.parent.iterdir()] == ["book.pdf"]
    document = assemble(site, BOOK)
    assert inspect(file, document.title, document.headings, [str(site)]).problems == []
    reader = PdfReader(file)
    assert reader.metadata.title == "a_book: What it is about"
    contents = " ".join(reader.pages[1].extract_text().split())
    assert re.search(r"What it is about 3 Part one 4 1\. The first.* 4 2\. The second 5", contents)
    text = " ".join(page.extract_text() for page in reader.pages)
    assert "folded=1" in text
    assert "The solution" in text
    assert "Never printed" not in text
    top = [mark.title for mark in reader.outline if not isinstance(mark, list)]
    assert top == ["Contents", "What it is about", "Part one", "中文：甲，乙"]


def test_what_does_not_fit_is_told_and_nothing_is_written(
    site: Path, tmp_path: Path, chromium: str, monkeypatch, capsys
):
    file = site / "book" / "02_two.html"
    file.write_text(file.read_text().replace("../_images/a.svg", "../_images/gone.svg"))
    monkeypatch.setattr(pdf, "this_book", lambda: BOOK)
    out = tmp_path / "out" / "book.pdf"
    with pytest.raises(
        SystemExit, match="does not fit on the paper: an image is not there: a square"
    ):
        pdf.main([str(site), "--out", str(out)])  # fmt: skip
    assert list(out.parent.iterdir()) == []


def test_errors_are_one_sentence(tmp_path: Path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(pdf, "find_chromium", lambda: "chromium")
    for out, said in (
        (tmp_path / "a.pdf", "expected the built site, found no book/intro.html; run make site"),
        (tmp_path / "file" / "a.pdf", "cannot be written: .*; choose another place"),
        (tmp_path, "expected a name for the PDF, found a folder"),
    ):
        with pytest.raises(SystemExit, match=said):
            pdf.main([str(tmp_path / "site"), "--out", str(out)])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    monkeypatch.setattr(pdf, "find_chromium", lambda: None)
    with pytest.raises(SystemExit, match="needs Chromium or Chrome, and none was found"):
        pdf.main([str(tmp_path), "--out", str(tmp_path / "a.pdf")])
