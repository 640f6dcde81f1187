"""The pre-training script: drawn masks, grouping targets by hand, and resuming to the last bit."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mfnet_lite.world.pictures import Pictures, make_pictures

SCRIPT = Path(__file__).parents[2] / "scripts" / "pretrain_sam_tiny.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("pretrain_sam_tiny", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_masks_are_neither_tiny_nor_everything(script):
    pictures = make_pictures(0, 8, 64)
    masks = script.sample_masks(pictures, 9, torch.Generator().manual_seed(0))
    area = masks.flatten(2).sum(dim=2)
    assert masks.shape == (8, 9, 64, 64)
    assert area.min() >= 32
    assert area.max() <= 0.9 * 64**2
    known = [
        {
            tuple(level.eq(i).flatten().nonzero()[:, 0].tolist())
            for level in p
            for i in level.unique()
        }
        for p in pictures.levels
    ]
    for one, of_picture in zip(masks, known, strict=True):
        for mask in one:
            assert tuple(mask.flatten().nonzero()[:, 0].tolist()) in of_picture


def test_half_of_the_masks_are_drawn_by_area(script):
    """One large and many small objects: drawn by mask the large one is rare, by pixel it is not."""
    levels = torch.zeros(1, 3, 64, 64, dtype=torch.int16)
    levels[:, :, :, :32] = 1
    for k in range(8):
        levels[:, :, 8 * k : 8 * k + 8, 40:48] = k + 2
    pictures = Pictures(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), levels)
    masks = script.sample_masks(pictures, 4000, torch.Generator().manual_seed(0))[0]
    large = (masks.flatten(1).sum(dim=1) == 64 * 32).float()
    assert large[:2000].mean() == pytest.approx(1 / 9, abs=0.03)
    assert large[2000:].mean() == pytest.approx(0.8, abs=0.04)


def test_grouping_target_is_the_share_of_each_token(script):
    """A head that answers the true share has no dice loss left; any other answer has more loss."""
    levels = torch.zeros(1, 3, 16, 16, dtype=torch.int16)
    levels[:, :, :, 8:] = 1
    pictures = Pictures(torch.zeros(1, 3, 16, 16, dtype=torch.uint8), levels)

    def answer(same: float):
        def head(_, places):
            column = torch.arange(4) % 2
            equal = (column[places][..., None] == column).float()
            return (equal * 2 - 1)[:, None].expand(-1, 3, -1, -1) * same

        return head

    losses = [
        script.grouping_loss(answer(a), torch.zeros(1, 8, 2, 2), pictures, torch.Generator())
        for a in (40.0, 0.0, -40.0)
    ]
    assert losses[0].item() == pytest.approx(0.0, abs=1e-6)
    assert losses[0] < losses[1] < losses[2]


def test_learning_rate_warms_up_and_falls(script):
    stage = replace(script.STAGES[1], steps=1000)
    rates = [script.learning_rate(stage, s) for s in (0, script.WARM_UP, 999)]
    assert rates[0] == pytest.approx(stage.first_rate / script.WARM_UP, rel=0.01)
    assert rates[1] > rates[2]
    assert rates[2] == pytest.approx(stage.last_rate, rel=0.01)


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_last_bit(script, tmp_path, monkeypatch):
    options = {
        "seed": 3,
        "device": torch.device("cpu"),
        "bf16": False,
        "init": None,
        "log_every": 1,
        "save_every": 1,
    }
    whole = load_file(script.train(tmp_path / "whole", script.SMOKE_STAGES, **options))

    played = script.play_rounds
    calls = []

    def stop_at_the_second(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return played(*arguments, **named)

    monkeypatch.setattr(script, "play_rounds", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        script.train(tmp_path / "parts", script.SMOKE_STAGES, **options)
    assert not (tmp_path / "parts" / "sam_tiny.safetensors").exists()
    monkeypatch.setattr(script, "play_rounds", played)
    parts = load_file(script.train(tmp_path / "parts", script.SMOKE_STAGES, **options))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_finished_stages_cannot_be_changed(script, tmp_path):
    options = {
        "seed": 0,
        "device": torch.device("cpu"),
        "bf16": False,
        "init": None,
        "log_every": 9,
        "save_every": 9,
    }
    first = (replace(script.SMOKE_STAGES[0], steps=1),)
    script.train(tmp_path, first, **options)
    with pytest.raises(ValueError, match="belongs to other stages"):
        script.train(tmp_path, (replace(first[0], steps=2),), **options)
