"""One training of the experiments with EarthGPT: on optical and radar images, scored there and on thermal ones."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mfnet_lite.language.instructions import Dialogue, Sensor
from mfnet_lite.language.scoring import TaskScores, majority_answers, score_answers
from mfnet_lite.language.world_dialogues import (
    DialogueConfig,
    write_world_instructions,
)
from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig
from mfnet_lite.runs.dialogue_samples import DialogueSamples, DialogueTraining
from mfnet_lite.runs.earthgpt import answer_dialogues, dialogues_of_split, vocabulary
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.tuning import attach_lora, linear_layers
from scripts.experiments.earthgpt.plan import FEW, MANY, Run
from scripts.experiments.made_once import made_once

SIZE, CROPS, FIRST = 96, 4, 300_000
"""Side of an image in pixels; images per side of a scene; seed of the first scene."""
TEST_IMAGES = 24
"""Images of the test, each as seen by every sensor."""
TRAINED: tuple[Sensor, ...] = ("optical", "sar")
UNSEEN: Sensor = "infrared"
GRID, TURNS = 6, 3
"""Rows and columns of visual tokens; questions of a dialogue in a step."""
STEPS: dict[int, tuple[int, int, int]] = {FEW: (300, 200, 120), MANY: (300, 600, 400)}
"""Steps of the three stages, by the images of the training."""
BATCH = {FEW: 4, MANY: 8}
"""Dialogues of a step."""
RATES = {"tiny": (3e-3, 2e-3, 5e-3), "smollm2": (0.0, 2e-4, 5e-3)}
"""Learning rates of the stages."""
LONGEST = 64
"""Tokens of an answer at most: three boxes or a long caption."""
TASKS = ("classification", "captioning", "vqa", "detection", "grounding", "region captioning")
"""Asked for; oriented boxes are left out, twice as long as upright ones."""
SCORE = {
    "classification": "accuracy",
    "vqa": "accuracy",
    "region captioning": "accuracy",
    "captioning": "CIDEr",
    "grounding": "mean IoU",
    "detection": "F1",
}
"""The score of each task that is compared."""
BLANK, MAJORITY = "blank", "majority"
PARAPHRASED = "instructions_paraphrased.json"


def write_data(folder: Path) -> None:
    """Write the scenes' dialogues: a pool for all trainings, and a test that no training sees."""
    scenes = math.ceil((MANY + TEST_IMAGES) / CROPS**2)
    held_out = math.ceil(TEST_IMAGES / CROPS**2) / scenes
    config = DialogueConfig(captions=1, most_boxes=3)
    write_world_instructions(
        folder, scenes, SIZE, FIRST, crops=CROPS, config=config,
        splits=(1 - held_out, 0.0, held_out), quiet=True,
    )  # fmt: skip


def asked(dialogues: Sequence[Dialogue], sensors: Sequence[str]) -> list[Dialogue]:
    """Keep dialogues of some sensors, and of each the questions that the experiment asks."""
    kept = [
        replace(d, exchanges=tuple(e for e in d.exchanges if e.task in TASKS))
        for d in dialogues
        if d.sensor in sensors
    ]
    return [dialogue for dialogue in kept if dialogue.exchanges]


def drawn(dialogues: list[Dialogue], images: int, seed: int) -> list[Dialogue]:
    """Keep the dialogues of some scenes' images, all sensors of an image together."""
    names = sorted({Path(d.image).name for d in dialogues})
    chosen = set(np.random.default_rng(seed).permutation(names)[:images].tolist())
    return [d for d in dialogues if Path(d.image).name in chosen]


def open_model(run: Run, dialogues: Sequence[Dialogue]) -> EarthGPT:
    """Build the model of a run."""
    config = EarthGPTConfig(
        backbone="none" if run.branches == "cnn" else "tiny",
        cnn="none" if run.branches == "vit" else "tf_efficientnet_lite0",
        language=run.language,
        grid=GRID,
        form="input" if run.tuning == "input_scale" else "output",
    )
    if config.needs_text:
        config = replace(config, words=vocabulary(dialogues))
    return config.open(run.seed)


def start(model: EarthGPT, run: Run, stage: int) -> None:
    """Start a stage, or what a rival of the method trains instead."""
    network = model.language.network
    if stage == 0 or run.tuning in ("scale_shift", "input_scale"):
        model.start_stage(stage)
        return
    if run.tuning == "projection":
        model.requires_grad_(False)
        model.perception.projection.requires_grad_(True)
        model.language.frozen_in_half()
    elif stage == 1:
        model.start_stage(1)
    elif run.tuning == "full":
        model.requires_grad_(False)
        network.float().requires_grad_(True)
    elif run.tuning == "lora":
        model.requires_grad_(False)
        wanted = sum(2 * layer.out_features for layer in linear_layers(network).values())
        attach_lora(network, list(linear_layers(network)), rank=1, alpha=1)
        found = sum(p.numel() for p in network.parameters() if p.requires_grad)
        if not 0.5 < found / wanted < 2:
            raise ValueError(f"LoRA has {found} weights where about {wanted} were wanted")


def train(
    model: EarthGPT,
    run: Run,
    dialogues: Sequence[Dialogue],
    features: ImageFeatures,
    steps: Sequence[int],
) -> dict[str, Any]:
    """Train the stages of a run; says what each trained."""
    facts: dict[str, Any] = {}
    stages = [0] if model.config.needs_text else []
    stages += [1] if run.first_stage else []
    stages += [] if run.tuning == "none" else [2]
    for stage in stages:
        start(model, run, stage)
        config = TrainConfig(
            steps=steps[stage], batch=BATCH[run.images], lr=RATES[run.language][stage],
            warmup=min(20, steps[stage] // 5), seed=run.seed, device="cpu", progress=False,
        )  # fmt: skip
        begun = time.process_time()
        training = DialogueTraining(model, dialogues, features if stage else None)
        summary = fit(
            training,
            DialogueSamples(dialogues, TURNS, run.seed),
            config=config,
            loss=lambda value, _: value,
        )
        facts[f"stage {stage}"] = {
            "trained": summary["trained_parameters"],
            "loss": round(summary["loss"], 4),
            "cpu_seconds": round(time.process_time() - begun, 1),
        }
    model.requires_grad_(False).eval()
    return facts


class Blank(ImageFeatures):
    """The mean of all images' features in the place of each."""

    def __init__(self, features: ImageFeatures) -> None:
        super().__init__(features.model, features.root, [])
        self.files = features.files
        mean = torch.stack([features[k].float() for k in range(len(features))]).mean(0)
        self.known = dict.fromkeys(self.files, mean)


def plain(scores: dict[Any, TaskScores]) -> dict[str, Any]:
    """Scores by task as JSON holds them."""
    return {
        str(task): {
            "questions": found.questions,
            "malformed": round(found.malformed, 4),
            **{name: None if math.isnan(v) else round(v, 5) for name, v in found.scores.items()},
        }
        for task, found in scores.items()
    }


def train_and_score(run: Run, root: Path, steps: Sequence[int] | None = None) -> dict[str, Any]:
    """Train on optical and radar images, score there and on thermal ones, in known and in other wordings.

    Args:
        run: What to train.
        root: Folder of the data, written at their first use.
        steps: Of the three stages; those of the plan if None.

    Returns:
        What goes into the line of results.
    """
    steps = STEPS[run.images] if steps is None else steps
    folder = made_once(root / f"dialogues_{FIRST}_{MANY}", write_data)
    home, pool = dialogues_of_split(folder, "train")
    training = drawn(asked(pool, TRAINED), run.images, run.seed)
    model = open_model(run, training)
    facts = train(model, run, training, ImageFeatures(model, home, training), steps)
    scores: dict[str, Any] = {}
    for sensor in (*TRAINED, UNSEEN):
        for how, file in (("known", "instructions.json"), ("other", PARAPHRASED)):
            test, dialogues = dialogues_of_split(folder, "test", file)
            questions = asked(dialogues, (sensor,))[:TEST_IMAGES]
            features = ImageFeatures(model, test, questions)
            said = answer_dialogues(
                model, questions, features, max_new_tokens=LONGEST, progress=False
            )
            scores[f"{sensor}, {how}"] = plain(score_answers(questions, said, training))
            if how == "known":
                blind = answer_dialogues(
                    model, questions, Blank(features), max_new_tokens=LONGEST, progress=False
                )
                usual = majority_answers(training, questions)
                for name, answers in ((BLANK, blind), (MAJORITY, usual)):
                    scores[f"{sensor}, {name}"] = plain(score_answers(questions, answers, training))
    return {"scores": scores, "stages": facts, "steps": list(steps), "dialogues": len(training)}
