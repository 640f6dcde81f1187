"""Every script explains itself with --help, and every command that a text names exists."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERNAL = {"scripts.benchmarks.house_worker"}
"""Run by their path from another script, in a tree that need not have this package."""
LEFT_OUT = {"_build", "build", "dist", "__pycache__"}


def module_of(path: Path) -> str:
    """Dotted name that ``python -m`` runs."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__main__" else parts)


def is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


RUNNABLE = sorted(
    module_of(path)
    for path in (ROOT / "scripts").rglob("*.py")
    if any(is_main(node) for node in ast.parse(path.read_text(encoding="utf-8")).body)
)


def texts() -> dict[str, str]:
    """All that people read in this repository: pages, code, notebooks' cells."""
    found = {}
    for path in sorted(ROOT.rglob("*")):
        inner = path.relative_to(ROOT)
        if any(part in LEFT_OUT or part.startswith(".") for part in inner.parts):
            continue
        if path.suffix in (".md", ".py") or path.name == "Makefile":
            found[str(inner)] = path.read_text(encoding="utf-8")
        elif path.suffix == ".ipynb":
            cells = nbformat.read(path, as_version=4).cells
            found[str(inner)] = "\n".join(cell.source for cell in cells)
    return found


def test_scripts_were_found():
    assert {"scripts.book.badges", "scripts.experiments.mfnet", "scripts.parity.mfnet"} <= {
        *RUNNABLE
    }


@pytest.mark.parametrize("module", sorted({*RUNNABLE} - INTERNAL))
def test_help_says_what_is_done_and_how(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    for name in (module, f"{module}.__main__"):  # it may have been imported by another test
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert ended.value.code in (0, None)
    help_text = capsys.readouterr().out
    assert help_text.startswith("usage: ")
    assert f"python -m {module}" in help_text
    assert len(help_text) > 300


def test_named_commands_exist():
    wrong = [
        f"{name}: {module}"
        for name, text in texts().items()
        for module in re.findall(r"python -m (scripts\.[\w.]*\w)", text)
        if module not in RUNNABLE
    ]
    assert wrong == []


def test_named_files_of_scripts_exist():
    wrong = [
        f"{name}: {path}"
        for name, text in texts().items()
        for path in re.findall(r"(?<![\w/.])(scripts/[\w/]+\.(?:py|cpp))", text)
        if not (ROOT / path).exists()
    ]
    assert wrong == []
