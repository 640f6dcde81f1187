"""Lines of Python that errors give as advice: each can be run as it stands, and leaves the file alone."""

from __future__ import annotations

from pathlib import Path


def advice(function: str, path: str | Path, **others: str | Path | float) -> str:
    """The line that calls a function of :mod:`mfnet_lite.rasters.remake`.

    Args:
        function: Its name.
        path: The file that it reads.
        **others: Further arguments.

    Returns:
        Statements that write ``NEW.tif``.
    """
    given = [str(path), "NEW.tif"]
    more = {key: str(value) if isinstance(value, Path) else value for key, value in others.items()}
    arguments = ", ".join([*map(repr, given), *(f"{key}={value!r}" for key, value in more.items())])
    return f"from mfnet_lite.rasters.remake import {function}; {function}({arguments})"
