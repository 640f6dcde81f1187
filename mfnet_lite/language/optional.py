"""What language models need beyond the library's own dependencies: asked for where it is used, in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXTRA = 'pip install "mfnet-lite[language]"'
"""What installs all of it."""


def needed(package: str, user: str) -> Any:
    """Import an optional package.

    Args:
        package: Its name in Python.
        user: Who needs it, for the message.

    Returns:
        The module.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        if error.name != package:  # it is here, and lacks something itself
            raise
        raise ImportError(
            f"{user} needs the package {package}, which is not installed; run `{EXTRA}`"
        ) from error
