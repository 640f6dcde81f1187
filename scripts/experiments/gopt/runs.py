"""One training of the experiments with GoPT: its data, its model, its scores."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mfnet_lite import load_sam
from mfnet_lite.nets import GoPT, MFNet
from mfnet_lite.rasters import RandomCrops, WholeTiles, open_dataset
from mfnet_lite.runs.folder import channels_of
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.tuning import freeze
from scripts.experiments.gopt.plan import ADAPTER_WIDTH, BASE, DROPPED, RATES, Run
from scripts.experiments.gopt.variants import TunedUnderHead, keep
from scripts.experiments.ign import train_on_tile
from scripts.experiments.mfnet.runs import (
    WEIGHT_DECAY,
    Spoiled,
    ious_only,
    scored,
    spans,
    tile_training,
)
from scripts.experiments.mfnet.runs import scenes as write_scenes

SIZE, BATCH, STEPS = 192, 1, 120
"""Side of a crop in pixels (also of the windows at test time), crops of a step, steps of a training."""
SCENES, TEST_SCENES = 8, 3
AMBIGUITY, DSM_ERROR = 0.7, 1.0
SCALING = "robust"
"""Of elevations: a frozen SAM needs the contrast of an image, as the experiments with MFNet found."""
SPOILT = (BASE, DROPPED)
"""Configurations whose models are also tested with a missing or spoiled sensor."""
AUXILIARY = "dsm"


class WithNoise:
    """Samples whose auxiliary sensor is replaced by uniform noise, another one for every sample.

    Args:
        samples: The samples.
        sensor: Which of their maps is replaced.
        seed: Of the noise.
    """

    def __init__(self, samples: Any, sensor: str, seed: int) -> None:
        self.samples, self.sensor, self.seed = samples, sensor, seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = dict(self.samples[index])
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + index)
        sample[self.sensor] = torch.rand(sample[self.sensor].shape, generator=generator)
        return sample


def build(run: Run, channels: Mapping[str, int], classes: int) -> nn.Module:
    """Build the model of a run; its initial weights follow from the seed."""
    torch.manual_seed(run.seed)
    sam = load_sam("tiny")
    if run.model == "mfnet":
        return MFNet(sam, classes, dict(channels))
    if run.model in ("mmlora", "mmadapter"):
        return TunedUnderHead(sam, classes, dict(channels), run.model, 4, ADAPTER_WIDTH)
    network = GoPT(
        sam,
        classes,
        dict(channels),
        run.prompters,
        run.groups,
        hard=run.hard,
        query=run.query,
        auxiliary=run.auxiliary,  # type: ignore[arg-type]
        sensor_dropout=run.drop,
    )
    return keep(network, run.parts)


def parameters(run: Run) -> dict[str, int]:
    """Count the trained parameters of a run, those in the encoder and those after it."""
    channels = {name: 3 if name == "optical" else 1 for name in run.sensors}
    model = build(run, channels, 6)
    freeze(model)
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    tuning = sum(n for name, n in trained.items() if name.startswith("encoder."))
    return {"tuning": tuning, "head": sum(trained.values()) - tuning}


def train_world(run: Run, root: Path, steps: int, rate: float) -> dict[str, Any]:
    """Train one model on the world and score it on held-out scenes; scenes of two seeds never overlap."""
    first = 100_000 + 1000 * run.seed
    train, test_folder = (
        write_scenes(root, number, scenes, share, AMBIGUITY, DSM_ERROR)
        for number, scenes, share in ((first, SCENES, "train"), (first + 500, TEST_SCENES, "test"))
    )
    data = open_dataset(train, sensors=run.sensors, val_fraction=0.0)
    crops: Any = RandomCrops(
        data.tiles("train"), SIZE, run.sensors, seed=run.seed, scaling=SCALING, cache=True
    )
    test = open_dataset(test_folder, sensors=run.sensors).tiles("test")
    tiles: Any = WholeTiles(test, run.sensors, SCALING)
    metres = spans(tiles) if AUXILIARY in run.sensors else []
    if run.noise:
        crops, tiles = (WithNoise(s, AUXILIARY, run.seed) for s in (crops, tiles))
    classes = tuple(data.info.classes)
    model = build(run, channels_of(data, "train"), len(classes))
    steps = round(steps * run.effort)
    config = TrainConfig(
        steps=steps, batch=BATCH, lr=rate, weight_decay=WEIGHT_DECAY, warmup=10,
        seed=run.seed, device="cpu", progress=False,
    )  # fmt: skip
    begun = time.process_time()
    summary = fit(model, RandomJitter(crops, seed=run.seed, brightness=0.0), config=config)
    spent = time.process_time() - begun
    ways = ("no dsm", "dsm zero", "noise", "holes") if run.row in {r.row for r in SPOILT} else ()
    return {
        "scores": scored(model, tiles, classes),
        "loss": summary["loss"],
        "cpu_seconds": round(spent, 2),
        "steps": steps,
        "also": {w: scored(model, Spoiled(tiles, w, metres), classes)["mIoU"] for w in ways},
        **parameters(run),
    }


def train_real(run: Run, folder: Path, steps: int, rate: float) -> dict[str, Any]:
    """Train one model on the real tile, with the crops and the light of MFNet's experiment."""
    steps = round(steps * run.effort)
    training = tile_training(steps, rate, SCALING)
    begun = time.process_time()
    row = train_on_tile(
        folder, run.sensors, run.seed, training, lambda channels, n: build(run, channels, n)
    )
    spent = round(time.process_time() - begun, 2)
    return {"scores": ious_only(row["scores"]), "cpu_seconds": spent, "steps": steps, "also": {}}


def train_and_score(
    run: Run, root: Path, ign: Path | None, steps: int = STEPS, rate: float | None = None
) -> dict[str, Any] | None:
    """Do one run: make its data, train, score.

    Args:
        run: What to train.
        root: Folder of the written scenes.
        ign: Folder of the real tile.
        steps: Optimiser steps at effort 1.
        rate: Learning rate; that of the model without.

    Returns:
        What goes into the line of results, or None if its data are not here.
    """
    rate = RATES[run.model] if rate is None else rate
    if run.data == "ign":
        return None if ign is None else train_real(run, ign, steps, rate)
    return train_world(run, root, steps, rate)
