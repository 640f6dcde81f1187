"""The picture of the rooms: what a toy package imports, arrows that say nothing new, boxes that keep apart."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts.book import architecture, layered
from scripts.book.diagrams.style import contrast

FILES = {
    "ground/__init__.py": '"""Where all stand."""\n',
    "ground/stone.py": "import os\n",
    "wall/__init__.py": "",
    "wall/brick.py": "import house.ground.stone\n\n\ndef lay():\n    from house.ground import stone\n",
    "roof/tile.py": "from house import wall\nfrom house.ground.stone import x\nfrom house.roof import y\n",
    "shed/__init__.py": "import houses.wall\n",
    "top.py": "import house.roof\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "house"


def test_rooms_of_a_package(package):
    rooms = architecture.read_rooms(package)
    assert {name: set(room.imports) for name, room in rooms.items()} == {
        "ground": set(), "wall": {"ground"}, "roof": {"wall", "ground"}, "shed": set(),
    }  # fmt: skip
    assert (rooms["wall"].lines, rooms["wall"].files) == (5, 2)
    assert rooms["ground"].purpose == "Where all stand."
    assert rooms["roof"].purpose == ""


def test_arrows_that_follow_from_others_are_left_out():
    arrows = {"a": "bcd", "b": "cd", "c": "d", "d": "", "e": "bd"}
    kept = architecture.without_shortcuts({k: frozenset(v) for k, v in arrows.items()})
    assert {k: "".join(sorted(v)) for k, v in kept.items()} == {
        "a": "b", "b": "c", "c": "d", "d": "", "e": "b",
    }  # fmt: skip


def test_a_circle_is_named():
    arrows = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("b")}
    with pytest.raises(ValueError, match="found b -> c -> b"):
        architecture.without_shortcuts(arrows)


def test_boxes_stand_on_what_they_import_and_keep_apart():
    arrows = {"a": "bx", "b": "cde", "c": "", "d": "", "e": "f", "f": "", "x": "f", "y": ""}
    drawing = layered.draw({k: frozenset(v) for k, v in arrows.items()})
    assert drawing.storey == {"a": 3, "b": 2, "c": 0, "d": 0, "e": 1, "f": 0, "x": 1, "y": 0}
    assert drawing.crossings == 0
    for one, two in combinations(drawing.x, 2):
        if drawing.storey[one] == drawing.storey[two]:
            assert abs(drawing.x[one] - drawing.x[two]) >= layered.WIDTH
    for (upper, lower), way in drawing.ways.items():
        assert len(way) == 1 + drawing.storey[upper] - drawing.storey[lower]
        assert abs(way[0] - drawing.x[upper]) < layered.WIDTH / 2
        assert abs(way[-1] - drawing.x[lower]) < layered.WIDTH / 2
        for storey, x in zip(range(drawing.storey[upper] - 1, 0, -1), way[1:-1], strict=False):
            beside = [drawing.x[k] for k, s in drawing.storey.items() if s == storey]
            assert all(abs(x - middle) > layered.WIDTH / 2 for middle in beside)


def test_crossings_that_can_be_avoided_are_avoided():
    arrows = {"a": "z", "b": "y", "c": "x", "x": "", "y": "", "z": ""}
    assert layered.draw({k: frozenset(v) for k, v in arrows.items()}).crossings == 0


def test_the_picture_can_be_read_by_everybody(package):
    text = architecture.picture(architecture.read_rooms(package), "house")
    assert text == architecture.picture(architecture.read_rooms(package), "house")
    root = ElementTree.fromstring(text)
    name = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.find(f"{name}title").text == "Rooms of house and the imports between them"
    assert "roof imports ground, wall." in root.find(f"{name}desc").text
    sizes = [float(x.get("font-size")) for x in root.iter(f"{name}text")]
    assert min(sizes) >= 18  # half of that on a page
    labels = {x.text for x in root.iter(f"{name}text")}
    assert {"ground", "wall", "roof", "shed", "< 100 lines"} <= labels
    arrows = [x.find(f"{name}title").text for x in root.iter(f"{name}path") if len(x)]
    assert arrows == ["roof imports wall", "wall imports ground"]


@pytest.mark.parametrize("look", [architecture.LIGHT, architecture.DARK])
def test_letters_and_arrows_stand_out(package, look):
    text = architecture.picture(architecture.read_rooms(package), "house", look)
    assert look.ink in text
    assert look.line in text
    for fill in (*look.storeys, look.foot):
        assert contrast(look.ink, fill) >= 7
    ground = "#ffffff" if look is architecture.LIGHT else "#121212"
    assert contrast(look.line, ground) >= 3


def test_check_finds_an_old_picture(package, tmp_path, monkeypatch, capsys):
    out = tmp_path / "picture.svg"
    words = ["architecture", "--package", str(package), "--out", str(out)]

    def run(*more: str) -> None:
        monkeypatch.setattr(sys, "argv", [*words, *more])
        architecture.main()

    with pytest.raises(SystemExit, match=r"run python -m scripts\.book\.architecture"):
        run("--check")
    run()
    run("--check")
    dark = tmp_path / "picture_dark.svg"
    dark.write_text(out.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"picture_dark\.svg: expected"):
        run("--check")
    (package / "shed" / "spade.py").write_text("import house.wall\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"picture\.svg: expected"):
        run("--check")
    assert "4 rooms" in capsys.readouterr().out
