"""One training of the experiments with EarthGPT: on optical and radar images, scored there and on thermal ones."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mfnet_lite.language.instructions import Dialogue, Sensor
from mfnet_lite.language.scoring import TaskScores, majority_answers, score_answers
from mfnet_lite.language.world_dialogues import (
    PARAPHRASED,
    DialogueConfig,
    write_world_instructions,
)
from mfnet_lite.nets.earthgpt import EarthGPT
from mfnet_lite.nets.earthgpt_tiny import load_tiny_earthgpt
from mfnet_lite.runs.blank_features import BlankFeatures
from mfnet_lite.runs.dialogue_run import load_earthgpt
from mfnet_lite.runs.dialogue_samples import DialogueSamples, DialogueTraining
from mfnet_lite.runs.earthgpt import answer_dialogues, dialogues_of_split
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.tuning import attach_lora, linear_layers
from mfnet_lite.utils.files import write_text
from mfnet_lite.utils.hashes import hash_tensors
from scripts.experiments.earthgpt.plan import FEW, MANY, Run
from scripts.experiments.made_once import made_once

SIZE, CROPS, FIRST = 96, 4, 300_000
"""Side of an image in pixels; images per side of a scene; seed of the first scene."""
TEST_IMAGES = 48
"""Images of the test, each as seen by every sensor."""
TRAINED: tuple[Sensor, ...] = ("optical", "sar")
UNSEEN: Sensor = "infrared"
TURNS, BATCH = 3, 4
"""Questions of a dialogue, and dialogues, of a step."""
STEPS = {FEW: 200, MANY: 400}
"""Steps, by the images of the training."""
BLIND_STEPS = 3000
"""Steps of what begins without having seen an image."""
RATES = {
    "scale_shift": 5e-3,
    "input_scale": 5e-3,
    "lora": 5e-3,
    "full": 5e-4,
    "stage_1": 2e-3,
    "projection": 2e-3,
}
"""Learning rates."""
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


def write_data(folder: Path) -> None:
    """Write the scenes' dialogues: a pool for all trainings, and a test that no training sees."""
    scenes = math.ceil(MANY / CROPS**2) + math.ceil(TEST_IMAGES / CROPS**2)
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


def open_model(run: Run, pretrained: Path | None) -> EarthGPT | None:
    """Load the model that a run begins with; None where it is not at hand."""
    if run.language == "tiny" and not run.blind:
        return load_tiny_earthgpt()
    folder = None if pretrained is None else pretrained / run.language
    if folder is None or not folder.is_dir():
        return None
    _, model = load_earthgpt(folder, stage=0 if run.blind else 1)
    return model


def start(model: EarthGPT, run: Run) -> None:
    """Choose what trains.

    Raises:
        ValueError: If LoRA has far more or fewer weights than scale and shift.
    """
    network = model.language.network
    if run.tuning in ("scale_shift", "input_scale"):
        form = "input" if run.tuning == "input_scale" else "output"
        model.config = replace(model.config, form=form)
        model.start_stage(2)
    elif run.tuning == "stage_1":
        model.start_stage(1)
    elif run.tuning == "full":
        network.float().requires_grad_(True)
    elif run.tuning == "lora":
        wanted = sum(2 * layer.out_features for layer in linear_layers(network).values())
        attach_lora(network, list(linear_layers(network)), rank=1, alpha=1)
        model.halve_frozen()
        found = sum(p.numel() for p in network.parameters() if p.requires_grad)
        if not 0.5 < found / wanted < 2:
            raise ValueError(f"LoRA has {found} weights where about {wanted} were wanted")
    elif run.tuning == "projection":
        model.perception.projection.requires_grad_(True)
        model.halve_frozen()


def train(
    model: EarthGPT,
    run: Run,
    dialogues: Sequence[Dialogue],
    features: ImageFeatures,
    steps: int | None = None,
) -> dict[str, Any]:
    """Train what a run trains, and say how that went."""
    if run.tuning == "none":
        return {"trained": 0, "loss": None, "steps": 0, "cpu_seconds": 0.0}
    start(model, run)
    steps = steps or (BLIND_STEPS if run.blind else STEPS[run.images])
    config = TrainConfig(
        steps=steps, batch=BATCH, lr=RATES[run.tuning], warmup=min(20, steps // 5), seed=run.seed, device="cpu",
        progress=False,
    )  # fmt: skip
    begun = time.process_time()
    summary = fit(
        DialogueTraining(model, dialogues, features),
        DialogueSamples(dialogues, TURNS, run.seed),
        config=config,
        loss=lambda value, _: value,
    )
    model.requires_grad_(False).eval()
    return {
        "trained": summary["trained_parameters"],
        "loss": round(summary["loss"], 4),
        "steps": steps,
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def answered(
    model: EarthGPT, questions: Sequence[Dialogue], shown: ImageFeatures, kept: Path | None
) -> list[list[str]]:
    """Let a model answer the questions of the test.

    Args:
        model: The model.
        questions: Of the test.
        shown: Features of their images.
        kept: Where the answers are kept, or were before, if another run would get the same.
    """

    def answer() -> list[list[str]]:
        return answer_dialogues(model, questions, shown, max_new_tokens=LONGEST, progress=False)

    if kept is None:
        return answer()
    folder = made_once(kept, lambda fresh: write_text(fresh / "answers.json", json.dumps(answer())))
    said: list[list[str]] = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    return said


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


def train_and_score(
    run: Run, root: Path, pretrained: Path | None = None, steps: int | None = None
) -> dict[str, Any] | None:
    """Train on optical and radar images, score there and on thermal ones, in known and in other wordings.

    Args:
        run: What to train.
        root: Folder of the data, written at their first use.
        pretrained: Folder of run folders ``tiny`` and ``smollm2``, which ``scripts/pretraining/earthgpt.py`` trained.
        steps: Steps instead of those of the plan.

    Returns:
        What goes into the line of results; None where the model it begins with is not at hand.
    """
    model = open_model(run, pretrained)
    if model is None:
        return None
    folder = made_once(root / f"dialogues_{FIRST}_{MANY}_{TEST_IMAGES}", write_data)
    home, pool = dialogues_of_split(folder, "train")
    training = drawn(asked(pool, TRAINED), run.images, run.seed)
    facts = train(model, run, training, ImageFeatures(model, home, training), steps)
    scores: dict[str, Any] = {}
    # a model that nothing has tuned answers alike under every seed
    answers: Path | None = None
    if run.tuning == "none":
        digest = hash_tensors(model.state_dict())[:16]
        answers = root / f"answers_{TEST_IMAGES}_{LONGEST}_{digest}"
    for sensor in (*TRAINED, UNSEEN):
        for how, file in (("known", "instructions.json"), ("other", PARAPHRASED)):
            test, dialogues = dialogues_of_split(folder, "test", file)
            questions = asked(dialogues, (sensor,))[:TEST_IMAGES]
            features = ImageFeatures(model, test, questions)
            ways = {how: features}
            if how == "known":
                ways[BLANK] = BlankFeatures(features)
            for name, shown in ways.items():
                kept = answers and answers / f"{sensor}_{name}"
                said = answered(model, questions, shown, kept)
                scores[f"{sensor}, {name}"] = plain(score_answers(questions, said, training))
            if how == "known":
                usual = majority_answers(training, questions)
                scores[f"{sensor}, {MAJORITY}"] = plain(score_answers(questions, usual, training))
    return {"scores": scores, **facts, "dialogues": len(training)}
