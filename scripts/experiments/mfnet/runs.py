"""One training of the experiments with MFNet: its data, its model, its scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mfnet_lite import load_sam
from mfnet_lite.nets import MFNet, UNet
from mfnet_lite.rasters import RandomCrops, WholeTiles, fit_scaling_from_file, open_dataset
from mfnet_lite.runs.folder import channels_of
from mfnet_lite.sam import TINY, build_sam
from mfnet_lite.scenes import evaluate
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.training.config import Precision
from mfnet_lite.training.optim import mixing_weights
from mfnet_lite.tuning import count
from mfnet_lite.world import WorldConfig, write_folder
from scripts.experiments.ign import TileTraining, train_on_tile
from scripts.experiments.made_once import made_once
from scripts.experiments.mfnet.plan import BASE, RATES, UNET, Run

SIZE, BATCH, STEPS = 192, 1, 60
"""Side of a crop in pixels (also of the windows at test time), crops of a step, steps of a training."""
TILE, GSD = 320, 0.18
"""Side of a scene in pixels, metres per pixel. A patch of 8 such pixels covers 1.44 m, as much as one of
16 pixels does in the paper, where a pixel of Vaihingen measures 9 cm."""
SCENES, TEST_SCENES = 8, 3
TEST_STRIDE = 128
IGN_SIZE, IGN_BATCH = 120, 2
"""Crops of the real tile, whose halves are smaller than a crop of the world."""
UNET_SIZE = {"width": 16, "depth": 3}
WEIGHT_DECAY = 0.05
SPOILT = (UNET, *(replace(BASE, tuning=tuning) for tuning in ("mmlora", "mmadapter")))
"""Configurations whose models are also tested with missing and spoiled sensors."""


def scenes(root: Path, first: int, number: int, share: str, ambiguity: float, error: float) -> Path:
    """Write scenes at their first use and return their folder."""
    splits = (1.0, 0.0, 0.0) if share == "train" else (0.0, 0.0, 1.0)
    config = WorldConfig(ambiguity=ambiguity, dsm_error=error)

    def make(folder: Path) -> None:
        write_folder(folder, number, TILE, first, config, splits, GSD, quiet=True)

    return made_once(root / f"{share}_{first}_{number}_{ambiguity}_{error}", make)


def world(root: Path, run: Run, error: float | None = None) -> tuple[Path, Path]:
    """Folders of the training and test scenes of a run; scenes of two seeds never overlap."""
    error = run.dsm_error if error is None else error
    first = 100_000 + 1000 * run.seed
    train = scenes(root, first, SCENES, "train", run.ambiguity, run.dsm_error)
    return train, scenes(root, first + 500, TEST_SCENES, "test", run.ambiguity, error)


def build(run: Run, channels: Mapping[str, int], classes: int) -> nn.Module:
    """Build the model of a run; its initial weights follow from the seed."""
    torch.manual_seed(run.seed)
    if run.model == "unet":
        return UNet(channels, classes, **UNET_SIZE)
    sam = load_sam("tiny") if run.pretrained else build_sam(TINY, seed=run.seed)
    return MFNet(
        sam,
        classes,
        sensors=dict(channels),
        tuning=run.tuning,
        fusion=run.fusion,
        rank=run.rank,
        sensor_dropout=run.drop,
        official=run.official,
    )


def shares(model: nn.Module) -> dict[str, Any]:
    """Shares w that the sensors keep of their own updates, in the order of the sensors; empty where none are learnt."""
    weights = mixing_weights(model)
    if not weights:
        return {}
    found = torch.stack([weight.detach() for weight in weights])  # (place, sensor)
    kept = {"mean": found.mean(0), "least": found.amin(0), "most": found.amax(0)}
    return {"shares": {name: [round(x, 4) for x in w.tolist()] for name, w in kept.items()}}


class Spoiled:
    """Whole tiles whose height map is spoiled in one way.

    Args:
        tiles: the tiles.
        how: ``"no dsm"``, ``"no optical"``, ``"dsm zero"`` (not announced as missing), ``"noise"`` (2 m) or
            ``"holes"`` (blocks of 8 pixels, 30 % of the area, which read as 0 like every hole).
        spans: metres between 0 and 1 of each tile's scaled height map, for the noise.
    """

    def __init__(self, tiles: WholeTiles, how: str, spans: Sequence[float]) -> None:
        self.tiles, self.how, self.spans = tiles, how, spans

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = dict(self.tiles[index])
        generator = torch.Generator().manual_seed(index)
        if self.how.startswith("no "):
            del sample[self.how.removeprefix("no ")]
            return sample
        dsm = sample["dsm"]
        if self.how == "dsm zero":
            sample["dsm"] = torch.zeros_like(dsm)
        elif self.how == "noise":
            noise = torch.randn(dsm.shape, generator=generator) * 2.0 / self.spans[index]
            sample["dsm"] = (dsm + noise).clamp(0, 1)
        elif self.how == "holes":
            rows, cols = (-(-side // 8) for side in dsm.shape[-2:])
            kept = torch.rand(rows, cols, generator=generator) >= 0.3
            blocks = kept.repeat_interleave(8, 0).repeat_interleave(8, 1)
            sample["dsm"] = dsm * blocks[: dsm.shape[-2], : dsm.shape[-1]]
        else:
            raise ValueError(f"unknown way to spoil a tile: {self.how!r}")
        return sample


def spans(tiles: WholeTiles) -> list[float]:
    """Metres between 0 and 1 of each tile's scaled height map."""
    name = tiles.reader.scaling
    fitted = [fit_scaling_from_file(tile.files["dsm"], name, tile.info.gsd) for tile in tiles.tiles]
    return [scaling.high - scaling.low for scaling in fitted]


def ious_only(scores: dict[str, Any]) -> dict[str, Any]:
    """Keep the IoU of each class alone."""
    return scores | {"per_class": {k: v["IoU"] for k, v in scores["per_class"].items()}}


def scored(model: nn.Module, tiles: Any, classes: tuple[str, ...]) -> dict[str, Any]:
    """Scores on whole tiles; mIoU and mF1 leave clutter out, as the authors do on ISPRS data."""
    matrix = evaluate(model, tiles, window=SIZE, stride=TEST_STRIDE, batch=8)
    return ious_only(matrix.scores("authors").as_dict(classes))


def train_world(
    run: Run, root: Path, steps: int, rate: float, precision: Precision = "32-true"
) -> dict[str, Any]:
    """Train one model on the world and score it on held-out scenes, in single precision."""
    train, test_folder = world(root, run)
    data = open_dataset(train, sensors=run.sensors, val_fraction=0.0)
    scaling = run.heights
    crops = RandomCrops(
        data.tiles("train")[: run.scenes],
        SIZE,
        run.sensors,
        seed=run.seed,
        scaling=scaling,
        cache=True,
    )
    classes = tuple(data.info.classes)
    model = build(run, channels_of(data, "train"), len(classes))
    steps = round(steps * run.effort)
    config = TrainConfig(
        steps=steps, batch=BATCH, lr=rate, weight_decay=WEIGHT_DECAY, warmup=10,
        seed=run.seed, device="cpu", progress=False, mixing_lr=run.mixing,
        precision=precision,
    )  # fmt: skip
    summary = fit(model, RandomJitter(crops, seed=run.seed, brightness=0.0), config=config)
    test = open_dataset(test_folder, sensors=run.sensors).tiles("test")
    tiles = WholeTiles(test, run.sensors, scaling)
    begun = time.perf_counter()
    result = {
        "scores": scored(model, tiles, classes),
        "train_seconds": summary["seconds"],
        "loss": summary["loss"],
        "steps": steps,
        "trained": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "parameters": count(model).base + count(model).added,
    }
    result |= {"scaling": scaling, **shares(model)}
    result["test_seconds"] = round(time.perf_counter() - begun, 2)
    result["also"] = spoiled_scores(run, model, tiles, root, classes)
    return result


def spoiled_scores(
    run: Run, model: nn.Module, tiles: WholeTiles, root: Path, classes: tuple[str, ...]
) -> dict[str, Any]:
    """Return mIoU of the same model with a sensor missing or spoiled at test time."""
    if replace(run, seed=0, drop=0.0) not in SPOILT:
        return {}
    ways = ["dsm zero", "noise", "holes"]
    if run.model == "mfnet":
        ways += ["no dsm", "no optical"]
    metres = spans(tiles)
    found = {how: scored(model, Spoiled(tiles, how, metres), classes)["mIoU"] for how in ways}
    _, worse = world(root, run, error=3.0)
    test = open_dataset(worse, sensors=run.sensors).tiles("test")
    worst = WholeTiles(test, run.sensors, run.heights)
    found["dsm error 3"] = scored(model, worst, classes)["mIoU"]
    return found


def tile_training(steps: int, rate: float, scaling: str) -> TileTraining:
    """Return the settings on the real tile: the crops and the light of the U-Net's experiment."""
    return TileTraining(
        size=IGN_SIZE, batch=IGN_BATCH, steps=steps, lr=rate, weight_decay=WEIGHT_DECAY,
        light=0.25, scaling=scaling,
    )  # fmt: skip


def train_ign(run: Run, folder: Path, steps: int, rate: float) -> dict[str, Any]:
    """Train one model on the real tile."""
    steps = round(steps * run.effort)
    row = train_on_tile(
        folder,
        run.sensors,
        run.seed,
        tile_training(steps, rate, run.heights),
        lambda channels, classes: build(run, channels, classes),
    )
    return {
        "scores": ious_only(row["scores"]), "train_seconds": row["seconds"], "steps": steps,
        "also": {}, "scaling": run.heights,
    }  # fmt: skip


def train_and_score(
    run: Run, root: Path, ign: Path | None, steps: int = STEPS, rate: float | None = None
) -> dict[str, Any] | None:
    """Do one run: make its data, train, score.

    Args:
        run: what to train.
        root: folder of the written scenes.
        ign: folder of the real tile.
        steps: optimiser steps at effort 1.
        rate: learning rate; that of the family without.

    Returns:
        What goes into the line of results, or ``None`` if its data are not here.
    """
    rate = RATES[run.family] if rate is None else rate
    if run.data == "ign":
        return None if ign is None else train_ign(run, ign, steps, rate)
    return train_world(run, root, steps, rate)
