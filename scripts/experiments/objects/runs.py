"""One training of the experiments with objects and boundaries: its data, its model, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mfnet_lite import load_sam
from mfnet_lite.losses import AssistedLoss
from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.nets import MFNet, UNet, UNetFormer
from mfnet_lite.rasters import RandomCrops, TileSet, WholeTiles, WithObjects, open_folder
from mfnet_lite.runs.folder import channels_of
from mfnet_lite.scenes.evaluate import evaluating, read_from
from mfnet_lite.scenes.windows import blend_windows
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.utils.borders import borders
from scripts.experiments.objects import data as objects_data
from scripts.experiments.objects.plan import RATES, SCALINGS, Run

SIZE, BATCH = 96, 2
"""Side of a crop in pixels, crops of a step."""
STEPS = {"unet": 80, "unetformer": 60, "mfnet": 60}
"""Steps of a training; only trainings of one network are compared, and a step of the two others takes longer."""
WINDOW, STRIDE = 96, 64
"""Side and step of the windows at test time."""
UNET_SIZE = {"width": 16, "depth": 3}
WEIGHT_DECAY = 0.05
RARE = 1000
"""A class with fewer labelled training pixels than this is left out of the means."""
TOLERANCE = 2
"""Pixels by which the border of a prediction may miss the border of a label."""
LIGHT = {"world": 0.0}
"""Change of light in training; a quarter on real tiles."""


def dataset(run: Run, root: Path, real: Path | None) -> TileSet | None:
    """Open the data of a run, or ``None`` if they are not here."""
    if run.data == "world":
        folder = objects_data.scenes(root, run.seed)
    elif real is None:
        return None
    elif run.data == "ign":
        folder = real / "ign_ortho_lidar"
    else:
        folder = objects_data.halves(root, real, run.data)
    label = "label"
    if run.labels < 1:
        label = objects_data.pointed(folder, run.labels, run.seed)
    sensors = ("optical", "dsm") if run.has_heights else ("optical",)
    return open_folder(folder, sensors, val_fraction=0.0, label_folder=label)


def build(run: Run, channels: Mapping[str, int], classes: int) -> nn.Module:
    """Build the model of a run; its initial weights follow from the seed."""
    torch.manual_seed(run.seed)
    if run.model == "unet":
        return UNet(channels, classes, **UNET_SIZE)
    if run.model == "unetformer":
        return UNetFormer(channels, classes, "resnet18", pretrained=False)
    return MFNet(load_sam("tiny"), classes, sensors=dict(channels), tuning="mmlora", fusion="dfm")


def counts(crops: RandomCrops, classes: int) -> list[int]:
    """Labelled training pixels of each class."""
    whole = WholeTiles(crops.tiles, crops.reader.sensors)
    total = torch.zeros(256, dtype=torch.long)
    for index in range(len(whole)):
        total += torch.bincount(whole[index]["label"].flatten(), minlength=256)
    return total[:classes].tolist()


def scored(
    model: nn.Module, tiles: WholeTiles, names: tuple[str, ...], left_out: tuple[int, ...]
) -> dict[str, Any]:
    """Scores on whole tiles, and how well the borders of the prediction lie.

    Args:
        model: a trained network.
        tiles: test tiles.
        names: of the classes.
        left_out: classes that do not enter the means.

    Returns:
        OA, mF1, mIoU, IoU by class and ``edge_F1``: F1 of border pixels, found if a border of the other
        map lies within two pixels; borders beside unlabelled pixels do not count, and where those are
        all (labels eroded at borders, as Vaihingen's here) it is None.
    """
    matrix = ConfusionMatrix(len(names))
    sums = np.zeros(4)
    with evaluating(model):
        for index in range(len(tiles)):
            sample = tiles[index]
            label = sample["label"]
            found = torch.empty_like(label)
            sensors = {k: v for k, v in sample.items() if v.ndim == 3}
            rows = blend_windows(
                model, read_from(sensors), *label.shape, window=WINDOW, stride=STRIDE, batch=8
            )
            for row, logits in rows:
                found[row : row + logits.shape[1]] = logits.argmax(0)
            matrix.update(found, label)
            sums += edge_counts(found.numpy(), label.numpy())
    result = matrix.scores(exclude=left_out).as_dict(names)
    result["per_class"] = {k: v["IoU"] for k, v in result["per_class"].items()}
    precision, recall = sums[0] / max(1.0, sums[1]), sums[2] / max(1.0, sums[3])
    f1 = float(2 * precision * recall / max(precision + recall, 1e-9))
    result["edge_F1"] = f1 if sums[3] else None
    return result


def edge_counts(found: np.ndarray, label: np.ndarray, unlabelled: int = 255) -> np.ndarray:
    """Predicted border pixels that are right, all of them, true ones that were found, all of them.

    Example:
        >>> label = np.repeat([[0] * 6 + [1] * 6], 3, axis=0)
        >>> edge_counts(np.roll(label, 2, axis=1)[:, 2:], label[:, 2:]).tolist()  # two pixels off
        [6.0, 6.0, 6.0, 6.0]
    """
    ignored = objects_data.widened(label == unlabelled, by=1)
    ours, true = borders(found) & ~ignored, borders(label) & ~ignored
    near_true, near_ours = (objects_data.widened(x, TOLERANCE) for x in (true, ours))
    sums = ((ours & near_true).sum(), ours.sum(), (true & near_ours).sum(), true.sum())
    return np.array(sums, dtype=float)


def left_out(data: str, pixels: list[int]) -> tuple[int, ...]:
    """Classes left out of the means: the rare ones of real tiles, clutter in the world."""
    if data == "world":
        return (5,)
    return tuple(k for k, n in enumerate(pixels) if n < RARE)


def train_and_score(
    run: Run,
    root: Path,
    real: Path | None,
    digest: str,
    steps: int | None = None,
    rate: float | None = None,
) -> dict[str, Any] | None:
    """Do one run: make its data, train, score.

    Args:
        run: what to train.
        root: folder of the written scenes and maps.
        real: folder of the real tiles.
        digest: of the small SAM's weights.
        steps: optimiser steps; those of the network without.
        rate: learning rate; that of the network without.

    Returns:
        What goes into the line of results, or ``None`` if its data are not here.
    """
    steps = STEPS[run.model] if steps is None else steps
    data = dataset(run, root, real)
    if data is None:
        return None
    train, names = data.tiles("train"), tuple(data.info.classes)
    sensors = tuple(data.info.sensors)
    scaling = SCALINGS[run.model]
    crops = RandomCrops(train, SIZE, sensors, seed=run.seed, scaling=scaling, cache=True)
    samples: Any = crops
    map_quality: dict[str, float] | None = None
    if run.assisted:
        files = objects_data.maps_of(run, train, root, digest)
        samples = WithObjects(crops, files, cache=True)
        if run.labels == 1:
            map_quality = objects_data.quality(train, files)
    model = build(run, channels_of(data, "train"), len(names))
    config = TrainConfig(
        steps=steps, batch=BATCH, lr=RATES[run.model] if rate is None else rate,
        weight_decay=WEIGHT_DECAY, warmup=10, seed=run.seed, device="cpu", progress=False,
    )  # fmt: skip
    light = LIGHT.get(run.data, 0.25)
    loss = AssistedLoss(run.objects, run.boundaries, variant=run.variant)  # type: ignore[arg-type]
    summary = fit(model, RandomJitter(samples, run.seed, light), config=config, loss=loss)
    pixels = counts(crops, len(names))
    out = left_out(run.data, pixels)
    whole = dataset(replace(run, labels=1.0), root, real)  # scored on every pixel
    assert whole is not None
    test = WholeTiles(whole.tiles("test"), sensors, scaling)
    final: dict[str, Tensor] = {}
    if run.assisted:
        final = last_terms(model, samples, loss)
    return {
        "scores": scored(model, test, names, out),
        "left_out": [names[k] for k in out],
        "train_seconds": summary["seconds"],
        "loss": summary["loss"],
        "terms": {name: round(float(value), 5) for name, value in final.items()},
        "steps": steps,
        "scaling": scaling,
        "maps": map_quality,
        "parameters": summary["parameters"],
        "trained": summary["trained_parameters"],
    }


def last_terms(model: nn.Module, samples: Any, loss: AssistedLoss) -> dict[str, Tensor]:
    """The three losses on eight training crops after the training, in evaluation mode."""
    batch = {k: torch.stack([samples[i][k] for i in range(8)]) for k in samples[0]}
    with torch.no_grad(), evaluating(model):
        return loss.terms(model(batch), batch)
