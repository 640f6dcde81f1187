"""Bring the committed notebooks into one normal form, so that a re-run changes only what really changed.

    python -m scripts.book.normalise_notebooks            rewrite book/*.ipynb
    python -m scripts.book.normalise_notebooks --check    change nothing; exit 1 and name the files that would change

Kept: sources, outputs, tags, captions and alt texts (`mystnb`). Dropped: times, paths, papermill's and editors' keys,
interpreter versions, widget state, injected parameters. Cell ids come from the cell's text, execution counts are 1..n.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path

import nbformat
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parents[2] / "book"
CELL_KEYS = ("mystnb", "tags")
OUTPUT_KEYS = ("height", "width")  # of images; everything else is the front end's business
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def _terminal(text: str) -> str:
    """What a terminal shows in the end: of a line redrawn with carriage returns, the last drawing."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)


def _outputs(outputs: list[NotebookNode], count: int | None) -> list[NotebookNode]:
    """Merge neighbouring outputs of one stream and keep only what a reader sees."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
            else:
                kept.append(output)
            continue
        if output.output_type == "execute_result":
            output.execution_count = count
        if output.output_type in ("execute_result", "display_data"):
            output.data.pop(WIDGET, None)
            if not output.data:
                continue
            sizes = {
                mime: {key: value for key, value in extra.items() if key in OUTPUT_KEYS}
                for mime, extra in output.metadata.items()
                if isinstance(extra, dict)
            }
            output.metadata = NotebookNode({mime: size for mime, size in sizes.items() if size})
            output.pop("transient", None)
        kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = _terminal(output.text)
    return kept


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Return ``notebook`` in normal form; applying it twice changes nothing more."""
    cells = []
    seen: Counter[str] = Counter()
    count = 0
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            continue
        cell.source = cell.source.strip("\n")
        cell.metadata = NotebookNode(
            {k: cell.metadata[k] for k in CELL_KEYS if cell.metadata.get(k)}
        )
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] += 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        if cell.cell_type == "code":
            if cell.execution_count is not None:
                count += 1
                cell.execution_count = count
            cell.outputs = _outputs(cell.outputs, cell.execution_count)
        cell.pop("attachments", None) if not cell.get("attachments") else None
        cells.append(cell)
    notebook.cells = cells
    metadata = {"kernelspec": KERNEL}
    if "mystnb" in notebook.metadata:
        metadata["mystnb"] = notebook.metadata["mystnb"]
    notebook.metadata = NotebookNode(metadata)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def normal_text(path: Path) -> str:
    """The normal form of the notebook at ``path`` as the text of a file."""
    notebook = normalise(nbformat.reads(path.read_text(encoding="utf-8"), as_version=4))
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


def normalise_file(path: Path) -> bool:
    """Rewrite the notebook at ``path`` in normal form; return whether that changed it."""
    text = normal_text(path)
    if text == path.read_text(encoding="utf-8"):
        return False
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
    return True


def notebooks_and_check(description: str | None, pattern: str) -> tuple[list[Path], bool]:
    """Read the command line of a script that rewrites notebooks.

    Args:
        description: Text of ``--help``.
        pattern: Notebooks of the book that are meant where none is named.

    Returns:
        The notebooks, and whether they are checked only.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help=f"default: book/{pattern}")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 1 if something would change"
    )
    options = parser.parse_args()
    return options.notebooks or sorted(BOOK.glob(pattern)), options.check


def main() -> None:
    """Parse the command line and rewrite or check."""
    paths, check = notebooks_and_check(__doc__, "*.ipynb")
    if not check:
        for path in paths:
            print(f"{path.name}: {'rewritten' if normalise_file(path) else 'unchanged'}")
        return
    wrong = [p.name for p in paths if normal_text(p) != p.read_text(encoding="utf-8")]
    if wrong:
        sys.exit(
            f"not in normal form: {', '.join(wrong)}; run python -m scripts.book.normalise_notebooks"
        )
    print(f"{len(paths)} notebooks in normal form")


if __name__ == "__main__":
    main()
