"""One training of the experiments with SamLP: its images, its model, its scores."""

from __future__ import annotations

import copy
import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mfnet_lite import load_sam
from mfnet_lite.losses import dice_loss
from mfnet_lite.nets import PromptTuning, SamLP, UNet
from mfnet_lite.runs.samlp import Embedded, evaluate_plates, find_plates, promptability
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.training.augment.rotation import RandomRotation
from mfnet_lite.world.plates.image import PlateConfig, make_plate_image
from scripts.experiments.samlp.plan import ALL, RATES, Run

SIZE, BATCH = 128, 4
STEPS, SECOND_STEPS = 80, 40
ROUNDS, REHEARSED = 4, 4
POOL, TEST, PROMPTED = 230, 44, 24
"""Images to draw from (those with a plate count), to test on, and of these to prompt on."""
FIRST, FIRST_TEST = 500_000, 900_000
SMALLEST_OBJECT, SMALLEST_PLATE = 24, 12
"""Visible pixels below which an object or a plate is not prompted."""
CONFIG = PlateConfig(smallest=0.14, legible=0.10)
"""At 128 pixels, plates below 13 pixels of width are left out: the masks have half that resolution."""
UNET_SIZE = {"width": 8, "depth": 4}
DEGREES, LIGHT = 10.0, 0.25


class Images:
    """Plate images in memory, as samples.

    Args:
        arrays: image, label, instances, boxes.
        chosen: numbers of the images that count; all without.
    """

    def __init__(self, arrays: Mapping[str, Any], chosen: Any = None) -> None:
        chosen = range(len(arrays["image"])) if chosen is None else chosen
        self.arrays, self.chosen = arrays, [int(i) for i in chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        i = self.chosen[index]
        return {
            "optical": torch.from_numpy(self.arrays["image"][i]).float() / 255,
            "label": torch.from_numpy(self.arrays["label"][i]).long(),
            "instances": torch.from_numpy(self.arrays["instances"][i]).long(),
        }

    @property
    def boxes(self) -> list[Any]:
        """True boxes of each image; the rest of the padded table is NaN."""
        rows = [self.arrays["boxes"][i] for i in self.chosen]
        return [row[~np.isnan(row[:, 0])] for row in rows]


def images(root: Path, first: int, number: int) -> dict[str, Any]:
    """Draw images once and keep them; every fourth was taken at night."""
    path = root / f"images_{first}_{number}_{SIZE}.npz"
    if not path.exists():
        made = [
            make_plate_image(seed, SIZE, night=seed % 4 == 3, config=CONFIG)
            for seed in tqdm(range(first, first + number), desc="images")
        ]
        most = max(len(p.plate_boxes) for p in made)
        boxes = np.full((number, max(1, most), 4), np.nan, np.float32)
        for row, image in zip(boxes, made, strict=True):
            row[: len(image.plate_boxes)] = image.plate_boxes
        root.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=root, suffix=".npz")
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(
                file,
                image=np.stack([p.image for p in made]),
                label=np.stack([p.plate for p in made]).astype(np.uint8),
                instances=np.stack([p.instances for p in made]).astype(np.int32),
                boxes=boxes,
            )
        Path(name).replace(path)
    with np.load(path) as stored:
        return {name: stored[name] for name in stored.files}


def digest(root: Path) -> str:
    """Short SHA-256 of the images: lines made on others do not count."""
    found = hashlib.sha256()
    for first, number in ((FIRST, POOL), (FIRST_TEST, TEST)):
        arrays = images(root, first, number)
        found.update(arrays["image"].tobytes() + arrays["label"].tobytes())
    return found.hexdigest()[:16]


def drawn(root: Path, run: Run) -> Images:
    """Training images of a run: the first so many of a seed's own order, so shots are nested."""
    arrays = images(root, FIRST, POOL)
    fit_for = np.flatnonzero(arrays["label"].any((1, 2)))
    if len(fit_for) < ALL:
        raise RuntimeError(f"only {len(fit_for)} of {POOL} images show a plate, need {ALL}")
    order = np.random.default_rng(run.seed).permutation(fit_for)
    return Images(arrays, order[: run.shots])


def settings(run: Run, steps: int, rate: float) -> TrainConfig:
    """Return the settings of one training."""
    return TrainConfig(
        steps=steps, batch=BATCH, lr=rate, weight_decay=1e-4 if run.model != "unet" else 1e-2,
        warmup=10, seed=run.seed, device="cpu", progress=False,
    )  # fmt: skip


def plain_dice(output: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Dice of the U-Net's two classes, the loss of SamLP's single masks."""
    label = batch["label"]
    logits = torch.where(label == 255, -1e4, output[:, 1] - output[:, 0])
    return dice_loss(logits, (label == 1).float()).mean()


def found(model: nn.Module, test: Images, threshold: float = 0.0) -> dict[str, float]:
    """Scores of the plates found; AP50 orders boxes by probability, which every model has."""
    scores = evaluate_plates(model, test, test.boxes, threshold=threshold)
    return {
        "AP50": scores.by_probability.AP50,
        "AP": scores.by_probability.AP,
        "AP50 by estimate": scores.boxes.AP50,
        "precision": scores.boxes.precision,
        "recall": scores.boxes.recall,
        "F1": scores.boxes.F1,
        "mask IoU": scores.mask_iou,
        "best mask IoU": scores.best_iou,
        "agreement": scores.agreement,
        "estimate error": scores.estimate_error,
        "false area": scores.false_area,
    }


def prompted(model: SamLP, test: Images) -> dict[str, float]:
    """Scores of prompts on objects of any kind, and on plates."""
    some = Images(test.arrays, test.chosen[:PROMPTED])
    objects = promptability(model, some, SMALLEST_OBJECT)
    plates = promptability(model, some, SMALLEST_PLATE, plates=True)
    return {
        "click": objects.click, "click, best": objects.click_best, "box": objects.box,
        "objects": objects.count, "plate click": plates.click, "plate box": plates.box,
        "plates": plates.count,
    }  # fmt: skip


def second_step(model: SamLP, run: Run, train: Images, rehearsal: int) -> float:
    """Train step 2 in place and return its seconds of CPU."""
    tuning = PromptTuning(model, ROUNDS, rehearsal, run.iou_weight)
    begun = time.process_time()
    fit(tuning, Embedded(model, train), config=settings(run, SECOND_STEPS, RATES["second"]))
    return time.process_time() - begun


def train_and_score(run: Run, root: Path, steps: int = STEPS) -> dict[str, Any]:
    """Do one run: draw its images, train, score.

    Args:
        run: what to train.
        root: folder of the images.
        steps: optimiser steps of the first step at effort 1.

    Returns:
        What goes into the line of results: scores by stage, seconds of CPU, trained parameters.
    """
    steps = round(steps * run.effort)
    train, test = drawn(root, run), Images(images(root, FIRST_TEST, TEST))
    augmented = RandomRotation(
        RandomJitter(train, run.seed, LIGHT, quarter_turns=False), run.seed, DEGREES
    )
    torch.manual_seed(run.seed)
    rate = RATES[run.model]
    stages: dict[str, dict[str, float]] = {}
    seconds: dict[str, float] = {}
    begun = time.process_time()
    if run.model == "unet":
        model: nn.Module = UNet({"optical": 3}, 2, **UNET_SIZE)
        fit(model, augmented, config=settings(run, steps, rate), loss=plain_dice)
    elif run.model == "decoder":
        model = SamLP(load_sam("tiny", SIZE), tuning="decoder")
        # The encoder is frozen: every image is embedded once, and therefore not tilted.
        fit(model, Embedded(model, train), config=settings(run, steps, rate))
    else:
        model = SamLP(
            load_sam("tiny", run.enlarge * SIZE),
            run.rank,
            official=run.official,
            iou_weight=run.iou_weight,
            seed=run.seed,
        )
        if run.rehearsal:
            stages["before"] = found(model, test) | prompted(model, test)
            begun = time.process_time()
        fit(model, augmented, config=settings(run, steps, rate))
    seconds["step 1"] = time.process_time() - begun
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    stages["step 1"] = found(model, test)
    if run.official:
        stages["step 1, cut at 0.5"] = found(model, test, threshold=0.5)
    if run.rehearsal:
        stages["step 1"] |= prompted(model, test)
        other = copy.deepcopy(model)
        seconds["rehearsed"] = second_step(other, run, train, REHEARSED)
        stages["rehearsed"] = found(other, test) | prompted(other, test)
    if run.second:
        seconds["step 2"] = second_step(model, run, train, 0)
        stages["step 2"] = found(model, test)
        if run.rehearsal:
            stages["step 2"] |= prompted(model, test)
    return {"stages": stages, "cpu_seconds": seconds, "trained": trained, "steps": steps}


def example(model: nn.Module, root: Path, index: int) -> Any:
    """Masks of one test image, for looking at."""
    return find_plates(model, Images(images(root, FIRST_TEST, TEST))[index])


def shared() -> dict[str, Any]:
    """What all runs share, for the file of results."""
    return {
        "decoder": "its images are embedded once, neither tilted nor re-lit",
        "learning_rates_chosen": "by single trials on other images; that of SamLP is a guess between "
        "trials of unequal length and loss, so the U-Net is the better tuned",
        "picture_pixels": SIZE, "batch": BATCH, "steps": STEPS, "second_steps": SECOND_STEPS,
        "rounds": ROUNDS, "rehearsed_objects": REHEARSED, "learning_rates": RATES,
        "tilt_degrees": DEGREES, "light": LIGHT, "unet": UNET_SIZE,
        "test_pictures": TEST, "prompted_pictures": PROMPTED, "pictures": asdict(CONFIG),
        "smallest_prompted_object": SMALLEST_OBJECT, "smallest_prompted_plate": SMALLEST_PLATE,
    }  # fmt: skip
