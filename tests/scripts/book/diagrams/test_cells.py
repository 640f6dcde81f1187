"""Road maps say what the chapters say; cells are put where they belong, refreshed, and taken out."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import pytest

from scripts.book.diagrams import road_map
from scripts.book.diagrams.cells import DIAGRAM, ROAD_MAP, generated, with_cells
from scripts.book.diagrams.chapters import Chapter, Part, read_chapter, read_parts
from scripts.book.diagrams.picture import Picture
from scripts.book.diagrams.places import Place

ROOT = Path(__file__).resolve().parents[4]
MARKDOWN = nbformat.v4.new_markdown_cell


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [MARKDOWN(source) for source in sources]
    cells.insert(1, MARKDOWN("[links](x)", metadata={"tags": ["badges"]}))
    return nbformat.v4.new_notebook(cells=cells)


def write(path: Path, *sources: str) -> Path:
    nbformat.write(notebook(*sources), path)
    return path


def test_a_chapter_builds_on_what_it_links_to(tmp_path):
    path = write(
        tmp_path / "05_x.ipynb",
        "# 5. Adapters: small and many\n\nText.",
        "**You need** [chapter 1](01_a.ipynb), {doc}`chapter 2 <02_b>`, not chapter 4.\n\n[3](03_c.ipynb)",
    )
    assert read_chapter(path) == Chapter("05_x", "Adapters", (1, 2))
    with pytest.raises(ValueError, match=r"06_y\.ipynb: expected a title"):
        read_chapter(write(tmp_path / "06_y.ipynb", "No title"))


def test_every_later_chapter_builds_on_an_earlier_one():
    chapters = [chapter for part in read_parts() for chapter in part.chapters]
    numbers = [chapter.number for chapter in chapters]
    assert numbers == sorted(numbers)
    for chapter in chapters:
        assert all(number in numbers and number < chapter.number for number in chapter.needs)
        assert chapter.needs or chapter.number <= 2, f"{chapter.stem} links to none in You need"


def test_a_road_map_names_neighbours_and_needs():
    one, two, three = (Chapter(f"0{n}_x", f"Title {n}", (1,) * (n > 1)) for n in (1, 2, 3))
    parts = [Part("Begin", (one,)), Part("A rather long name", (two, three))]
    drawn = road_map.draw(parts, two)
    assert drawn.alt == (
        "Road map: chapter 2 of the part A rather long name builds on 1, follows 1, leads to 3"
    )
    kinds = {box.lines[0]: box.kind for box in drawn.boxes if box.lines[0]}
    assert kinds == {"1": "needed", "2": "here", "3": "other"}
    written = [text.line.replace("\u00a0", " ") for text in drawn.texts]
    assert {"builds on 1 Title 1", "← 1 Title 1", "3 Title 3 →", "Begin"} <= set(written)
    first = [text.line for text in road_map.draw(parts, one).texts]
    assert "builds on no earlier chapter" in first


PICTURES = {
    name: Picture(name, name, f"All of {name}.", alt=f"Shows {name}.")
    for name in ("net", "road_map_07")
}
PLACE = Place("net", "07_x", "fig-net", "## 2. Two", "The net.")


def test_a_diagram_is_put_before_its_line_once():
    book = notebook("# Title", "Abstract", "## 1. One\n\nText.\n\n## 2. Two\n\nMore.")
    once = with_cells(book, "07_x", [PLACE], PICTURES)
    sources = [cell.source for cell in once.cells]
    assert sources[2].startswith("![Shows road_map_07.](https://raw.githubusercontent.com/")
    assert sources[4] == "## 1. One\n\nText."
    assert sources[5].startswith(":::{figure-md} fig-net\n![Shows net.](https://")
    assert sources[5].endswith("/book/_static/diagrams/net.svg)\n\nThe net.\n:::")
    assert sources[6] == "## 2. Two\n\nMore."
    again = with_cells(once, "07_x", [PLACE], PICTURES)
    assert [cell.source for cell in again.cells] == sources


def test_a_moved_diagram_stays_and_an_old_one_goes():
    book = with_cells(notebook("# Title", "## 2. Two"), "07_x", [PLACE], PICTURES)
    cells = book.cells
    cells.append(
        cells.pop(next(n for n, c in enumerate(cells) if DIAGRAM in c.metadata.get("tags", [])))
    )
    cells[-1].source = cells[-1].source.replace("The net.", "An old caption.")
    moved = with_cells(book, "07_x", [PLACE], PICTURES).cells
    assert moved[-1].source.endswith("The net.\n:::")
    left = with_cells(book, "07_x", [], PICTURES).cells
    assert [cell.metadata.get("tags", []) for cell in left] == [[], ["badges"], [ROAD_MAP], []]


def test_a_line_that_is_gone_is_named(tmp_path):
    path = write(tmp_path / "07_x.ipynb", "# Title", "Text")
    with pytest.raises(ValueError, match=r"starts with '## 2\. Two' for the diagram fig-net"):
        generated(path, [PLACE], PICTURES)


def test_the_site_shows_both_forms(monkeypatch):
    nodes = pytest.importorskip("docutils.nodes")
    utils = pytest.importorskip("docutils.utils")
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    from light_and_dark import show_both  # type: ignore[import-not-found]

    sys.modules.pop("light_and_dark")
    tree = utils.new_document("page")
    address = "https://raw.githubusercontent.com/some/one/main/book/_static/diagrams/net.svg"
    tree += nodes.figure("", nodes.image(uri=address, alt="A net"), nodes.caption("", "Net"))
    tree += nodes.image(uri="https://elsewhere.org/net.svg")
    tree += nodes.image(uri="_static/architecture.svg")
    show_both(None, tree)
    figure, other, *rooms = tree.children
    assert [(n["uri"], n["alt"], n["classes"]) for n in figure.findall(nodes.image)] == [
        ("/book/_static/diagrams/net.svg", "A net", ["diagram-light", "dark-light"]),
        ("/book/_static/diagrams/net_dark.svg", "A net", ["diagram-dark", "dark-light"]),
    ]
    assert other["uri"] == "https://elsewhere.org/net.svg"
    assert [n["uri"] for n in rooms] == [
        "/book/_static/architecture.svg", "/book/_static/architecture_dark.svg",
    ]  # fmt: skip
