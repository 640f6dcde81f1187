"""The form of a chapter, as far as a machine can judge it."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from functools import cache
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat import NotebookNode

from scripts.book import badges, normalise_notebooks
from tests.notebooks.test_runs import SOLUTION

CODE_LINES, WORDS = 250, 2500
"""What a chapter may have: lines of code that are not blank, and words outside code."""


GENERATED = {"badges", "colab-install", "diagram", "road-map"}
"""Tags of cells that scripts write; their prose does not count, their code does."""

PARAMETERS = {"smoke": False, "seed": None, "device": "auto", "backbone": "tiny", "steps": None}


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def notebook(chapter: Path) -> NotebookNode:
    return nbformat.read(chapter, as_version=4)


def test_normal_form_and_generated_cells(
    chapter: Path,
) -> None:
    text = chapter.read_text(encoding="utf-8")
    assert normalise_notebooks.normal_text(chapter) == text, (
        "run python -m scripts.book.normalise_notebooks"
    )
    assert badges.generated(chapter) == text, "run python -m scripts.book.badges"


def test_opening(notebook: NotebookNode) -> None:
    assert re.match(r"# \S", notebook.cells[0].source)
    opening = "\n".join(cell.source for cell in notebook.cells[:4])
    assert "abstract-zh" in opening
    assert re.search(r"[\u4e00-\u9fff]{8}", opening)
    titles = [
        line
        for cell in notebook.cells
        if cell.cell_type == "markdown"
        for line in headings(cell.source, 1)
    ]
    assert len(titles) == 1


def headings(source: str, level: int) -> list[str]:
    """Headings of one level outside fenced blocks."""
    bare = re.sub(r"^(`{3,}).*?^\1\s*$", "", source, flags=re.M | re.S)
    return re.findall(rf"^#{{{level}}} .*$", bare, flags=re.M)


def test_parameters_are_plain_literals(notebook: NotebookNode) -> None:
    (cell,) = tagged(notebook, "parameters")
    values = {}
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.Assign)
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    for name, expected in PARAMETERS.items():
        assert name in values
        if expected is not None:
            assert values[name] == expected


def test_figures_have_alt_texts_and_captions(notebook: NotebookNode) -> None:
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        if not any("image/png" in output.get("data", {}) for output in cell.outputs):
            continue
        described = cell.metadata.get("mystnb", {})
        assert len(described.get("image", {}).get("alt", "")) > 30, (
            f"cell {number} needs an alt text"
        )
        assert len(described.get("figure", {}).get("caption", "")) > 30, (
            f"cell {number} needs a caption"
        )
        assert described["figure"].get("name", "").startswith("fig-"), (
            f"cell {number} needs a name fig-..."
        )


def test_exercises_have_checkers_and_solutions(notebook: NotebookNode) -> None:
    cell_of: dict[str, int] = {}
    solved: list[str] = []
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        for block in re.findall(
            r"\{exercise(?:-start)?\}.*?:label:\s*(\S+)", cell.source, flags=re.S
        ):
            cell_of[block] = number
        solved += [label for _, label, _ in SOLUTION.findall(cell.source)]  # closed ones only
    assert len(cell_of) >= 3
    assert Counter(solved) == Counter(cell_of.keys())
    starts = [*sorted(cell_of.values()), len(notebook.cells)]
    for label, start in cell_of.items():
        until = (
            min(after for after in starts if after > start)
            if start != starts[-2]
            else len(notebook.cells)
        )
        assert any(cell.cell_type == "code" for cell in notebook.cells[start:until]), (
            f"{label} needs a checker cell"
        )


def test_sections_are_numbered_without_gaps(notebook: NotebookNode) -> None:
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    numbers = [int(number) for number in re.findall(r"^## (\d+)\.", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_code_is_portable_and_narrow(notebook: NotebookNode) -> None:
    for cell in code(notebook):
        lines = cell.source.splitlines()
        assert max((len(line) for line in lines), default=0) <= 88
        assert "sys.path" not in cell.source
        assert not re.search(r"""["'](/|~|[A-Z]:\\)""", cell.source), "an absolute path"
        assert "@interact" not in cell.source


def size(notebook: NotebookNode) -> tuple[int, int]:
    """Lines of code that are not blank, generated ones too, and words of prose that nobody generated."""
    lines = [line for cell in code(notebook) for line in cell.source.splitlines()]
    prose = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "markdown" and not GENERATED & set(cell.metadata.get("tags", []))
    ]
    return sum(bool(line.strip()) for line in lines), sum(len(text.split()) for text in prose)


def test_a_chapter_is_short(notebook: NotebookNode) -> None:
    lines, words = size(notebook)
    assert lines <= CODE_LINES, f"{lines} lines of code, {lines - CODE_LINES} too many"
    assert words <= WORDS, f"{words} words, {words - WORDS} too many"


def test_generated_code_counts_and_generated_prose_does_not() -> None:
    cells = [
        nbformat.v4.new_markdown_cell("three short words"),
        nbformat.v4.new_markdown_cell("[a link](x)", metadata={"tags": ["badges"]}),
        nbformat.v4.new_code_cell("import sys", metadata={"tags": ["colab-install"]}),
        nbformat.v4.new_code_cell("a = 1\n\nb = 2\n"),
    ]
    assert size(nbformat.v4.new_notebook(cells=cells)) == (3, 3)


def test_outputs_are_complete_and_clean(chapter: Path, notebook: NotebookNode) -> None:
    assert chapter.stat().st_size <= 1_000_000
    for cell in code(notebook):
        assert cell.execution_count is not None, "an unrun cell; run make notebooks"
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", (
                f"a warning is printed: {output.get('text', '')[:200]}"
            )
            printed = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
            assert not re.search(r"(?<![\w.:/])/(home|root|tmp|work|Users|usr)/", printed), (
                "a path of one machine"
            )


@cache
def defined_names() -> frozenset[str]:
    """Functions and classes of the library and the scripts, and those of Python itself."""
    root = Path(__file__).resolve().parents[2]
    files = [p for part in ("mfnet_lite", "scripts") for p in (root / part).rglob("*.py")]
    found = (re.findall(r"(?:def|class) (\w+)", p.read_text(encoding="utf-8")) for p in files)
    return frozenset(name for names in found for name in names) | set(dir(builtins))


def unknown_calls(notebook: NotebookNode) -> list[str]:
    """Calls that the prose names and that neither the chapter nor the library knows."""
    code_of_it = "\n".join(cell.source for cell in code(notebook))
    known = defined_names() | set(re.findall(r"\w+", code_of_it))
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    calls = re.findall(r"`([A-Za-z_][\w.]*)\(", re.sub(r"```.*?```", "", prose, flags=re.DOTALL))
    return [c for c in calls if c.rpartition(".")[2] not in known and not c.startswith("torch.")]


def test_functions_that_the_prose_names_exist(notebook: NotebookNode) -> None:
    assert unknown_calls(notebook) == []


def test_a_function_that_was_renamed_is_found() -> None:
    written = [
        nbformat.v4.new_code_cell("def heard(net, k): ..."),
        nbformat.v4.new_markdown_cell(
            "Is `moved(net, 0)` more than `heard(net, 0)`? Try `print(1)`."
        ),
    ]
    assert unknown_calls(nbformat.v4.new_notebook(cells=written)) == ["moved"]


SHOWN = {"image/png", "image/svg+xml", "text/html"}
DRAWS = re.compile(r"(?:plot|plotting)\.(?:panels|show_\w+|static_slider)$")


def draws(source: str) -> bool:
    """Whether a cell draws whatever its answers, outside the functions that it only defines."""
    module = ast.parse(re.sub(r"^( *)%.*$", r"\1pass", source, flags=re.MULTILINE))
    asked = [n for n in module.body if isinstance(n, ast.If) and ast.unparse(n.test) != "record"]
    later = [n for n in module.body if isinstance(n, ast.FunctionDef)]
    module.body = [node for node in module.body if node not in (*asked, *later)]
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    return any(DRAWS.match(ast.unparse(call.func)) for call in calls)


def test_what_is_drawn_is_shown(notebook: NotebookNode) -> None:
    """A figure that is not the last value of its cell is drawn for nobody."""
    for cell in code(notebook):
        if draws(cell.source):
            kinds = {kind for output in cell.outputs for kind in output.get("data", ())}
            assert kinds & SHOWN, f"drawn and not shown:\n{cell.source}"


def test_a_cell_that_draws_is_known_by_its_calls() -> None:
    drawn = "figure, axes = plot.panels(['a'])\naxes[0].set(ylim=(0, 1))"
    assert draws(drawn)
    assert not draws(f"def later():\n    {drawn.splitlines()[0]}\n    return figure")
    assert not draws("figure.legend(loc='best')")


def test_sliders_are_not_compared_byte_by_byte(notebook: NotebookNode) -> None:
    for cell in code(notebook):
        if any(
            "mfnet-slider" in str(output.get("data", {}).get("text/html", ""))
            for output in cell.outputs
        ):
            tags = set(cell.metadata.get("tags", []))
            assert tags & {"nbval-ignore-output", "nbval-skip"}, (
                "tag the slider's cell nbval-ignore-output"
            )


def test_names_of_figures_and_exercises_are_unique_in_the_book() -> None:
    from collections import Counter as Count

    names: Count[str] = Count()
    for path in sorted((Path(__file__).resolve().parents[2] / "book").glob("[0-9][0-9]_*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            names.update([name] if name else [])
            names.update(
                re.findall(r":label:\s*(\S+)", cell.source) if cell.cell_type == "markdown" else []
            )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_part_has_two_exercises_on_the_readers_own_data() -> None:
    """Their titles begin with *Open:* and say *your own*."""
    root = Path(__file__).resolve().parents[2]
    parts = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    found: dict[str, list[str]] = {}
    for part in parts:
        for chapter in part["chapters"]:
            path = root / f"{chapter['file']}.ipynb"
            for cell in nbformat.read(path, as_version=4).cells if path.exists() else ():
                titles = re.findall(r"\{exercise-start\} (Open: .*)", cell.source)
                found.setdefault(part["caption"], []).extend(titles)
    assert len(found) == 6
    own = {
        part: [title for title in titles if "your own" in title] for part, titles in found.items()
    }
    assert {part: titles for part, titles in own.items() if len(titles) < 2} == {}
