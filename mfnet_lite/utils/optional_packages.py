"""Packages beyond the library's own dependencies: asked for where they are used, in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def optional_package(package: str, user: str, command: str) -> Any:
    """Import an optional package.

    Args:
        package: Its name in Python.
        user: What needs it, subject and verb, for the message.
        command: What installs it.

    Returns:
        The module.

    Raises:
        ImportError: If it is not installed.

    Example:
        >>> optional_package("nowhere", "Maps need", "pip install nowhere")
        Traceback (most recent call last):
        ...
        ImportError: Maps need the package nowhere, which is not installed; run `pip install nowhere`
    """
    try:
        return import_module(package)
    except ImportError as error:
        if error.name != package:  # it is here, and lacks something itself
            raise
        raise ImportError(
            f"{user} the package {package}, which is not installed; run `{command}`"
        ) from error
