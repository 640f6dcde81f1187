"""Folders that are written in one go, and begun anew after a kill: never half of one that looks whole.

While a folder is being written, a hidden file in it says with which arguments. Who calls again with the same ones
writes it to its end, with other ones is refused, and who reads it before is told that it is unfinished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfnet_lite.utils.files import write_text

__all__ = ["UNFINISHED", "check_finished", "check_fresh", "finish_folder", "fresh_folder"]

UNFINISHED = ".unfinished.json"


def check_fresh(out: str | Path, plan: Mapping[str, Any]) -> Path:
    """Refuse a folder that :func:`fresh_folder` would refuse, without creating anything.

    Args:
        out: The folder.
        plan: The arguments that its files follow from.

    Returns:
        The folder.

    Raises:
        ValueError: If it is a file, holds something else, or was begun with other arguments.
    """
    folder = Path(out)
    if folder.is_file():
        raise ValueError(f"{folder} is a file, expected a new or empty folder; name another one.")
    note = folder / UNFINISHED
    if note.is_file():
        if note.read_text(encoding="utf-8", errors="replace") != _as_text(plan):
            raise ValueError(
                f"{folder} was begun with other arguments and is unfinished; call with those again, remove it or "
                "name another folder."
            )
    elif folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} holds {len(list(folder.iterdir()))} entries, expected a new or empty folder; "
            "remove them or name another one."
        )
    return folder


def _as_text(plan: Mapping[str, Any]) -> str:
    return json.dumps(plan, sort_keys=True, default=repr)


def fresh_folder(out: str | Path, plan: Mapping[str, Any]) -> Path:
    """Create a folder, accept an empty one, or take up one that the same call left unfinished.

    Args:
        out: The folder.
        plan: The arguments that its files follow from.

    Returns:
        The folder; :func:`finish_folder` marks it as whole.

    Raises:
        ValueError: If it is a file, holds something else, or was begun with other arguments.
    """
    folder = check_fresh(out, plan)
    if (folder / UNFINISHED).is_file():
        for left in folder.rglob(".*.part*"):  # what a kill left of the file it was at
            left.unlink()
    else:
        write_text(folder / UNFINISHED, _as_text(plan))
    return folder


def finish_folder(folder: Path) -> Path:
    """Mark a folder as whole, once its last file is written.

    Args:
        folder: From :func:`fresh_folder`.

    Returns:
        The folder.
    """
    (folder / UNFINISHED).unlink(missing_ok=True)
    return folder


def check_finished(folder: Path) -> None:
    """Refuse to read a folder that is not written to its end.

    Args:
        folder: Any folder.

    Raises:
        ValueError: If it is unfinished.
    """
    if (folder / UNFINISHED).is_file():
        raise ValueError(
            f"{folder} is unfinished: whoever wrote it was stopped; call the same command again, which writes it to "
            "its end"
        )
