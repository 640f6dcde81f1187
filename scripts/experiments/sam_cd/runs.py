"""One training of the experiments with SAM-CD: its data, its model, its scores.

The encoder is frozen, so its maps of an image are computed once and kept: a training draws from a
fixed pool of crops (flips, turns and light included), and all rows of a seed share it. That makes a training
several times as fast.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mfnet_lite import load_sam
from mfnet_lite.losses import cross_entropy
from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.metrics.change import change_scores, per_image
from mfnet_lite.nets import ChangeDetector, Pyramid, SamPyramid, UNet
from mfnet_lite.rasters import RandomCrops, WholeTiles, open_dataset
from mfnet_lite.sam import TINY, build_sam
from mfnet_lite.scenes import evaluate
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.world import write_pairs
from scripts.experiments.made_once import made_once
from scripts.experiments.sam_cd.plan import RATES, Run

SIZE, BATCH, STEPS = 64, 4, 300
"""Side of a crop in pixels (also of the windows at test time), crops of a step, steps of a training."""
POOL = 240
"""Crops a training draws from."""
TILE, GSD = 192, 0.5
"""Side of a pair in pixels, metres per pixel: about LEVIR-CD's half metre."""
PAIRS, TEST_PAIRS = 20, 6
FINE = 16
"""Channels of the finest decoded map, half the authors': the small SAM offers 192 channels a level, FastSAM up
to 640."""
UNET_SIZE = {"width": 16, "depth": 3}
CHANGED_WEIGHT = 4.0
"""How much a changed pixel counts beside an unchanged one, for every network. Weighed alike, as the authors do
in trainings far longer than these, the U-Net called nothing changed on the tuning seed."""
WEIGHT_DECAY, WARMUP, LIGHT = 0.05, 10, 0.25
DATES = ("before", "after")
CHANGED = 0.5
FOREST_SIZE = {"n_estimators": 50, "max_depth": 12, "min_samples_leaf": 5}
FOREST_PIXELS = 20_000


def pairs(
    root: Path, first: int, number: int, pseudo: float = 1.0, changed: float = CHANGED
) -> Sequence[Any]:
    """Write pairs of the world at their first use and return their tiles."""

    def make(folder: Path) -> None:
        write_pairs(folder, number, TILE, first, None, (1.0, 0.0, 0.0), GSD, changed, pseudo, True)

    folder = made_once(root / f"{first}_{number}_{pseudo}_{changed}", make)
    return open_dataset(folder, val_fraction=0.0).tiles("train")


class Dates:
    """Whole pairs with the dates swapped, or one date twice (where nothing has changed).

    Args:
        tiles: the pairs.
        first: which date comes first.
        second: which comes second.
    """

    def __init__(self, tiles: WholeTiles, first: str, second: str) -> None:
        self.tiles, self.first, self.second = tiles, first, second

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample = self.tiles[index]
        label = sample["label"]
        return {
            "before": sample[self.first],
            "after": sample[self.second],
            "label": torch.zeros_like(label) if self.first == self.second else label,
        }


class Pool:
    """Samples drawn once; they are the same in every epoch.

    Args:
        samples: where they come from.
    """

    def __init__(self, samples: Any) -> None:
        self.samples = [samples[k] for k in range(len(samples))]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.samples[index]


class Remembering(Pyramid):
    """A frozen pyramid that computes the maps of an image once.

    Args:
        pyramid: what computes them.
        name: of its weights; pyramids of one name share their memory.
    """

    memory: ClassVar[dict[tuple[str, bytes], list[Tensor]]] = {}
    MOST = 4000
    """Images to keep, about 0.3 MB each in half precision."""

    def __init__(self, pyramid: Pyramid, name: str) -> None:
        super().__init__()
        self.pyramid, self.name = pyramid, name
        self.channels = pyramid.channels
        self.eval()

    def features(self, images: Tensor) -> list[Tensor]:
        """Look the maps up, and compute those that are missing."""
        keys = [(self.name, hashlib.sha1(x.numpy().tobytes()).digest()) for x in images]
        new = [k for k, key in enumerate(keys) if key not in self.memory]
        if len(self.memory) + len(new) > self.MOST:
            self.memory.clear()
            new = list(range(len(keys)))
        if new:
            maps = self.pyramid(images[new])
            for position, k in enumerate(new):
                self.memory[keys[k]] = [level[position].half() for level in maps]
        found = [self.memory[key] for key in keys]
        return [torch.stack(level).float() for level in zip(*found, strict=True)]


def build(run: Run) -> nn.Module:
    """Build the network of a run; its initial weights follow from the seed."""
    torch.manual_seed(run.seed)
    if run.model == "unet":
        return UNet(dict.fromkeys(DATES, 3), 2, **UNET_SIZE)
    sam = load_sam("tiny") if run.pretrained else build_sam(TINY, seed=run.seed)
    return ChangeDetector(
        Remembering(SamPyramid(sam), "tiny" if run.pretrained else f"random {run.seed}"),
        run.temporal,
        semantic=run.semantic,
        adaptor=run.adaptor,
        symmetric=run.symmetric,
        official=run.official,
        fine=FINE,
        changed_weight=CHANGED_WEIGHT,
    )


def counts(model: nn.Module, tiles: Any) -> ConfusionMatrix:
    """Count over whole pairs, in windows of the crops' size, side by side."""
    return evaluate(model, tiles, window=SIZE, stride=SIZE, batch=9)


def score(model: nn.Module, tiles: Any) -> dict[str, Any]:
    """Scores of the changed class, their means, and the mean over images."""
    each = [counts(model, _One(tiles, k)) for k in range(len(tiles))]
    return pooled_scores(each)


def pooled_scores(each: Sequence[ConfusionMatrix]) -> dict[str, Any]:
    """Scores of the changed class over all images in one matrix, and their mean over images."""
    pooled = sum(each[1:], each[0])
    return change_scores(pooled).as_dict() | {"F1_per_picture": per_image(each)["F1"]}


def called_changed(model: nn.Module, tiles: Any) -> float:
    """Share of the pixels that are called changed."""
    found = counts(model, tiles).counts
    return float(found[:, 1].sum() / found.sum())


class _One:
    """One sample of many."""

    def __init__(self, tiles: Any, index: int) -> None:
        self.tiles, self.index = tiles, index

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.tiles[self.index + index]


def train(run: Run, tiles: Sequence[Any], steps: int, rate: float) -> tuple[nn.Module, Any]:
    """Train one network on crops of the given pairs."""
    crops = RandomCrops(tiles, SIZE, DATES, length=POOL, seed=run.seed, cache=True)
    pool = Pool(RandomJitter(crops, seed=run.seed, brightness=LIGHT))
    model = build(run)
    config = TrainConfig(
        steps=round(steps * run.effort), batch=BATCH, lr=rate, weight_decay=WEIGHT_DECAY,
        warmup=WARMUP, seed=run.seed, device="cpu", progress=False,
    )  # fmt: skip
    loss = None if run.model == "sam_cd" else weighted
    return model, fit(model, pool, config=config, loss=loss)


def weighted(logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy with the weights that SAM-CD gets, too."""
    return cross_entropy(logits, batch["label"], weights=(1.0, CHANGED_WEIGHT))


def on_world(run: Run, root: Path, steps: int, rate: float) -> dict[str, Any]:
    """Train on the world's pairs and score on others; towns of two seeds never overlap."""
    first = 200_000 + 1000 * run.seed
    tiles = pairs(root, first, PAIRS, run.pseudo)[: run.pairs]
    model, summary = train(run, tiles, steps, rate)
    test = WholeTiles(pairs(root, first + 500, TEST_PAIRS), DATES)
    result = {
        "scores": score(model, test),
        "train_seconds": summary["seconds"],
        "loss": summary["loss"],
        "steps": summary["steps"],
        "trained": summary["trained_parameters"],
        "also": {},
    }
    if run.pairs == PAIRS:
        result["also"] = further_scores(model, test, root, first + 500)
    return result


def further_scores(model: nn.Module, test: WholeTiles, root: Path, first: int) -> dict[str, float]:
    """Score the same network with the dates swapped, with one date twice, with other pseudo-change."""
    swapped = Dates(test, "after", "before")
    found = {"F1 swapped": change_scores(counts(model, swapped)).F1}
    found["differs when swapped"] = disagreement(model, test, swapped)
    found["called changed, same picture twice"] = called_changed(model, Dates(test, *DATES[:1] * 2))
    for level in (0.0, 0.5):
        tiles = WholeTiles(pairs(root, first, TEST_PAIRS, level), DATES)
        found[f"F1 at pseudo-change {level:g}"] = change_scores(counts(model, tiles)).F1
    calm = WholeTiles(pairs(root, first, TEST_PAIRS, changed=0.0), DATES)
    found["called changed, nothing built"] = called_changed(model, calm)
    return found


@torch.no_grad()
def disagreement(model: nn.Module, one: Any, other: Any) -> float:
    """Share of the pixels whose class depends on the order of the dates."""
    model.eval()
    differing, total = 0, 0
    for k in range(len(one)):
        maps = [
            model({name: sample[name][None, :, :SIZE, :SIZE] for name in DATES}).argmax(1)
            for sample in (one[k], other[k])
        ]
        differing += int((maps[0] != maps[1]).sum())
        total += maps[0].numel()
    return differing / total


def on_real(run: Run, folder: Path, steps: int, rate: float) -> dict[str, Any]:
    """Train on two real tiles and score on the other two, both ways round, counts pooled."""
    tiles = open_dataset(folder).tiles("train")
    half = len(tiles) // 2
    each, seconds, made = [], 0.0, 0
    for here, there in ((tiles[:half], tiles[half:]), (tiles[half:], tiles[:half])):
        test = WholeTiles(there, DATES)
        if run.model == "forest":
            each += forest(WholeTiles(here, DATES), test, run.seed)
            continue
        model, summary = train(run, here, steps, rate)
        each += [counts(model, _One(test, k)) for k in range(len(test))]
        seconds, made = seconds + summary["seconds"], summary["steps"]
    return {"scores": pooled_scores(each), "train_seconds": seconds, "steps": made, "also": {}}


def forest(here: WholeTiles, there: WholeTiles, seed: int) -> list[ConfusionMatrix]:
    """A random forest on the colours of both dates and their difference, pixel by pixel."""
    from sklearn.ensemble import RandomForestClassifier

    def pixels(sample: dict[str, Tensor]) -> np.ndarray:
        a, b = (sample[name].flatten(1).T.numpy() for name in DATES)
        return np.concatenate([a, b, np.abs(a - b)], axis=1)

    samples = [here[k] for k in range(len(here))]
    x = np.concatenate([pixels(sample) for sample in samples])
    y = np.concatenate([sample["label"].flatten().numpy() for sample in samples])
    chosen = np.random.default_rng(seed).choice(len(y), min(FOREST_PIXELS, len(y)), replace=False)
    trees = RandomForestClassifier(**FOREST_SIZE, class_weight="balanced", random_state=seed)
    trees.fit(x[chosen], y[chosen])
    found = []
    for k in range(len(there)):
        matrix, sample = ConfusionMatrix(2), there[k]
        predicted = torch.from_numpy(trees.predict(pixels(sample)))
        matrix.update(predicted.reshape(sample["label"].shape), sample["label"])
        found.append(matrix)
    return found


def train_and_score(
    run: Run, root: Path, real: Path | None, steps: int = STEPS, rate: float | None = None
) -> dict[str, Any] | None:
    """Do one run: make its data, train, score.

    Args:
        run: what to train.
        root: folder of the written pairs.
        real: folder that holds ``change_levir`` and ``change_dsifn``.
        steps: optimiser steps at effort 1.
        rate: learning rate; that of the network without.

    Returns:
        What goes into the line of results, or ``None`` if its data are not here.
    """
    rate = RATES.get(run.model, 0.0) if rate is None else rate
    begun = time.process_time()
    if run.data == "world":
        result = on_world(run, root, steps, rate)
    elif real is None:
        return None
    else:
        result = on_real(run, real / f"change_{run.data}", steps, rate)
    return result | {"cpu_seconds": round(time.process_time() - begun, 2)}
