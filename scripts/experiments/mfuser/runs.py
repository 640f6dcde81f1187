"""One training of the experiments with MFuser: on clear scenes of one camera, scored where nothing was learned."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.language.class_words import words_of
from mfnet_lite.nets import MFuser, UNet
from mfnet_lite.nets.encoders.backbones import open_plain_vit
from mfnet_lite.nets.encoders.open_vision_language import load_vision_language
from mfnet_lite.nets.encoders.vision_language import VisionLanguage
from mfnet_lite.rasters import RandomCrops, WholeTiles, open_dataset
from mfnet_lite.runs.folder import channels_of
from mfnet_lite.scenes import evaluate
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.tuning import freeze
from mfnet_lite.world import WorldConfig, write_folder
from scripts.experiments.made_once import made_once
from scripts.experiments.mfnet.runs import (
    GSD,
    TILE,
    UNET_SIZE,
    WEIGHT_DECAY,
    ious_only,
)
from scripts.experiments.mfuser.plan import BASE, ONE_NAME, PAIR, RATES, Run
from scripts.experiments.mfuser.real_tiles import real_scores

SIZE, BATCH, STEPS = 128, 1, 200
"""Side of a crop in pixels (also of the windows at test time), crops of a step, steps of a training."""
TEST_STRIDE = 96
SCENES, TEST_SCENES = 8, 3
AMBIGUITY = 0.3
"""Without a height map an ambiguous roof cannot be told from a street by anybody; so few are ambiguous."""
DOMAINS: Mapping[str, Mapping[str, str]] = {
    "clear": {},
    "haze": {"domain": "haze"},
    "night": {"domain": "night"},
    "other camera": {"domain": "other_camera"},
    "winter": {"season": "winter"},
}
"""Where models are scored; they are trained on the first."""
UNSEEN = tuple(DOMAINS)[1:]
SYNONYMS = (("pavement",), ("dwelling",), ("turf",), ("oak",), ("van",), ("debris",))
"""A word for each class of the world that neither MFuser nor the pair has met in its training."""
ASKED = (BASE, ONE_NAME, PAIR)
"""Configurations that are also asked in these words."""


class PairAlone(nn.Module):
    """A vision-language pair as a segmenter that nobody trains.

    Args:
        pair: The pair.
        classes: Phrases of each class.
    """

    def __init__(self, pair: VisionLanguage, classes: Sequence[Sequence[str]]) -> None:
        super().__init__()
        self.pair = pair
        self.words = [tuple(phrases) for phrases in classes]

    def ask(self, classes: Sequence[Sequence[str]]) -> None:
        """Segment these classes from now on."""
        self.words = [tuple(phrases) for phrases in classes]

    def forward(self, sample: Mapping[str, Tensor]) -> Tensor:
        """Return logits at the size of the input, whose sides are multiples of the patch."""
        image, encoder = sample["optical"], self.pair.image
        logits = self.pair((image - encoder.mean) / encoder.std, self.words)
        return F.interpolate(logits, image.shape[-2:], mode="bilinear", align_corners=False)


def build(run: Run, channels: Mapping[str, int], classes: Sequence[str]) -> nn.Module:
    """Build the model of a run; its initial weights follow from the seed."""
    torch.manual_seed(run.seed)
    if run.model == "unet":
        return UNet(channels, len(classes), **UNET_SIZE)
    pair = load_vision_language("tiny")
    if run.model == "pair":
        return PairAlone(pair, [words_of(name) for name in classes])
    return MFuser(
        open_plain_vit(run.backbone, "MFuser"),
        pair,
        classes,
        channels,
        streams=run.streams,
        fusion=run.fusion,
        fusers=run.fusers,
        direction=run.direction,
        enhancer=run.enhancer,
        vary_words=run.vary,
    )


def parameters(model: nn.Module) -> dict[str, int]:
    """Count the trained parameters of a model, those in the encoder and those after it."""
    if isinstance(model, PairAlone):
        return {"tuning": 0, "head": 0}
    if isinstance(model, MFuser):
        freeze(model)
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    tuning = sum(n for name, n in trained.items() if name.startswith("encoder."))
    return {"tuning": tuning, "head": sum(trained.values()) - tuning}


def scenes(root: Path, first: int, number: int, share: str, **seen: str) -> Path:
    """Write scenes at their first use and return their folder."""
    splits = (1.0, 0.0, 0.0) if share == "train" else (0.0, 0.0, 1.0)
    config = WorldConfig(ambiguity=AMBIGUITY, **seen)  # type: ignore[arg-type]
    how = "_".join(seen.values()) or "clear"

    def make(folder: Path) -> None:
        write_folder(folder, number, TILE, first, config, splits, GSD, quiet=True)

    return made_once(root / f"{share}_{first}_{number}_{how}", make)


def scored(model: nn.Module, tiles: Any, classes: tuple[str, ...]) -> dict[str, Any]:
    """Scores on whole tiles; mIoU leaves clutter out, as is usual on ISPRS data."""
    matrix = evaluate(model, tiles, window=SIZE, stride=TEST_STRIDE, batch=8)
    return ious_only(matrix.scores("authors").as_dict(classes))


def train_and_score(
    run: Run, root: Path, real: Path | None, steps: int = STEPS, rate: float | None = None
) -> dict[str, Any]:
    """Train on clear scenes and score on scenes of every domain; scenes of two seeds never overlap.

    Args:
        run: What to train.
        root: Folder of the written scenes.
        real: Folder of the real tiles; None leaves them out.
        steps: Optimiser steps.
        rate: Learning rate; that of the model without.

    Returns:
        What goes into the line of results.
    """
    first = 200_000 + 1000 * run.seed
    sensors = ("optical",)
    data = open_dataset(scenes(root, first, SCENES, "train"), sensors=sensors, val_fraction=0.0)
    classes = tuple(data.info.classes)
    crops: Any = RandomCrops(data.tiles("train"), SIZE, sensors, seed=run.seed, cache=True)
    channels = channels_of(data, "train")
    model = build(run, channels, classes)
    trained = parameters(model)
    begun, loss = time.process_time(), None
    if run.model != "pair":
        config = TrainConfig(
            steps=steps, batch=BATCH, lr=RATES[run.model] if rate is None else rate,
            weight_decay=WEIGHT_DECAY, warmup=10, seed=run.seed, device="cpu", progress=False,
        )  # fmt: skip
        loss = fit(model, RandomJitter(crops, seed=run.seed), config=config)["loss"]
    spent = time.process_time() - begun
    model.eval()
    tests = {
        name: WholeTiles(
            open_dataset(
                scenes(root, first + 500, TEST_SCENES, "test", **seen), sensors=sensors
            ).tiles("test"),
            sensors,
        )
        for name, seen in DOMAINS.items()
    }
    scores = {name: scored(model, tiles, classes) for name, tiles in tests.items()}
    also: dict[str, float] = {}
    if run.row in {asked.row for asked in ASKED}:
        model.ask(list(SYNONYMS))  # type: ignore[operator]  # these two have it
        also = {"synonyms": scored(model, tests["clear"], classes)["mIoU"]}
        model.ask([words_of(name) for name in classes])  # type: ignore[operator]
    tiles = {} if real is None else real_scores(model, real, GSD, SIZE, TEST_STRIDE)
    return {
        "scores": scores,
        "real": tiles,
        "also": also,
        "loss": loss,
        "cpu_seconds": round(spent, 2),
        "steps": steps,
        **trained,
    }
