"""Training of the vision-language pair: steps learn something, a stopped run continues as if it had not been."""

from __future__ import annotations

import csv
import json

import pytest
import torch
from safetensors.torch import load_file

from mfnet_lite.nets.encoders.conv_stem_vit import ConvStemConfig
from mfnet_lite.nets.encoders.tiny_pair import SmallPairConfig, load_tiny_pair
from scripts.pretraining.town_scenes import save_town, training_scene
from scripts.pretraining.vision_language import train

SIZES = SmallPairConfig(128, ConvStemConfig(width=32, depth=1, heads=2, stem=(4, 8, 8)))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    save_town(folder / "1.npz", training_scene(1, size=96))
    return folder


def run(out, scenes, steps, planned=None):
    """Train; up to a step of a longer plan where one is given."""
    return train(
        out, scenes, SIZES, steps=steps, crops=3, size=32, rate=2e-3, seed=0, log_every=2, save_every=2,
        workers=0, until=planned,
    )  # fmt: skip


def test_a_stopped_run_continues_as_if_it_had_not_been(scenes, tmp_path):
    whole = load_file(run(tmp_path / "whole", scenes, 4))
    run(tmp_path / "parts", scenes, 4, 2)
    parts = load_file(run(tmp_path / "parts", scenes, 4))
    assert all(torch.allclose(whole[name], parts[name], atol=1e-5) for name in whole)
    with (tmp_path / "parts" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]
    facts = json.loads((tmp_path / "parts" / "training.json").read_text())
    assert (facts["steps"], facts["scenes"], facts["crops"]) == (4, 1, 3)
    pair = load_tiny_pair(tmp_path / "parts" / "vision_language.safetensors")
    assert pair(torch.rand(1, 3, 16, 16), [["car"], ["roof"]]).shape == (1, 2, 2, 2)


def test_some_steps_learn_something(scenes, tmp_path):
    run(tmp_path, scenes, 24)
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("kinds", "classes"):
        assert float(rows[-1][name]) < 0.9 * float(rows[0][name])
