"""The oldest versions the package allows, as pins: ``python -m scripts.environment.oldest > oldest.txt``.

``make test-oldest`` installs them into an environment of their own and runs the library's tests there. What only
the tests need (pytest and its friends) keeps the pins of ``requirements.txt``: the package promises nothing about
those.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("book", "encoders", "language", "pretrained", "vectors")
"""What the tests of the library import beside the package's own dependencies."""
TOOLS = (
    "hypothesis",
    "nbformat",
    "packaging",
    "peft",
    "pytest",
    "pytest-xdist",
    "pyyaml",
    "torchmetrics",
    "transformers",
)
"""What the tests themselves need; pinned as in ``requirements.txt``."""
UNUSED = (
    "jupyter-book",
    "sphinx",
    "myst-nb",
    "sphinx-exercise",
    "sphinx-proof",
    "sphinxcontrib-bibtex",
    "papermill",
    "ipykernel",
)
"""What only builds the book, which runs on the pins alone."""


def oldest(project: dict[str, object], pins: list[Requirement]) -> list[str]:
    """Pin every dependency to its lower bound.

    Args:
        project: the table ``project`` of ``pyproject.toml``.
        pins: the lines of ``requirements.txt``.

    Returns:
        Lines for ``pip install --requirement``.

    Raises:
        ValueError: if a dependency states no lower bound.

    Example:
        >>> oldest({"dependencies": ["torch>=2.6"], "optional-dependencies": {}}, [Requirement("pytest==9.0")])
        ['torch==2.6', 'pytest==9.0']
    """
    wanted = [Requirement(str(line)) for line in project["dependencies"]]  # type: ignore[attr-defined]
    for extra, lines in project["optional-dependencies"].items():  # type: ignore[attr-defined]
        wanted += [Requirement(line) for line in lines] if extra in EXTRAS else []
    found = []
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        if (
            name in UNUSED or requirement.extras
        ):  # our own extras by name: their lines are here already
            continue
        bounds = [s.version for s in requirement.specifier if s.operator in (">=", "==")]
        if len(bounds) != 1:
            raise ValueError(
                f"{requirement} in pyproject.toml: expected one lower bound such as >=1.0"
            )
        found.append(f"{name}=={bounds[0]}")
    return found + [str(p) for p in pins if canonicalize_name(p.name) in TOOLS]


def read_pins(path: Path) -> list[Requirement]:
    """Read a requirements file without comments."""
    lines = (line.split(" #")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def main() -> None:
    """Print the pins."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    ).parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    print("\n".join(oldest(project, read_pins(ROOT / "requirements.txt"))))


if __name__ == "__main__":
    main()
