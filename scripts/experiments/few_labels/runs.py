"""One training of the experiments with few real labels: it learns from a half of the data, and the halves swap."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

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
from mfnet_lite.scenes import Windows, evaluate
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import IMAGES, RandomJitter
from mfnet_lite.utils.samples import Samples
from scripts.experiments.few_labels.data import drawn, halves
from scripts.experiments.few_labels.forests import ENCODER, FORESTS, Counts, forest
from scripts.experiments.few_labels.plan import BRIGHT, CHANGES, IMAGENET, RANDOM, Run
from scripts.experiments.sam_cd.runs import Pool, Remembering

BATCH, STEPS = 4, 200
"""Crops of a step, steps of a training."""
SIZES = {"ign": 64, "vaihingen": 64, "levir": 128, "dsifn": 128}
"""Side of a crop in pixels, also of the windows at test time, which overlap by half."""
LARGER_BATCH = 2
"""Larger crops of a step: about as many pixels."""
POOL = 200
"""Crops that a training draws from."""
BRIGHTER = 1.25
"""What the test images are multiplied by for a score under another light."""
DATES = ("before", "after")
CHANGED = (1.0, 4.0)
"""Weights of unchanged and changed pixels."""
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


def size_of(run: Run) -> int:
    """Side of the crops and of the windows at test time."""
    return run.crop or SIZES[run.data]


def rate(run: Run) -> float:
    """Learning rate: that of the run, or the default of the command line for this network, but for one."""
    return run.rate or RATES.get(run.model, make_config(run.model, {}).lr)


def train(run: Run, tiles: Sequence[Tile], steps: int) -> tuple[nn.Module, dict[str, Any]]:
    """Train the network of a run, as ``mfnet-lite train`` would, on crops of some tiles."""
    classes = tiles[0].info.classes
    network = build(run, classes)
    crops = RandomCrops(
        tiles, size_of(run), sensors_of(run), length=POOL, seed=run.seed, cache=True
    )
    loss = None
    if run.model != "sam_cd":
        counts = count_tiles(tiles).classes
        pixels = [counts[k] for k in range(len(classes))]
        weights = CHANGED if run.data in CHANGES else balanced_weights(pixels, run.balance)
        loss = BalancedLoss(weights)
    config = TrainConfig(
        steps=steps,
        batch=LARGER_BATCH if run.crop else BATCH,
        lr=rate(run),
        seed=run.seed,
        device="cpu",
        progress=False,
    )
    varied = run.jitter or run.turns
    samples = RandomJitter(crops, run.seed, run.jitter, run.turns) if varied else crops
    return network, fit(network, Pool(samples), config=config, loss=loss)


def brighter(samples: Samples) -> list[dict[str, Tensor]]:
    """Return tiles with all images as bright as under another light; heights stay."""
    found = []
    for k in range(len(samples)):
        tile = dict(samples[k])
        found.append(tile | {n: (BRIGHTER * x).clamp(0, 1) for n, x in tile.items() if n in IMAGES})
    return found


def learnt(run: Run, tiles: Sequence[Tile], steps: int) -> tuple[Counts, int]:
    """Train the model of a run; return what counts its answers, and how many weights a network trained."""
    if run.model in FORESTS:
        return forest(
            run.model, WholeTiles(tiles, sensors_of(run)), len(tiles[0].info.classes), run.seed
        ), 0
    network, summary = train(run, tiles, steps)
    windows = Windows(size_of(run), size_of(run) // 2)
    return partial(evaluate, network, windows=windows), summary["trained_parameters"]


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
        steps: Optimiser steps of a network at effort 1.

    Returns:
        What goes into the line of results; None without real tiles.
    """
    if real is None:
        return None
    begun = time.process_time()
    steps = round(steps * run.effort)
    both = halves(run.data, real, root)
    classes = both[0][0].info.classes
    usual, bright = ConfusionMatrix(len(classes)), ConfusionMatrix(len(classes))
    trained = 0
    for here, there in (both, both[::-1]):
        count, trained = learnt(run, drawn(here, run.tiles, run.seed), steps)
        test = WholeTiles(there, sensors_of(run))
        usual += count(test)
        if run.data not in CHANGES:
            bright += count(brighter(test))
    scores = scored(usual, run, classes)
    if run.data not in CHANGES:
        scores[BRIGHT] = scored(bright, run, classes)["mIoU"]
    return {
        "scores": scores,
        "steps": 0 if run.model in FORESTS else steps,
        "trained": trained,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }
