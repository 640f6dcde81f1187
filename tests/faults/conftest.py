"""Valid inputs, made once: what is damaged is put back after every case."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.faults.inputs import Inputs, make_inputs


@pytest.fixture(scope="package")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return make_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"
