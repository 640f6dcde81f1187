"""What vectors need beyond the library's own dependencies: asked for where it is used, in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

EXTRA = 'pip install "mfnet-lite[vectors]"'
"""What installs all of it."""


def shapely() -> Any:
    """Import shapely, which computes with polygons.

    Raises:
        ImportError: If it is not installed.
    """
    return _needed("shapely")


def pyogrio_raw() -> Any:
    """Import the part of pyogrio that writes vector files from arrays.

    Raises:
        ImportError: If it is not installed.
    """
    _needed("pyogrio")
    return import_module("pyogrio.raw")


def _needed(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        if error.name != package:  # it is here, and lacks something itself
            raise
        raise ImportError(
            f"polygons need the package {package}, which is not installed; run `{EXTRA}`"
        ) from error
