"""The scripts that keep the book in order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from scripts.book import badges, build_site, run_chapters
from scripts.book.normalise_notebooks import normalise


def messy() -> nbformat.NotebookNode:
    """A notebook as papermill and an editor leave it."""
    shown = {
        "image/png": "AAAA",
        "text/plain": "<Figure>",
        "application/vnd.jupyter.widget-view+json": {},
    }
    outputs = [
        new_output("stream", name="stdout", text="10%\r50%\r"),
        new_output("stream", name="stdout", text="done\n"),
        new_output("display_data", data=shown, metadata={"image/png": {"width": 3}, "editor": 1}),
        new_output(
            "display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
        ),
        new_output("execute_result", data={"text/plain": "2"}, execution_count=41),
    ]
    cells = [
        new_markdown_cell("# Title\n"),
        new_code_cell("smoke = True", metadata={"tags": ["injected-parameters"]}),
        new_code_cell(
            "1 + 1", outputs=outputs, execution_count=41, metadata={"execution": {"iopub": "12:00"}}
        ),
        new_code_cell("1 + 1", metadata={"tags": ["keep"], "scrolled": True}),
    ]
    return new_notebook(
        cells=cells,
        metadata={
            "papermill": {"input": "/a/b"},
            "language_info": {"name": "python", "version": "3.12.1"},
        },
    )


def test_normal_form_keeps_what_readers_see_and_drops_the_rest() -> None:
    notebook = normalise(messy())
    assert [cell.source for cell in notebook.cells] == ["# Title", "1 + 1", "1 + 1"]
    first = notebook.cells[1]
    assert first.execution_count == 1
    assert first.metadata == {}
    stream, figure, result = first.outputs
    assert stream.text == "done\n"
    assert figure.metadata == {"image/png": {"width": 3}}
    assert sorted(figure.data) == ["image/png", "text/plain"]
    assert result.execution_count == 1
    assert notebook.cells[2].metadata == {"tags": ["keep"]}
    assert notebook.cells[2].execution_count is None
    assert sorted(notebook.metadata) == ["kernelspec"]


def test_cell_ids_depend_on_the_text_alone_and_stay_unique() -> None:
    one, two = normalise(messy()), normalise(messy())
    ids = [cell.id for cell in one.cells]
    assert ids == [cell.id for cell in two.cells]
    assert ids[2] == f"{ids[1]}-2"
    nbformat.validate(one)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.text(max_size=20)), max_size=6))
def test_normal_form_of_a_normal_form_is_itself(cells: list[tuple[bool, str]]) -> None:
    make = {True: new_code_cell, False: new_markdown_cell}
    once = normalise(new_notebook(cells=[make[kind](text) for kind, text in cells]))
    text = nbformat.writes(once)
    assert nbformat.writes(normalise(nbformat.reads(text, as_version=4))) == text


def test_badges_place_both_cells_once_however_often_they_run(tmp_path: Path) -> None:
    path = tmp_path / "04_trial.ipynb"
    nbformat.write(
        new_notebook(cells=[new_markdown_cell("# T"), new_markdown_cell("x"), new_code_cell("1")]),
        path,
    )
    for _ in range(2):
        path.write_text(badges.generated(path), encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.metadata.get("tags", [""])[0] for cell in cells] == [
        "",
        "badges",
        "",
        "colab-install",
        "",
    ]
    url, branch = badges.repository()
    address = url.removeprefix("https://github.com/")
    assert (
        f"colab.research.google.com/github/{address}/blob/{branch}/book/04_trial.ipynb"
        in cells[1].source
    )


def test_colab_cell_never_touches_torch_and_does_nothing_elsewhere() -> None:
    source = badges.install_cell()
    assert not {"torch", "torchvision", "numpy"} & set(source.partition("import sys")[2].split())
    assert {"segment-anything", "rasterio", "einops", "jaxtyping"} <= set(source.split())
    assert "--no-deps git+" in source
    assert max(map(len, source.splitlines())) <= 88
    exec(compile(source.replace("    %pip", "    raise SystemExit #"), "cell", "exec"), {})


def test_a_chapter_without_a_title_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "04_trial.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), path)
    with pytest.raises(
        SystemExit, match=r"04_trial\.ipynb: expected the first cell to be the chapter's title"
    ):
        badges.generated(path)


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://x.org/a.js"></script>',
        '<link rel="stylesheet" href="//x.org/a.css">',
        '<link rel="preload" as="font" href="https://x.org/f.woff2">',
        '<img alt="a red square" src="http://x.org/a.png">',
        '<img alt="a red square" srcset="a.png 1x, https://x.org/b.png 2x">',
        '<iframe src="https://x.org"></iframe>',
        "<style>@import 'https://x.org/a.css';</style>",
        '<div style="background:url(https://x.org/a.png)"></div>',
        '<script>import("https://x.org/a.js")</script>',
        '<img src="a.png">',
        '<img src="a.png" alt="../_images/0123456789abcdef0123456789abcdef.png">',
    ],
)
def test_broken_promises_of_a_page_are_found(
    html: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_site, "pages", lambda: ["index"])
    (tmp_path / "index.html").write_text(f"<html><body>{html}</body></html>", encoding="utf-8")
    (problem,) = build_site.problems(tmp_path)
    assert "index.html" in problem


def test_links_and_local_files_are_no_problem_but_missing_pages_and_remote_fonts_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_site, "pages", lambda: ["index"])
    good = '<a href="https://x.org">x</a><img src="a.png" alt="a square"><link rel="canonical" href="https://x.org">'
    (tmp_path / "index.html").write_text(good, encoding="utf-8")
    assert build_site.problems(tmp_path) == []
    monkeypatch.setattr(build_site, "pages", lambda: ["index", "other"])
    (tmp_path / "a.css").write_text("@font-face{src:url(https://x.org/f.woff2)}", encoding="utf-8")
    assert build_site.problems(tmp_path) == [
        "page other.html is missing",
        "a.css loads from a server",
    ]


def test_failing_cells_are_reported_by_cell_and_error() -> None:
    error = SimpleNamespace(
        cell_index=7,
        ename="ValueError",
        evalue="bad",
        source="f(1)",
        traceback=["\x1b[31mf\x1b[0m"],
    )
    report = run_chapters.describe(error)
    assert report.startswith("cell 7 stopped with ValueError: bad")
    assert "    f(1)" in report
    assert "\x1b" not in report
