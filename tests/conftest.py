"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: a failure on one machine is a failure on all. New examples are looked for
# with `pytest --hypothesis-profile=default`.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files with slow tests come first, so that no process waits for the last of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of small real tiles, named by MFNET_LITE_REALDATA; tests that need it skip without it."""
    folder = os.environ.get("MFNET_LITE_REALDATA")
    if not folder:
        pytest.skip("set MFNET_LITE_REALDATA to a folder of real tiles to run this test")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"MFNET_LITE_REALDATA={folder} is not a folder")
    return path
