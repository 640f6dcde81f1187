"""Data that an experiment writes at their first use and reads again ever after."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """Write a folder unless it is there; a broken write leaves nothing behind.

    Args:
        folder: What is wanted.
        make: Writes the contents into the empty folder it is given.

    Returns:
        The folder.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=folder.parent))
        make(fresh)
        try:
            fresh.rename(folder)
        except OSError:  # another process was faster; what it wrote is the same
            shutil.rmtree(fresh)
    return folder
