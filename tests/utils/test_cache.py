"""Where large files are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfnet_lite.sam import checkpoints
from mfnet_lite.utils.cache import CACHE_VARIABLE, cache_folder


def test_the_variable_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path == checkpoints.cache_folder()
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folder().name == "mfnet_lite"
