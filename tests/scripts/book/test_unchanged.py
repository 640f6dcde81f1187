"""An unchanged chapter is not run again; whatever its outputs depend on makes it run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from scripts.book import unchanged
from scripts.book.unchanged import is_unchanged, note, stamp_of, surroundings


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("mfnet_lite/a.py", "data/tile.tif", "book/results/x.json", "scripts/c"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    write(tmp_path / "01_a.ipynb", "1 + 1")
    return tmp_path


def write(path: Path, code: str, outputs: bool = False) -> None:
    cell = nbformat.v4.new_code_cell(code, id="a")
    if outputs:
        cell.outputs = [nbformat.v4.new_output("stream", text="2")]
        cell.execution_count = 7
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)


def executed(checkout: Path) -> tuple[Path, Path]:
    surroundings.cache_clear()
    notebook, target = checkout / "01_a.ipynb", checkout / "out" / "01_a.ipynb"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(notebook.read_bytes())
    note(target, stamp_of(notebook, False, checkout))
    return notebook, target


def test_an_unchanged_chapter_is_kept(checkout: Path) -> None:
    notebook, target = executed(checkout)
    surroundings.cache_clear()
    assert is_unchanged(target, stamp_of(notebook, False, checkout))
    write(notebook, "1 + 1", outputs=True)
    assert is_unchanged(target, stamp_of(notebook, False, checkout))
    assert not is_unchanged(target, stamp_of(notebook, True, checkout))


@pytest.mark.parametrize(
    "name",
    ["mfnet_lite/a.py", "data/tile.tif", "book/results/x.json", "scripts/c", "data/new.tif"],
)
def test_files_count(checkout: Path, name: str) -> None:
    notebook, target = executed(checkout)
    (checkout / name).write_text("changed")
    surroundings.cache_clear()
    assert not is_unchanged(target, stamp_of(notebook, False, checkout))


def test_code_packages_and_what_is_missing_count(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook, target = executed(checkout)
    monkeypatch.setattr(unchanged, "distributions", list)
    surroundings.cache_clear()
    assert not is_unchanged(target, stamp_of(notebook, False, checkout))
    monkeypatch.undo()
    surroundings.cache_clear()
    assert is_unchanged(target, stamp_of(notebook, False, checkout))
    write(notebook, "1 + 2")
    assert not is_unchanged(target, stamp_of(notebook, False, checkout))
    notebook, target = executed(checkout)
    target.unlink()
    assert not is_unchanged(target, stamp_of(notebook, False, checkout))
