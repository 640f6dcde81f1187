"""Every chapter runs from a fresh kernel, says again what it says in print, and its solutions solve its exercises."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).parent
FUTURE = "from __future__ import annotations\n"
"""Stands at the head of a file alone."""
pytestmark = pytest.mark.book

EXERCISE = re.compile(r"\{exercise(?:-start)?\}[^\n]*\n(?:[^\n]*\n)*?\s*:label:\s*(\S+)")
SOLUTION = re.compile(
    r"^(`{3,}|:{3,})\{solution(?:-start)?\}\s*(\S+)[^\n]*\n(.*?)^\1\s*$", re.M | re.S
)
PYTHON = re.compile(r"^```(?:\{code-block\} )?python\n(.*?)^```\s*$", re.M | re.S)


def test_site(python: Callable[..., None], tmp_path: Path) -> None:
    """Strict build from the committed outputs; all pages there, nothing loaded from a server, every image named.

    Where there is a Chromium, every page is also looked at, on a laptop and on a phone. The longest test stands first,
    so that no other process waits for it at the end.
    """
    python("-m", "scripts.book.build_site", "--notebooks", "book", "--out", tmp_path)
    python("-m", "scripts.book.check_in_browser", tmp_path / "_build" / "html")


def test_stored_outputs(chapter: Path, python: Callable[..., None]) -> None:
    settings = ["-c", HERE / "nbval.ini", f"--nbval-sanitize-with={HERE / 'sanitize.cfg'}"]
    python("-m", "pytest", *settings, f"--rootdir={chapter.parent}", chapter)


def written(code: str) -> set[str]:
    """Names of the functions that a cell defines."""
    return set(re.findall(r"^def (\w+)\(", code, re.MULTILINE))


def test_quick_form_and_solutions(
    chapter: Path, python: Callable[..., None], tmp_path: Path
) -> None:
    """Put each solution's code behind its stub and run the quick form: the checkers then judge the solutions.

    Behind each checker stand wrong answers, zeros, constants, answers off by one and others: it must refuse them all.
    """
    notebook = nbformat.read(chapter, as_version=4)
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    solutions = {
        label: "\n\n".join(PYTHON.findall(body)) for _, label, body in SOLUTION.findall(text)
    }
    wrong = (HERE / "wrong_answers.py").read_text(encoding="utf-8").replace(FUTURE, "")
    cells, waiting, judged = [], "", ("", "", [])
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "markdown" and (found := EXERCISE.search(cell.source)):
            waiting = solutions.get(found[1], "")
            judged = (found[1], waiting, [])
        elif cell.cell_type == "code" and waiting:
            cells.append(nbformat.v4.new_code_cell(waiting))
            judged = (*judged[:2], sorted(written(cell.source) & written(waiting)))
            waiting = ""
        elif cell.cell_type == "code" and judged[2]:
            label, solution, names = judged
            call = f"judge_wrong_answers({label!r}, {solution!r}, {cell.source!r}, {names!r})"
            cells.append(nbformat.v4.new_code_cell(f"{wrong}\n\n{call}"))
            judged = ("", "", [])
    assert len(cells) > len(notebook.cells), "no exercise of this chapter is solved by code"
    notebook.cells = cells
    solved = tmp_path / chapter.name
    nbformat.write(notebook, solved)
    python(
        "-m",
        "scripts.book.run_chapters",
        "--smoke",
        "--jobs",
        "1",
        "--out",
        tmp_path / "out",
        solved,
    )
