"""SAM's own opinion of the objects of a scene, in a table beside the object map.

``scores.csv`` has a line per object: its number and the IoU that SAM expects of its mask. An object that was put
together from several tiles has the mean over its pixels. Objects whose score is unknown have an empty cell.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from mfnet_lite.rasters.identity import DIGEST_BYTES

__all__ = ["SCORES", "SCORES_DIGEST", "read_scores", "scores_beside", "scores_digest", "table_of"]

SCORES = "scores.csv"
SCORES_DIGEST = "SCORES_DIGEST"
"""Tag of an object map."""
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


def table_of(scores: Float64[np.ndarray, " numbers"]) -> str:
    """Return the table as text.

    Args:
        scores: By number of the object, from 0, which is none; NaN where unknown.
    """
    lines = (
        f"{number},\n" if np.isnan(score) else f"{number},{score:.4f}\n"
        for number, score in enumerate(scores.tolist())
        if number
    )
    return f"{HEAD}\n{''.join(lines)}"


def scores_digest(table: str) -> str:
    """Return what an object map says of the table that was made with it.

    Args:
        table: As :func:`table_of` gives it.
    """
    return hashlib.blake2b(table.encode(), digest_size=DIGEST_BYTES).hexdigest()


def read_scores(
    path: str | Path | None, digest: str | None = None
) -> Float64[np.ndarray, " numbers"] | None:
    """Read the table.

    Args:
        path: The file; None for none.
        digest: What the object map says of its table; None if it does not say.

    Returns:
        Scores by number of the object, NaN for 0 and where unknown; None without a file.

    Raises:
        ValueError: If the file is no such table, or that of another object map.
    """
    if path is None:
        return None
    table = Path(path).read_text(encoding="utf-8")
    if digest and scores_digest(table) != digest:
        raise ValueError(
            f"{path} belongs to another object map than the one beside it, which may have been renamed: expected the "
            "scores that were made with it; move the table away or make the masks again"
        )
    head, *lines = table.splitlines() or [""]
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
