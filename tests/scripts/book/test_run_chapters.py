"""A chapter appears under its name when it is whole: not while it runs, not after a failure, not after a kill."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest

from scripts.book.run_chapters import run_all, run_one


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "01_a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    return path


def executing(monkeypatch, target: Path, failure: BaseException | None) -> None:
    def execute(source, part, **_):
        assert not target.exists()
        Path(part).write_bytes(Path(source).read_bytes())  # papermill writes after every cell
        assert not target.exists()
        if failure is not None:
            raise failure

    monkeypatch.setattr(papermill, "execute_notebook", execute)


def test_a_whole_chapter_gets_its_name(notebook, tmp_path, monkeypatch):
    target = tmp_path / "out" / notebook.name
    target.parent.mkdir()
    executing(monkeypatch, target, None)
    assert run_one(str(notebook), str(target), True)[1] is None
    assert [path.name for path in target.parent.iterdir()] == [notebook.name]


def test_a_failed_chapter_leaves_nothing_and_a_killed_one_no_name(notebook, tmp_path, monkeypatch):
    target = tmp_path / "out" / notebook.name
    target.parent.mkdir()
    executing(monkeypatch, target, RuntimeError("a cell"))
    assert "a cell" in str(run_one(str(notebook), str(target), True)[1])
    assert list(target.parent.iterdir()) == []
    executing(monkeypatch, target, KeyboardInterrupt())  # as a kill: nothing is tidied up
    with pytest.raises(KeyboardInterrupt):
        run_one(str(notebook), str(target), True)
    assert [path.name for path in target.parent.iterdir()] == [".01_a.part.ipynb"]
    run_all([], target.parent, smoke=True, jobs=1)
    assert list(target.parent.iterdir()) == []
