"""Small valid inputs, made once: a world, a run trained on it, a scene and its map, a delta."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from mfnet_lite import world
from mfnet_lite.tuning import attach_lora, save_delta
from scripts.faults.verdict import run

TRAINING = ("--model", "unet", "--width", "4", "--depth", "2", "--size", "32", "--batch", "2")


@dataclass(frozen=True)
class Inputs:
    """Where the inputs are.

    Attributes:
        world: A dataset of four tiles.
        run: The folder of a run on it.
        optical: A scene of that dataset.
        dsm: Its heights.
        label: Its classes.
        map: The map of the scene.
        delta: A delta of :func:`tuned`.
    """

    world: Path
    run: Path
    optical: Path
    dsm: Path
    label: Path
    map: Path
    delta: Path


def make_inputs(folder: Path) -> Inputs:
    """Make the inputs.

    Args:
        folder: Where.
    """
    tiles, trained = folder / "world", folder / "run"
    world.write_folder(tiles, 4, 64, seed=3, quiet=True)
    train = ("train", tiles, "--out", trained, *TRAINING, "--steps", "2", "--save-every", "1")
    name = "scene_00006.tif"
    optical, dsm, label = (tiles / "test" / kind / name for kind in ("image", "dsm", "label"))
    mapped = folder / "map.tif"
    predict = ("predict", trained, "--optical", optical, "--dsm", dsm, "--out", mapped)
    for command in (train, predict):
        if refused := run(*command):
            raise RuntimeError(refused)
    delta = save_delta(tuned(), folder / "delta.safetensors", config={"rank": 2})
    return Inputs(tiles, trained, optical, dsm, label, mapped, delta)


def tuned() -> nn.Module:
    """Build a small network with LoRA, whose values are drawn; always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).requires_grad_(False)
        attach_lora(net, ["0", "2"], rank=2)
        for parameter in net.parameters():
            if parameter.requires_grad:
                nn.init.normal_(parameter)
    return net
