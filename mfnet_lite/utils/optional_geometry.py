"""What vectors need beyond the library's own dependencies: asked for where it is used, in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mfnet_lite.utils.optional_packages import optional_package

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
    return optional_package(package, "polygons need", EXTRA)
