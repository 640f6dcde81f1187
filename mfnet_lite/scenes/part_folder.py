"""Folders of finished parts of a larger work, so that one that was interrupted goes on where it was.

What the parts are made from and how is noted in ``plan.json``; parts of two plans are not mixed, and parts without a
plan, which may be of any, are refused.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mfnet_lite.utils.files import write_text

__all__ = ["begin_folder", "end_folder"]

PLAN = "plan.json"


def begin_folder(
    folder: Path,
    plan: dict[str, Any],
    earlier: dict[str, Any] | None = None,
    scene: Path | None = None,
    parts: Iterable[Path] | None = None,
) -> bool:
    """Start a folder of tiles, or see that the one there belongs to the same plan.

    Args:
        folder: The folder.
        plan: What its tiles are made from and how.
        earlier: Entries of the plan as an earlier version wrote them.
        scene: The file to name if the scene is another one.
        parts: Paths that the parts have or will have; None where they are the folder's ``*.npz``.

    Returns:
        Whether the folder is one of that version.

    Raises:
        ValueError: If the folder was begun with another plan, or holds parts and no plan.
    """
    note = folder / PLAN
    if not note.exists():
        # hidden files are what a write that was killed left, others what a file manager put there
        found = folder.glob("[!.]*.npz") if parts is None else parts
        if any(part.exists() for part in found):
            raise ValueError(
                f"{folder} holds parts of which nothing says what they were made from, {PLAN} is missing; delete "
                "them or choose another folder"
            )
        write_text(note, json.dumps(plan, sort_keys=True))
        return False
    old = json.loads(note.read_text(encoding="utf-8"))
    of_earlier = {key for key, value in (earlier or {}).items() if old.get(key) == value}
    differing = [key for key in plan if old.get(key) != plan[key] and key not in of_earlier]
    if differing:
        which = f" ({scene} or a file beside it has changed)" if "scene" in differing else ""
        raise ValueError(
            f"{folder} holds tiles made with another {', '.join(differing)}{which}; delete it or choose "
            "another folder"
        )
    return bool(of_earlier)


def end_folder(folder: Path) -> None:
    """Delete a folder of parts, its plan last: a kill on the way leaves no part without a plan.

    Args:
        folder: The folder, as :func:`begin_folder` started it.
    """
    for entry in folder.iterdir():
        if entry.name == PLAN:
            continue
        if entry.is_dir() and not entry.is_symlink():  # of a file manager or a notebook
            shutil.rmtree(entry)
        else:
            entry.unlink()
    shutil.rmtree(folder)
