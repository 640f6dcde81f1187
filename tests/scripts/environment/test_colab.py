"""What is changed in a chapter before it runs as in Colab; the run itself needs gigabytes and is made by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest

from scripts.book.badges import install_cell
from scripts.environment import colab
from scripts.environment.colab import CHAPTERS, PRETENDED, ROOT, as_in_colab, call, main


def chapter(name: str = CHAPTERS[0]) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4)


def test_the_installation_runs_twice_and_takes_the_wheel() -> None:
    before = chapter()
    changed = as_in_colab(before, Path("/wheels/a.whl"))
    code = [cell.source for cell in changed.cells if cell.cell_type == "code"]
    assert code[0] == PRETENDED
    assert code[1] == code[2]
    assert code[1].splitlines()[-1].endswith('--no-deps "/wheels/a.whl"')
    assert "git+" not in code[1]
    assert code[3:] == [c.source for c in before.cells if c.cell_type == "code"][1:]
    assert before.cells == chapter().cells


def test_pretending_makes_the_installation_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("google", "google.colab"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    condition = next(line for line in install_cell().splitlines() if line.startswith("if "))
    run = f"import sys\n{condition}\n    found = True\nelse:\n    found = False"
    space: dict[str, object] = {}
    exec(run, space)
    assert space["found"] is False
    try:
        exec(f"{PRETENDED}\n{run}", space)
        assert space["found"] is True
    finally:
        # not by monkeypatch, which would put them back: later tests would find a Colab that is none
        for name in ("google", "google.colab"):
            del sys.modules[name]


def test_a_chapter_without_the_installation_is_refused() -> None:
    notebook = chapter()
    notebook.cells = [
        c for c in notebook.cells if "colab-install" not in c.metadata.get("tags", [])
    ]
    with pytest.raises(ValueError, match="tagged colab-install"):
        as_in_colab(notebook, Path("a.whl"))


def test_a_command_that_fails_says_what_it_printed() -> None:
    with pytest.raises(SystemExit, match="no such thing"):
        call(sys.executable, "-c", "import sys; sys.exit('no such thing')")


def test_half_a_pair_of_versions_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["colab", str(tmp_path), "--python", "x", "--torch", "2.6.0"])
    with pytest.raises(SystemExit):
        main()
    assert "belong together" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_chapters_may_stand_behind_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    chapters = [ROOT / "book" / f"{name}.ipynb" for name in CHAPTERS]
    monkeypatch.setattr(colab, "make_environment", lambda env, *_: env / "python")
    monkeypatch.setattr(colab, "torch_of", lambda _: "1.0 there")
    monkeypatch.setattr(colab, "call", lambda *_, **__: "Python 3")
    monkeypatch.setattr(colab, "build_wheel", lambda _: tmp_path / "a.whl")
    monkeypatch.setattr(colab, "run_chapter", lambda chapter, *_: asked.append(chapter) or 1.0)
    words = ["colab", str(tmp_path), "--python", "x", *map(str, chapters)]
    monkeypatch.setattr(sys, "argv", words)
    main()
    assert asked == chapters
    assert json.loads((tmp_path / "colab.json").read_text())["torch"] == "1.0"
    seen = iter(["1.0 there", "2.0 there"])
    monkeypatch.setattr(colab, "torch_of", lambda _: next(seen))
    with pytest.raises(SystemExit, match="changed torch"):
        main()
