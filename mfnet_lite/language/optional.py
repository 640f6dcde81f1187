"""What language models need beyond the library's own dependencies: asked for where it is used, in one sentence."""

from __future__ import annotations

from typing import Any

from mfnet_lite.utils.optional_packages import optional_package

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
    return optional_package(package, f"{user} needs", EXTRA)
