"""Every diagram can be read: letters fit, nothing covers anything, colours differ; and a bad one is found out."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts.book.diagrams.__main__ import files, pictures
from scripts.book.diagrams.faults import faults
from scripts.book.diagrams.lettering import plain, svg_line, width, wrapped
from scripts.book.diagrams.picture import Picture
from scripts.book.diagrams.places import PLACES
from scripts.book.diagrams.style import DARK, LIGHT, THEMES, contrast

SVG = "{http://www.w3.org/2000/svg}"
DRAWN = pictures()
SMALLEST_ON_A_PHONE = 9.0
"""Size of letters where a picture is 350 pixels wide."""


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_wrong_with_a_diagram(name):
    assert faults(DRAWN[name]) == []


@pytest.mark.parametrize("name", DRAWN)
def test_it_can_be_read_by_everybody(name):
    picture = DRAWN[name]
    assert 60 < len(picture.alt) < 260
    assert len(picture.text) > len(picture.title)
    for theme in THEMES:
        root = ElementTree.fromstring(picture.svg(theme))
        assert root.get("role") == "img"
        assert root.find(f"{SVG}title").text == picture.title
        assert root.find(f"{SVG}desc").text == picture.text
        sizes = [float(line.get("font-size")) for line in root.iter(f"{SVG}text")]
        assert min(sizes) * 350 / picture.wide > SMALLEST_ON_A_PHONE


def test_committed_files_are_what_the_command_writes():
    old = [
        path.name
        for path, text in files(DRAWN).items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    assert old == [], "run python -m scripts.book.diagrams"


def test_both_themes_differ_in_colours_alone():
    picture = DRAWN["sam"]
    light, dark = picture.svg(LIGHT), picture.svg(DARK)
    assert light == picture.svg(LIGHT) != dark
    words = [
        ["".join(line.itertext()) for line in ElementTree.fromstring(text).iter(f"{SVG}text")]
        for text in (light, dark)
    ]
    assert words[0] == words[1]


def test_what_is_frozen_and_trained_has_a_mark():
    picture = Picture("x", "X", "A frozen and a trained box.", alt="Two boxes.", high=50)
    picture.box(10, 10, 100, 30, "a", "frozen")
    picture.box(120, 10, 100, 30, "b", "trained")
    picture.box(230, 10, 100, 30, "c", "step")
    root = ElementTree.fromstring(picture.svg(LIGHT))
    marks = [path.get("fill") for path in root.iter(f"{SVG}path") if path.get("transform")]
    assert marks == ["none", LIGHT.looks["trained"].line]


def bad() -> Picture:
    return Picture("bad", "Bad", "Something is wrong.", alt="Something is wrong.", high=100)


def test_letters_that_do_not_fit():
    picture = bad()
    picture.box(10, 10, 60, 30, "far too wide")
    picture.box(100, 10, 60, 20, "two\nlines")
    found = faults(picture)
    assert len(found) == 2
    assert "'far too wide' needs" in found[0]
    assert "is 20 high" in found[1]


def test_things_that_cover_each_other():
    picture = bad()
    picture.box(10, 10, 60, 30, "one")
    picture.box(60, 20, 60, 30, "two")
    picture.box(400, 10, 60, 30, "three")
    picture.frame(90, 5, 100, 60)
    picture.write(20, 25, "letters")
    picture.write(22, 27, "more")
    found = "\n".join(faults(picture))
    for word in (
        "box 'one' at (10, 10) lies on box 'two'",
        "'three' at (400, 10) leaves the picture",
        "'two' at (60, 20) lies on the edge of a frame",
        "text 'letters' lies on box 'one'",
        "texts 'letters' and 'more' meet",
    ):
        assert word in found


def test_arrows_through_boxes_and_letters():
    picture = bad()
    one = picture.box(10, 10, 60, 30, "one")
    picture.box(90, 10, 60, 30, "two")
    three = picture.box(170, 10, 60, 30, "three")
    picture.write(20, 60, "letters")
    picture.arrow(one.right, three.left)
    picture.arrow((40, 40), (40, 80))
    picture.arrow((10, 90), (200, 90))
    found = faults(picture)
    assert len(found) == 2
    assert "through box 'two'" in found[0]
    assert "through 'letters'" in found[1]


def test_markup():
    assert plain("**W**_{q} *x*^{(1)} a*b") == "Wq x(1) a*b"
    assert width("m", 20) == pytest.approx(2 * width("m", 10))
    assert width("x_{m}", 10) < width("xm", 10)
    assert width("**mm**", 10) > width("mm", 10)
    assert wrapped("one two three", 10, width("one two", 10)) == ["one two", "three"]
    line = ElementTree.fromstring(svg_line("a_{b} < c", 0, 0, 10, "start", "#000000"))
    assert "".join(line.itertext()) == "ab < c"
    moves = [float(span.get("dy", 0)) for span in line]
    assert sum(moves) == 0  # what is lowered comes back


def test_contrast_of_known_colours():
    assert contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.01)


def test_places_are_named_once_and_exist():
    figures = [place.figure for place in PLACES]
    assert len(set(figures)) == len(figures)
    assert {place.diagram for place in PLACES} <= set(DRAWN)
    root = Path(__file__).resolve().parents[4] / "scripts" / "book" / "diagrams"
    drawing = {path.stem for path in root.glob("*.py") if "def draw()" in path.read_text()}
    assert drawing == {place.diagram for place in PLACES}
