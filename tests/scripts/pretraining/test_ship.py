"""Shipping the small SAM: half precision under its digest, beside it what it was trained with."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mfnet_lite.sam.build import METADATA_KEY, TINY
from scripts.pretraining import ship


@pytest.fixture
def own_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(ship, "WEIGHTS", tmp_path / "weights")


def test_weights_are_halved_and_named_by_their_digest(own_folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    tensors = {"a": torch.tensor([1.0, 1 / 3]), "b": torch.arange(4.0).reshape(2, 2)}
    save_file(tensors, run / "sam_tiny.safetensors", metadata={METADATA_KEY: TINY.to_json()})
    (run / "training.json").write_text(json.dumps({"seed": 3}))
    ship.ship_weights(run)
    target = ship.WEIGHTS / "sam_tiny.safetensors"
    found = load_file(target)
    assert {value.dtype for value in found.values()} == {torch.float16}
    assert all(torch.equal(found[name], tensors[name].half()) for name in tensors)
    with safe_open(str(target), framework="pt") as file:
        assert file.metadata() == {METADATA_KEY: TINY.to_json()}
    facts = json.loads((ship.WEIGHTS / "sam_tiny.json").read_text())
    assert facts["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
    assert (facts["size"], facts["training"]) == (target.stat().st_size, {"seed": 3})
    assert sorted(p.name for p in ship.WEIGHTS.iterdir()) == [
        "sam_tiny.json", "sam_tiny.safetensors"
    ]  # fmt: skip
