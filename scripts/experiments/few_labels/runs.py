"""One training of the experiments with few real labels: it learns from a half of the data, and the halves swap."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mfnet_lite import load_sam
from mfnet_lite.losses import BalancedLoss, balanced_weights
from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.metrics.change import change_scores
from mfnet_lite.nets import ChangeDetector, Pyramid, SamPyramid, TimmPyramid, build_model
from mfnet_lite.nets.registry import make_config
from mfnet_lite.rasters import RandomCrops, Tile, WholeTiles
from mfnet_lite.rasters.labels.label_counts import count_tiles
from mfnet_lite.scenes import evaluate
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter
from scripts.experiments.few_labels.data import drawn, halves
from scripts.experiments.few_labels.plan import CHANGES, IMAGENET, RANDOM, Run
from scripts.experiments.sam_cd.runs import Pool, Remembering

BATCH, STEPS = 4, 200
"""Crops of a step, steps of a training."""
SIZES = {"ign": 64, "vaihingen": 64, "levir": 128, "dsifn": 128}
"""Side of a crop in pixels, also of the windows at test time, which overlap by half."""
POOL = 200
"""Crops that a training draws from."""
LIGHT = 0.25
ENCODER = "tf_efficientnet_lite0"
CHANGED = (1.0, 4.0)
"""Weights of unchanged and changed pixels."""
DATES = ("before", "after")
FOREST = {"n_estimators": 100, "min_samples_leaf": 3, "class_weight": "balanced"}
FOREST_PIXELS = 20_000
SIGMA = 8
"""Widest smoothing of the forest that sees a neighbourhood, pixels."""
UNET_SIZE = {"width": 16, "depth": 3}
FINE = 16
"""Channels of SAM-CD's finest decoded map, for encoders as narrow as these."""
RATES = {"sam_cd": 1e-2}
"""Learning rates where a training of so few steps needs another than the command line's; as in the experiments with
SAM-CD, where it was chosen on pairs that no result uses."""


def sensors_of(run: Run) -> tuple[str, ...]:
    """Sensors, or dates, that a run sees."""
    if run.data in CHANGES:
        return DATES
    return ("optical", "dsm") if run.height else ("optical",)


def build(run: Run, classes: Sequence[str]) -> nn.Module:
    """Build the network of a run; its initial weights follow from the seed."""
    torch.manual_seed(run.seed)
    if run.model == "sam_cd":
        if run.encoder:
            pyramid: Pyramid = TimmPyramid(ENCODER, pretrained=run.encoder == IMAGENET)
        else:
            pyramid = SamPyramid(load_sam("tiny"))
        name = f"{run.encoder} {run.seed}" if run.encoder == RANDOM else run.encoder or "tiny"
        kept = Remembering(pyramid, f"few labels {name}")
        return ChangeDetector(kept, fine=FINE, changed_weight=CHANGED[1])
    options: dict[str, Any] = dict(UNET_SIZE) if run.model == "unet" else {}
    if run.model == "unetformer" and run.encoder == IMAGENET:
        options = {"backbone": f"timm:{ENCODER}"}
    elif run.model == "unetformer":
        options = {"encoder": ENCODER}
    channels = dict.fromkeys(sensors_of(run), 3) | ({"dsm": 1} if run.height else {})
    return build_model(run.model, channels, len(classes), classes, **options)


def rate(run: Run) -> float:
    """Learning rate: the default of the command line for this network, but for one."""
    return RATES.get(run.model, make_config(run.model, {}).lr)


def train(run: Run, tiles: Sequence[Tile], steps: int) -> tuple[nn.Module, dict[str, Any]]:
    """Train the network of a run, as ``mfnet-lite train`` would, on crops of some tiles."""
    classes = tiles[0].info.classes
    network = build(run, classes)
    size = SIZES[run.data]
    crops = RandomCrops(tiles, size, sensors_of(run), length=POOL, seed=run.seed, cache=True)
    loss = None
    if run.model != "sam_cd":
        counts = count_tiles(tiles).classes
        pixels = [counts[k] for k in range(len(classes))]
        weights = CHANGED if run.data in CHANGES else balanced_weights(pixels, run.balance)
        loss = BalancedLoss(weights)
    config = TrainConfig(
        steps=steps, batch=BATCH, lr=rate(run), seed=run.seed, device="cpu", progress=False
    )
    samples = Pool(RandomJitter(crops, run.seed, LIGHT))
    return network, fit(network, samples, config=config, loss=loss)


def features(sample: dict[str, Tensor], sensors: Sequence[str], wide: bool) -> np.ndarray:
    """What a forest sees of a pixel: bands, of two dates their difference; wide: also smoothed and as gradients."""
    from skimage.feature import multiscale_basic_features

    bands = torch.cat([sample[name] for name in sensors])
    if sensors == DATES:
        bands = torch.cat([bands, (sample["before"] - sample["after"]).abs()])
    array = bands.numpy()
    if wide:
        array = multiscale_basic_features(
            array, texture=False, sigma_max=SIGMA, channel_axis=0
        ).transpose(2, 0, 1)
    return array.reshape(len(array), -1).T


def forest(run: Run, train_set: WholeTiles, test_set: WholeTiles, classes: int) -> ConfusionMatrix:
    """Train a class-balanced random forest on single pixels, and count its answers."""
    from sklearn.ensemble import RandomForestClassifier

    wide = run.model == "neighbourhood"
    sensors = sensors_of(run)
    samples = [train_set[k] for k in range(len(train_set))]
    x = np.concatenate([features(sample, sensors, wide) for sample in samples])
    y = np.concatenate([sample["label"].flatten().numpy() for sample in samples])
    known = np.flatnonzero(y != 255)
    chosen = np.random.default_rng(run.seed).permutation(known)[:FOREST_PIXELS]
    trees = RandomForestClassifier(**FOREST, random_state=run.seed).fit(x[chosen], y[chosen])
    matrix = ConfusionMatrix(classes)
    for k in range(len(test_set)):
        sample = test_set[k]
        said = torch.from_numpy(trees.predict(features(sample, sensors, wide)).astype(np.int64))
        matrix.update(said.reshape(sample["label"].shape), sample["label"])
    return matrix


def scored(matrix: ConfusionMatrix, run: Run, classes: Sequence[str]) -> dict[str, Any]:
    """Scores of the counts of both directions."""
    if run.data in CHANGES:
        return {"F1": change_scores(matrix).as_dict()["F1"]}
    found = matrix.scores()
    each = zip(classes, found.iou, strict=True)
    return {
        "mIoU": round(found.mIoU, 5),
        "OA": round(found.OA, 5),
        "iou": {name: None if math.isnan(value) else round(value, 5) for name, value in each},
    }


def train_and_score(
    run: Run, root: Path, real: Path | None, steps: int = STEPS
) -> dict[str, Any] | None:
    """Do one run in both directions and pool the counts.

    Args:
        run: What to train.
        root: Folder of what is written first.
        real: Folder of the real tiles.
        steps: Optimiser steps of a network.

    Returns:
        What goes into the line of results; None without real tiles.
    """
    if real is None:
        return None
    begun = time.process_time()
    matrix: ConfusionMatrix | None = None
    both = halves(run.data, real, root)
    classes = both[0][0].info.classes
    is_forest = run.model in ("pixels", "neighbourhood")
    trained = 0
    for here, there in (both, both[::-1]):
        tiles, sensors = drawn(here, run.tiles, run.seed), sensors_of(run)
        test = WholeTiles(there, sensors)
        if is_forest:
            counts = forest(run, WholeTiles(tiles, sensors), test, len(classes))
        else:
            network, summary = train(run, tiles, steps)
            trained = summary["trained_parameters"]
            counts = evaluate(network, test, window=SIZES[run.data], stride=SIZES[run.data] // 2)
        matrix = counts if matrix is None else matrix + counts
    assert matrix is not None
    return {
        "scores": scored(matrix, run, classes),
        "steps": 0 if is_forest else steps,
        "trained": trained,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }
