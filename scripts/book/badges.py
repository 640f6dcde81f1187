"""Write the cells that every chapter shares, with the repository's address from _config.yml.

    python -m scripts.book.badges            write or refresh the cells in book/NN_*.ipynb
    python -m scripts.book.badges --check    change nothing; exit 1 and name the files that would change

Two cells are generated: the links below the title (tag `badges`, second cell of the notebook), and the
installation for Colab (tag `colab-install`, first code cell). The latter runs only in Colab, may be run twice and
leaves torch alone.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import nbformat
import yaml
from nbformat import NotebookNode

from scripts.book.normalise_notebooks import normalise, notebooks_and_check

ROOT = Path(__file__).resolve().parents[2]
# Colab brings these, and torch must stay the one that fits its driver.
COLAB_HAS = {
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-image",
    "pillow",
    "matplotlib",
    "rich",
    "tqdm",
    "typer",
}


def repository() -> tuple[str, str]:
    """Address and branch of the public repository, from _config.yml."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"].rstrip("/"), config["repository"]["branch"]


def colab_packages() -> list[str]:
    """Our dependencies that Colab lacks, in the order of pyproject.toml, without version bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.match(r"[A-Za-z0-9_.-]+", line)[0] for line in project["dependencies"]]
    return [name for name in names if name not in COLAB_HAS]


def badge_cell(name: str) -> str:
    """Markdown of the links below the title of notebook ``name``."""
    url, branch = repository()
    path = f"{url.removeprefix('https://github.com/')}/blob/{branch}/book/{name}"
    return (
        f"[Open in Colab](https://colab.research.google.com/github/{path}) · "
        f"[Notebook on GitHub](https://github.com/{path})"
    )


def install_cell() -> str:
    """Source of the installation cell."""
    url, branch = repository()
    packages = colab_packages()
    half = (len(packages) + 1) // 2
    return "\n".join(
        [
            "# Made by scripts.book.badges: runs only in Colab, may be run twice, leaves torch alone.",
            "import sys",
            "",
            'if "google.colab" in sys.modules:',
            f"    %pip install --quiet {' '.join(packages[:half])}",
            f"    %pip install --quiet {' '.join(packages[half:])}",
            f"    %pip install --quiet --no-deps git+{url}@{branch}",
        ]
    )


def _insert(notebook: NotebookNode, tag: str, source: str, index: int, tags: list[str]) -> None:
    """Insert the generated cell ``tag`` at ``index``; an earlier one is removed wherever it stood."""
    notebook.cells = [cell for cell in notebook.cells if tag not in cell.metadata.get("tags", [])]
    if tag == "colab-install":
        kinds = [cell.cell_type for cell in notebook.cells]
        index = kinds.index("code") if "code" in kinds else len(kinds)
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": tags}, execution_count=1)
    else:
        cell = nbformat.v4.new_markdown_cell(source, metadata={"tags": tags})
    notebook.cells.insert(index, cell)


def generated(path: Path) -> str:
    """Text of the notebook at ``path`` with both generated cells in place."""
    notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    if not notebook.cells or not notebook.cells[0].source.startswith("# "):
        sys.exit(
            f"{path.name}: expected the first cell to be the chapter's title, found another; start it with '# '"
        )
    _insert(notebook, "badges", badge_cell(path.name), 1, ["badges"])
    _insert(notebook, "colab-install", install_cell(), 2, ["colab-install", "hide-cell"])
    return nbformat.writes(normalise(notebook), version=4).rstrip("\n") + "\n"


def main() -> None:
    """Parse the command line and write or check."""
    paths, check = notebooks_and_check(__doc__, "[0-9][0-9]_*.ipynb")
    stale = [path for path in paths if generated(path) != path.read_text(encoding="utf-8")]
    if check and stale:
        names = ", ".join(path.name for path in stale)
        sys.exit(
            f"generated cells are missing or old in {names}; run python -m scripts.book.badges"
        )
    for path in stale:
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(generated(path), encoding="utf-8")
        fresh.replace(path)
    print(f"{len(paths)} notebooks carry the generated cells, {len(stale)} rewritten")


if __name__ == "__main__":
    main()
