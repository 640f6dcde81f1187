"""Shipping the vision-language pair: half precision under its digest, the card with the figures."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from mfnet_lite.nets.encoders.tiny_pair import METADATA_KEY, SmallPairConfig
from mfnet_lite.utils.hashes import sha256_of
from scripts.pretraining import ship_vision_language as ship


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setattr(ship, "WEIGHTS", tmp_path / "weights")
    tensors = {"a": torch.tensor([1.0, 1 / 3])}
    metadata = {METADATA_KEY: SmallPairConfig().to_json()}
    save_file(tensors, tmp_path / "vision_language.safetensors", metadata=metadata)
    return tmp_path


def test_weights_are_halved_and_named_by_their_digest(run):
    ship.ship_weights(run)
    target = ship.WEIGHTS / "vision_language_tiny.safetensors"
    assert torch.equal(load_file(target)["a"], torch.tensor([1.0, 1 / 3]).half())
    facts = json.loads(target.with_suffix(".json").read_text())
    assert (facts["sha256"], facts["size"]) == (sha256_of(target), target.stat().st_size)
    assert (facts["training"], facts["config"]["joint"]) == (None, 128)


def test_the_card_shows_the_figures(run):
    training = {
        "steps": 7, "crops": 3, "size": 96, "rate": 0.002, "seed": 0, "scenes": 11, "losses": {"kinds": 1.0},
        "seconds": 120, "threads": 1, "parameters": {"image": 2e6, "text": 1e5, "all": 2.1e6},
    }  # fmt: skip
    (run / "training.json").write_text(json.dumps(training))
    ship.ship_weights(run)
    words = {
        "words": 9, "width": 4, "source": {"sha256": "abc"}, "files": {".safetensors": {"size": 1}},
        "meaning": {"whitened": {"names": 5, "by_mean": 0.8, "by_nearest": 0.6}},
    }  # fmt: skip
    (ship.WEIGHTS / "vision_language_words.json").write_text(json.dumps(words))
    both = {"accuracy": 0.5, "mIoU": 0.25}
    record = {
        "sets": {"clear": {"training names": both}, "LoveDA": {"training names": both}},
        "kinds": {"hedge": {"pixels": 3, "held-out names": 0.75}},
        "words": {"real": {"LoveDA": []}, "held_out": [["a", "b"]]},
        "scenes_per_domain": 2, "commit": "abc", "date": "today", "hardware": "a CPU",
    }  # fmt: skip
    (run / "results.json").write_text(json.dumps(record))
    ship.write_card(run / "results.json", "Something to keep in mind.")
    card = (ship.WEIGHTS / "vision_language_tiny.md").read_text()
    for text in (
        "7 steps of 3 crops",
        "50.0 / 25.0",
        "| hedge | – | 0.750 |",
        "keep in mind.",
        "| 80 % |",
    ):
        assert text in card
    assert card.index("LoveDA") > card.index("clear")
