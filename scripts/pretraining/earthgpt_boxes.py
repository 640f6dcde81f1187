"""Teach the small EarthGPT where things are: ``python -m scripts.pretraining.earthgpt_boxes OUT``.

Goes on from OUT/tiny, which ``earthgpt.py`` trained, and writes OUT/boxes. All weights of the language model train,
and the projection: Muon for what multiplies, AdamW for the rest. A step sees

- dialogues about whole photographs, as in the first stage,
- single questions about boxes, with a part of the photograph (see ``focus.py``); whole ones become more frequent,
- dialogues of all sensors without their images, so that their words stay known.

The photographs are those of the first stage and as many others again from new scenes, with more questions about each.
The same command goes on where it was stopped: what a step sees depends on the seed and its number alone.
``ship_earthgpt.py`` puts the result into the package.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm.auto import tqdm

from mfnet_lite.language.instructions import Dialogue
from mfnet_lite.language.world_dialogues import DialogueConfig
from mfnet_lite.nets.earthgpt import EarthGPT, Example
from mfnet_lite.runs.dialogue_run import load_earthgpt
from mfnet_lite.runs.earthgpt import dialogues_of_split
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.utils.files import replacing, write_text
from scripts.pretraining.earthgpt import LEFT_OUT, OPTICAL_SEED, dialogues, without
from scripts.pretraining.focus import focused

SCENES = 320
DIALOGUES = DialogueConfig(
    captions=2, questions=8, detections=3, groundings=8, regions=6, most_boxes=3
)
FRACTIONS = (0.0, 0.0, 0.1, 0.3)
"""Shares of the other places that are shown where not all are."""
WHOLE, WHOLE_FROM = 0.9, 0.5
"""Share of the questions about boxes that see all places, and the part of the training in which it rises to that."""
ROW = 192
"""Tokens of a row of single questions."""
LOCATED = {"grounding": 0.7, "detection": 0.15, "region captioning": 0.15}
"""Tasks of the single questions, with their shares."""
WEIGHTS, STATE, LOG, SUMMARY = "model.safetensors", "state.pt", "log.csv", "summary.json"


@dataclass(frozen=True)
class Recipe:
    """Lengths and rates.

    Attributes:
        steps: Of the training.
        rate: Highest learning rate of both optimisers; Muon's updates are as long as AdamW's.
        warmup: Steps of its rise; then it falls to 0 along a cosine.
        whole: Dialogues about whole photographs in a step.
        turns: Questions of each of them.
        located: Single questions about boxes in a step.
        blind: Dialogues without an image in a step.
        save_every: Steps between two saved states.
        seed: Of what is drawn.
    """

    steps: int = 4400
    rate: float = 2e-3
    warmup: int = 100
    whole: int = 5
    turns: int = 4
    located: int = 64
    blind: int = 2
    save_every: int = 100
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.rate * 0.5 * (1 + math.cos(math.pi * done))


class Lessons:
    """What each step sees.

    Args:
        recipe: How much of what.
        seen: Dialogues about photographs.
        features: Of the photographs, by the place of their dialogue.
        read: Dialogues that are read without their images.
        grid: Rows and columns of visual tokens.
    """

    def __init__(
        self,
        recipe: Recipe,
        seen: Sequence[Dialogue],
        features: ImageFeatures,
        read: Sequence[Dialogue],
        grid: int,
    ) -> None:
        self.recipe, self.seen, self.features, self.read = recipe, seen, features, read
        self.grid = grid
        self.located = {
            task: [
                (number, exchange)
                for number, dialogue in enumerate(seen)
                for exchange in dialogue.exchanges
                if exchange.task == task
            ]
            for task in LOCATED
        }

    def of(self, step: int) -> tuple[list[Example], list[Example]]:
        """Draw the examples of a step.

        Args:
            step: Its number, from 0.

        Returns:
            Dialogues, about photographs and without; single questions about boxes.
        """
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        talks, single = [], []
        for number in rng.integers(len(self.seen), size=recipe.whole):
            turns = self._turns(self.seen[number], rng)
            talks.append(Example(turns, [self.features[number]]))
        for number in rng.integers(len(self.read), size=recipe.blind):
            talks.append(Example(self._turns(self.read[number], rng)))
        whole = WHOLE * min(1.0, step / (WHOLE_FROM * recipe.steps))
        for task in rng.choice(list(LOCATED), size=recipe.located, p=list(LOCATED.values())):
            asked = self.located[task]
            image, exchange = asked[rng.integers(len(asked))]
            keep = 1.0 if rng.random() < whole else float(rng.choice(FRACTIONS))
            single.append(focused(exchange, self.features[image], self.grid, keep, rng))
        return talks, single

    def _turns(self, dialogue: Dialogue, rng: np.random.Generator) -> list[tuple[str, str | None]]:
        drawn = rng.permutation(len(dialogue.exchanges))[: self.recipe.turns]
        said = [dialogue.exchanges[number] for number in drawn]
        return [(exchange.question, exchange.answer) for exchange in said]


def prepare(model: EarthGPT) -> list[torch.optim.Optimizer]:
    """Let the language model and the projection train, in single precision.

    Returns:
        Their optimisers.
    """
    network = model.language.network
    model.requires_grad_(False)
    network.float().requires_grad_(True)
    model.perception.projection.requires_grad_(True)
    table = network.get_input_embeddings().weight  # tied to the output
    muon = [p for p in network.parameters() if p.ndim == 2 and p is not table]
    chosen = {id(p) for p in muon}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in chosen]
    return [
        torch.optim.Muon(muon, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=0.01),
    ]


def trained_state(model: EarthGPT) -> dict[str, Tensor]:
    """Everything but the frozen encoders and the output embedding, which is the table of words."""
    frozen = ("perception.vit.", "perception.scales.", "language.network.lm_head.")
    return {n: v for n, v in model.state_dict().items() if not n.startswith(frozen)}


def train(
    model: EarthGPT, lessons: Lessons, folder: Path, until: int | None = None
) -> dict[str, float]:
    """Train, or go on.

    Args:
        model: After its first stage.
        lessons: What it sees.
        folder: Gets weights, state and log.
        until: Stop there, for a test.

    Returns:
        Steps, the mean loss of the last ones, seconds of all runs together, trained numbers; the folder gets them as
        ``summary.json`` once the training is finished.
    """
    recipe, parameters = lessons.recipe, [*model.parameters()]
    optimisers = prepare(model)
    begin, seconds = 0, 0.0
    if (folder / STATE).exists():
        kept = torch.load(folder / STATE, weights_only=True)
        begin, seconds = kept["step"], kept["seconds"]
        model.load_state_dict(kept["model"], strict=False)
        for optimiser, state in zip(optimisers, kept["optimisers"], strict=True):
            optimiser.load_state_dict(state)
    folder.mkdir(parents=True, exist_ok=True)
    model.train()
    losses: list[float] = []
    started = time.monotonic()
    last = recipe.steps if until is None else until
    for step in tqdm(range(begin, last), initial=begin, total=last, desc="boxes", unit="step"):
        talks, single = lessons.of(step)
        # both count a half; they are computed apart, since a row as long as a dialogue wastes attention on one question
        loss = 0.0
        for examples, length in ((talks, None), (single, ROW)):
            half = model.loss(examples, length) / 2
            half.backward()
            loss += float(half.detach())
        torch.nn.utils.clip_grad_norm_([p for p in parameters if p.requires_grad], 1.0)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate_at(step)
            optimiser.step()
            optimiser.zero_grad()
        losses.append(loss)
        done = step + 1
        if done % recipe.save_every == 0 or done == last:
            spent = seconds + time.monotonic() - started
            recent = losses[-recipe.save_every :]
            state = {
                "step": done,
                "seconds": spent,
                "model": trained_state(model),
                "optimisers": [optimiser.state_dict() for optimiser in optimisers],
            }
            with replacing(folder / STATE) as temporary:
                torch.save(state, temporary)
            with replacing(folder / WEIGHTS) as temporary:
                save_file({n: v.contiguous() for n, v in trained_state(model).items()}, temporary)
            with (folder / LOG).open("a", newline="") as log:
                csv.writer(log).writerow([done, f"{sum(recent) / len(recent):.5f}", f"{spent:.1f}"])
    count, mean_loss, took = (folder / LOG).read_text().split()[-1].split(",")
    summary = {
        "steps": int(count),
        "loss": float(mean_loss),
        "seconds": float(took),
        "trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
    }
    if summary["steps"] == recipe.steps:
        write_text(folder / SUMMARY, json.dumps(summary, indent=1) + "\n")
    return summary


def kept_features(features: ImageFeatures, file: Path) -> None:
    """Compute features of all photographs, or read them from where an earlier run has kept them."""
    if file.exists():
        features.known = load_file(file)
        return
    features.compute()
    with replacing(file) as temporary:
        save_file({name: value.contiguous() for name, value in features.known.items()}, temporary)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the data and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--smoke", action="store_true", help="two steps on one scene")
    args = parser.parse_args(arguments)
    recipe = Recipe(steps=2, whole=2, located=4, blind=1) if args.smoke else Recipe()
    _, model = load_earthgpt(args.out / "tiny")
    optical = dialogues(
        args.out / "optical_boxes", 1 if args.smoke else SCENES, OPTICAL_SEED, ("optical",),
        DIALOGUES,
    )  # fmt: skip
    home, seen = dialogues_of_split(optical)
    _, read = dialogues_of_split(args.out / "text")
    seen = without(seen, LEFT_OUT)
    features = ImageFeatures(model, home, seen)
    kept_features(features, args.out / "features.safetensors")
    lessons = Lessons(recipe, seen, features, read, model.config.grid)
    summary = train(model, lessons, args.out / "boxes")
    print(f"{summary['steps']} steps, loss {summary['loss']:.3f}")


if __name__ == "__main__":
    main()
