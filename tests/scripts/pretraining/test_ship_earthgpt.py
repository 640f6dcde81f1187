"""What is shipped is what was trained, in half precision."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from scripts.pretraining import earthgpt, earthgpt_boxes
from scripts.pretraining.ship_earthgpt import ship, write_card
from tests.packaged import skip_without_package


def test_language_and_projection_are_written_with_their_digest(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    skip_without_package()
    monkeypatch.setattr(earthgpt, "CROPS", 1)
    earthgpt.main([str(tmp_path), "--smoke", "--device", "cpu"])
    with pytest.raises(ValueError, match=r"boxes holds no finished training; run scripts/"):
        ship(tmp_path, tmp_path)
    earthgpt_boxes.main([str(tmp_path), "--smoke"])
    ship(tmp_path, tmp_path)
    state = load_file(tmp_path / "earthgpt_tiny.safetensors")
    facts = json.loads((tmp_path / "earthgpt_tiny.json").read_text())
    trained = load_file(tmp_path / "boxes" / "model.safetensors")
    assert {name.split(".")[0] for name in state} == {"language", "perception"}
    assert all(torch.equal(value, trained[name].bfloat16()) for name, value in state.items())
    assert facts["size"] == (tmp_path / facts["file"]).stat().st_size
    assert facts["options"]["grid"] == 8
    stages = facts["training"]["stages"]
    assert [stages[name]["steps"] for name in ("0", "1", "boxes")] == [2, 2, 2]
    assert "the" in facts["options"]["words"]

    scores = {
        "scores": {},
        "settings": {"test_scenes": 1, "images_per_scene": 16},
        "provenance": {"sha256": facts["sha256"], "date": "2026-01-01", "commit": "0" * 7},
    }
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    write_card(tmp_path / "scores.json", tmp_path)
    card = (tmp_path / "earthgpt_tiny.md").read_text()
    assert facts["sha256"] in card
    assert "went on for\n2 steps in which all weights train" in card
