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
from scripts.pretraining.evaluate import METHODS


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


def test_the_head_is_told_and_files_with_equal_masks_are_named(own_folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    save_file({"a": torch.ones(2)}, run / "sam_tiny.safetensors", {METADATA_KEY: TINY.to_json()})
    ious = {"before": {"chosen_iou": 0.5}, "after": {"chosen_iou": 0.625}}
    head = {"pictures": 1000, "examples": 24_000, **ious}
    training = {"head": head, "equal_masks_sha256": ["f" * 64]}
    (run / "training.json").write_text(json.dumps(training))
    ship.ship_weights(run)
    facts = json.loads((ship.WEIGHTS / "sam_tiny.json").read_text())
    assert facts["equal_masks_sha256"] == ["f" * 64]
    assert facts["training"] == {"head": head}
    told = " ".join(ship._head(facts["training"]).split())
    assert "24,000 prompts in 1,000 pictures" in told
    assert "IoU of 0.625 instead of 0.500" in told
    assert ship._head({}) == ""


def test_no_card_from_figures_of_other_weights(own_folder, tmp_path):
    ship.WEIGHTS.mkdir()
    (ship.WEIGHTS / "sam_tiny.json").write_text(json.dumps({"sha256": "a" * 64}))
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"weights_sha256": "b" * 64}))
    with pytest.raises(SystemExit, match=r"weights aaaaaaaa, found those of bbbbbbbb; run python"):
        ship.write_card(results)
    assert not (ship.WEIGHTS / "sam_tiny.md").exists()


def facts_of(stage, seconds, **others):
    """What a run of one stage was trained with."""
    stage |= {"first_rate": 1e-3, "last_rate": 1e-4, "dense": 0.5, "fresh": 1, "rounds": 2}
    return {
        "stages": [stage], "seed": 4, "seconds": seconds, "threads": 1, "processes": 2, "parameters": 3_850_000
    } | others  # fmt: skip


def test_card_tells_both_trainings_and_all_their_windows(own_folder, tmp_path):
    first = {"name": "dense", "window": 128, "steps": 1500, "pictures": 12, "prompts": 0}
    later = {"name": "prompts", "window": 128, "steps": 2000, "pictures": 24, "prompts": 5}
    began_with = facts_of(first, 3600) | {"sha256": "a" * 64}
    training = facts_of(later | {"collages": 0.6}, 7200, began_with=began_with)
    ship.WEIGHTS.mkdir()
    facts = {"sha256": "b" * 64, "size": 7_700_000, "training": training}
    (ship.WEIGHTS / "sam_tiny.json").write_text(json.dumps(facts))
    scores = dict.fromkeys(METHODS, 0.5) | {"box": 0.875}
    belief = {"rank_correlation": 0.5, "calibration_error": 0.1}
    held = {"objects": 3, "mean_iou": scores, "expected_iou": belief}
    results = tmp_path / "results.json"
    results.write_text(
        json.dumps(
            {
                "sets": {"held-out pictures": held},
                "weights_sha256": "b" * 64,
                "smallest_object_px": 64,
                "commit": "abc",
                "date": "2026-12-01",
                "hardware": "a CPU",
            }
        )
    )
    ship.write_card(results)
    card = " ".join((ship.WEIGHTS / "sam_tiny.md").read_text().split())
    assert "3.0 hours on 2 CPU cores; 132,000 windows)" in card  # 1500 x 24 + 2000 x 48
    assert (
        "*dense*: 1,500 steps of 24 windows of 128 px (2 of them of new pictures), encoder only"
        in card
    )
    assert (
        "48 windows of 128 px (2 of them of new pictures, 60% of them collages), 5 prompts" in card
    )
    assert "The later stages and the head that estimates IoU have seen collages" in card
    assert "20 · focal + dice (from the collages on at the size of what is seen" in card
    assert "- reached: held-out pictures, box, at least 0.85 (got +0.875)" in card
    assert "- not reached: held-out pictures, one click, at least 0.75 (got +0.500)" in card
