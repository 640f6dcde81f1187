"""Which chapters need not run again: their code, the library, its data and the installed packages are as they were.

Beside an executed chapter ``NN_name.ipynb`` lies ``.NN_name.stamp``, a hash of everything that its outputs depend on.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
from importlib.metadata import distributions
from pathlib import Path

from mfnet_lite.utils.files import write_text

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("mfnet_lite", "scripts", "data", "book/results")
"""What chapters import and read, beside packages."""
LEFT_OUT = {".pyc"}


def files_of(root: Path) -> list[Path]:
    """Files of the checkout that a chapter may import or read, in the order of their names."""
    return sorted(
        path
        for folder in FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file() and path.suffix not in LEFT_OUT
    )


@functools.cache
def surroundings(root: Path = ROOT) -> str:
    """Hash what all chapters depend on: files, packages, Python and the kind of machine."""
    content = hashlib.sha256()
    for path in files_of(root):
        content.update(f"{path.relative_to(root).as_posix()}\n".encode())
        content.update(hashlib.sha256(path.read_bytes()).digest())
    packages = sorted({f"{d.metadata['Name']} {d.version}" for d in distributions()})
    content.update("\n".join([*packages, platform.python_version(), platform.machine()]).encode())
    return content.hexdigest()


def stamp_of(notebook: Path, smoke: bool, root: Path = ROOT) -> str:
    """Hash what the outputs of a chapter depend on.

    Args:
        notebook: The chapter; its stored outputs do not count.
        smoke: Whether it runs in its quick form.
        root: The checkout.
    """
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    kept = [{k: v for k, v in c.items() if k not in ("outputs", "execution_count")} for c in cells]
    text = json.dumps([kept, smoke, surroundings(root)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def place_of(target: Path) -> Path:
    """Where the stamp of an executed chapter lies."""
    return target.with_name(f".{target.stem}.stamp")


def is_unchanged(target: Path, stamp: str) -> bool:
    """Decide whether an executed chapter is what a new run would give.

    Args:
        target: The executed one.
        stamp: What the chapter's outputs depend on now, from :func:`stamp_of`.
    """
    place = place_of(target)
    return target.is_file() and place.is_file() and place.read_text(encoding="utf-8") == stamp


def note(target: Path, stamp: str) -> None:
    """Write the stamp of an executed chapter, taken before its run, as files may change meanwhile."""
    write_text(place_of(target), stamp)
