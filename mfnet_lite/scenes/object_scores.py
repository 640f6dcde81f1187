"""SAM's own opinion of the objects of a scene, in a table beside the object map.

``scores.csv`` has a line per object: its number and the IoU that SAM expects of its mask. An object that was put
together from several tiles has the mean over its pixels. Objects whose score is unknown have an empty cell.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from mfnet_lite.utils.files import replacing

__all__ = ["SCORES", "read_scores", "scores_beside", "write_scores"]

SCORES = "scores.csv"
HEAD = "object,score"


def scores_beside(path: str | Path) -> Path | None:
    """Find the scores that lie beside an object map.

    Args:
        path: The object map.

    Returns:
        The file; None if there is none.
    """
    found = Path(path).with_name(SCORES)
    return found if found.is_file() else None


def write_scores(path: str | Path, scores: Float64[np.ndarray, " numbers"]) -> None:
    """Write the table.

    Args:
        path: The file.
        scores: By number of the object, from 0, which is none; NaN where unknown.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as text:
        text.write(HEAD + "\n")
        for number, score in enumerate(scores.tolist()):
            if number:
                text.write(f"{number},\n" if np.isnan(score) else f"{number},{score:.4f}\n")


def read_scores(path: str | Path | None) -> Float64[np.ndarray, " numbers"] | None:
    """Read the table.

    Args:
        path: The file; None for none.

    Returns:
        Scores by number of the object, NaN for 0 and where unknown; None without a file.

    Raises:
        ValueError: If the file is no such table.
    """
    if path is None:
        return None
    head, *lines = Path(path).read_text(encoding="utf-8").splitlines() or [""]
    try:
        if head != HEAD:
            raise ValueError(head)
        rows = [line.split(",") for line in lines]
        numbers = np.array([int(number) for number, _ in rows], dtype=np.int64)
        values = np.array([float(score or "nan") for _, score in rows])
        if not np.array_equal(numbers, np.arange(1, len(rows) + 1)):
            raise ValueError("objects are not numbered 1, 2, …")
    except ValueError as error:
        raise ValueError(
            f"{path} is no table of scores: expected lines of {HEAD} ({error}); delete it or make the masks again"
        ) from error
    return np.concatenate([[np.nan], values])
