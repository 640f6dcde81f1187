"""The pre-training script: drawn masks, shared work, averaged weights, and resuming to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mfnet_lite.sam.build import TINY
from mfnet_lite.world.shapes.images import make_images
from scripts.pretraining import sam_tiny

ROOT = Path(__file__).resolve().parents[3]


def test_masks_are_neither_tiny_nor_everything():
    pictures = make_images(0, 8, 64)
    masks = sam_tiny.sample_masks(pictures.levels, 9, torch.Generator().manual_seed(0))
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


def test_half_of_the_masks_are_drawn_by_area():
    """One large and many small objects: drawn by mask the large one is rare, by pixel it is not."""
    levels = torch.zeros(1, 3, 64, 64, dtype=torch.int16)
    levels[:, :, :, :32] = 1
    for k in range(8):
        levels[:, :, 8 * k : 8 * k + 8, 40:48] = k + 2
    masks = sam_tiny.sample_masks(levels, 4000, torch.Generator().manual_seed(0))[0]
    large = (masks.flatten(1).sum(dim=1) == 64 * 32).float()
    assert large[:2000].mean() == pytest.approx(1 / 9, abs=0.03)
    assert large[2000:].mean() == pytest.approx(0.8, abs=0.04)


def test_learning_rate_warms_up_and_falls():
    stage = replace(sam_tiny.STAGES[1], steps=1000)
    rates = [sam_tiny.learning_rate(stage, s) for s in (0, sam_tiny.WARM_UP, 999)]
    assert rates[0] == pytest.approx(stage.first_rate / sam_tiny.WARM_UP, rel=0.01)
    assert rates[1] > rates[2]
    assert rates[2] == pytest.approx(stage.last_rate, rel=0.01)


SMALL = replace(TINY, image_size=64, width=24, depth=2, heads=2, window=2, global_blocks=(1,))


def stages(steps: int):
    """A few steps of each kind."""
    return (
        sam_tiny.Stage("dense", 32, steps, 2, 1, 0, 0, 1e-3, 1e-3, 1.0),
        sam_tiny.Stage("prompts", 32, steps, 2, 1, 2, 2, 1e-3, 1e-4, 0.5),
        sam_tiny.Stage("full size", 64, 1, 2, 2, 2, 2, 1e-3, 1e-4, 0.5),
    )


def options(**others):
    """Arguments of ``train`` for a run of seconds."""
    cpu = torch.device("cpu")
    return {"seed": 3, "device": cpu, "bf16": False, "config": SMALL, "log_every": 1} | others


@pytest.mark.slow
def test_a_stopped_run_continues_to_the_last_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(sam_tiny, "POOL", 4)
    whole = load_file(sam_tiny.train(tmp_path / "whole", stages(3), **options(save_every=1)))

    asked = sam_tiny.prompt_losses
    calls = []

    def stop_at_the_second(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return asked(*arguments, **named)

    monkeypatch.setattr(sam_tiny, "prompt_losses", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        sam_tiny.train(tmp_path / "parts", stages(3), **options(save_every=1))
    assert not (tmp_path / "parts" / "sam_tiny.safetensors").exists()
    monkeypatch.setattr(sam_tiny, "prompt_losses", asked)
    parts = load_file(sam_tiny.train(tmp_path / "parts", stages(3), **options(save_every=1)))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    log = (tmp_path / "parts" / "log.csv").read_text().splitlines()
    assert len(log) == 1 + 3 + 3 + 1


def test_kept_weights_are_the_running_average(tmp_path, monkeypatch):
    """After two steps of decay 0.75 the average is 3/4 of the first step's weights and 1/4 of the second's."""
    monkeypatch.setattr(sam_tiny, "AVERAGE", 0.75)
    monkeypatch.setattr(sam_tiny, "AVERAGE_EVERY", 1)
    seen = []
    step = torch.optim.AdamW.step

    def watch(optimiser, *arguments):
        step(optimiser, *arguments)
        seen.append([p.detach().clone() for g in optimiser.param_groups for p in g["params"]])

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)
    kept = load_file(sam_tiny.train(tmp_path, stages(2)[:1], **options(save_every=9)))
    expected = 0.75 * seen[0][0] + 0.25 * seen[1][0]
    found = [t for t in kept.values() if t.shape == expected.shape]
    assert any(torch.allclose(t, expected, atol=1e-7) for t in found)
    assert not torch.allclose(seen[0][0], seen[1][0])


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path):
    """Both halves of a step count: the shared run differs from either process alone, and they agree."""
    program = tmp_path / "part.py"
    program.write_text(
        """
from dataclasses import replace
from pathlib import Path
import torch
from scripts.pretraining import sam_tiny
sam_tiny.distributed.init_process_group("gloo")
sizes = dict(image_size=64, width=24, depth=2, heads=2, window=2, global_blocks=(1,))
config = replace(sam_tiny.TINY, **sizes)
run = sam_tiny.Run(Path("."), config, 0, torch.device("cpu"), None)
learnt = [torch.nn.Parameter(torch.zeros(n)) for n in (2, 1, 1)]
learnt[0].grad, learnt[1].grad = torch.full((2,), float(run.rank)), torch.ones(1) * 4
sam_tiny.average_gradients(learnt)
start = sum(float(p.sum()) for m in (run.sam, run.heads) for p in m.parameters())
said = run.rank, run.world, learnt[0].grad.tolist(), learnt[1].grad.item(), start
# a file each, since two processes that share one pipe cut each other's lines
Path(f"said_{run.rank}.txt").write_text(" ".join(map(str, said)))
sam_tiny.distributed.destroy_process_group()
"""
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launcher += ["--nproc-per-node", "2"]
    subprocess.run(
        [*launcher, str(program)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    said = [path.read_text().split(" ", 1) for path in sorted(tmp_path.glob("said_*.txt"))]
    assert [rank for rank, _ in said] == ["0", "1"]
    assert said[0][1] == said[1][1]  # the same mean and the same weights to start from
    assert said[0][1].startswith("2 [0.5, 0.5] 4.0 ")


def test_finished_stages_cannot_be_changed(tmp_path):
    first = stages(1)[:1]
    sam_tiny.train(tmp_path, first, **options(save_every=9))
    with pytest.raises(ValueError, match="belongs to other stages"):
        sam_tiny.train(tmp_path, (replace(first[0], steps=2),), **options(save_every=9))
