"""Train the small EarthGPT that ships with the package: its language, then its first stage, on optical scenes.

    python -m scripts.pretraining.earthgpt OUT                       data, features, stage 0 and stage 1; resumes
    python -m scripts.pretraining.earthgpt OUT --language smollm2    the same first stage of a real language model
    python -m scripts.pretraining.earthgpt OUT --smoke               a few steps on a few images, in OUT

Stage 0 reads the dialogues of all sensors without an image. Stage 1 sees photographs alone, and is asked for
everything but oriented boxes: radar, thermal images and those boxes are left to a second stage, which a chapter or a
user trains. OUT gets a run folder named after the language model, see ``mfnet_lite.runs.dialogue_run``; that of the
tiny one goes into the package by ``ship_earthgpt.py``, the other one into the experiments. A real language model knows
language and has no stage 0.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mfnet_lite.language.instructions import Dialogue
from mfnet_lite.language.world_dialogues import DialogueConfig, write_world_instructions
from mfnet_lite.nets.earthgpt import EarthGPTConfig
from mfnet_lite.runs.dialogue_run import holds_dialogue_run
from mfnet_lite.runs.earthgpt import dialogues_of_split, new_run, train_earthgpt, vocabulary
from mfnet_lite.training import TrainConfig
from scripts.experiments.made_once import made_once

SIZE, CROPS = 96, 4
TEXT_SCENES, TEXT_SEED = 60, 600_000
OPTICAL_SCENES, OPTICAL_SEED = 260, 610_000
DIALOGUES = DialogueConfig(most_boxes=3)
LEFT_OUT = "oriented detection"
TURNS = 4


class Recipe(NamedTuple):
    """How a language model is trained.

    Args:
        steps: Of stage 0 and of stage 1.
        rates: Learning rates of both.
        batch: Dialogues of a step.
        save_every: Steps between two states that a training can be resumed from.
    """

    steps: tuple[int, int]
    rates: tuple[float, float]
    batch: int
    save_every: int = 200


RECIPES = {
    "tiny": Recipe((400, 9000), (3e-3, 2e-3), 16),
    # 4,000 dialogues, no more: in single precision a core needs eight seconds for a step
    "smollm2": Recipe((0, 1000), (0.0, 5e-4), 4, save_every=50),
}


def dialogues(
    folder: Path,
    scenes: int,
    seed: int,
    sensors: Sequence[str],
    config: DialogueConfig = DIALOGUES,
) -> Path:
    """Write scenes with their dialogues at their first use."""

    def make(fresh: Path) -> None:
        write_world_instructions(
            fresh, scenes, SIZE, seed, sensors, crops=CROPS, config=config,  # type: ignore[arg-type]
            splits=(1.0, 0.0, 0.0),
        )  # fmt: skip

    return made_once(folder, make)


def without(said: Sequence[Dialogue], task: str) -> list[Dialogue]:
    """Leave the questions of a task out."""
    kept = [replace(d, exchanges=tuple(e for e in d.exchanges if e.task != task)) for d in said]
    return [dialogue for dialogue in kept if dialogue.exchanges]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the data and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--language", choices=RECIPES, default="tiny")
    parser.add_argument("--steps", type=int, nargs=2, metavar=("TEXT", "IMAGES"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--smoke", action="store_true")
    args = parser.parse_args(arguments)
    recipe = RECIPES[args.language]
    scenes = (1, 1) if args.smoke else (TEXT_SCENES, OPTICAL_SCENES)
    steps = (2, 2) if args.smoke else tuple(args.steps or recipe.steps)
    text = dialogues(args.out / "text", scenes[0], TEXT_SEED, ("optical", "sar", "infrared"))
    optical = dialogues(args.out / "optical", scenes[1], OPTICAL_SEED, ("optical",))
    _, read = dialogues_of_split(text)
    home, seen = dialogues_of_split(optical)
    seen = without(seen, LEFT_OUT)
    config = EarthGPTConfig(language=args.language, output_projection=True, words=vocabulary(read))
    stages = {
        number: TrainConfig(
            steps=steps[number], batch=recipe.batch, lr=recipe.rates[number],
            warmup=min(100, steps[number] // 5), device=args.device, save_every=recipe.save_every, log_every=50,
        )
        for number in ((0, 1) if config.needs_text else (1,))
    }  # fmt: skip
    run = new_run(read, config, stages, TURNS)
    folder = args.out / args.language
    # stage 0 takes the first dialogues without their images
    _, summaries = train_earthgpt(
        run, read, text / "train", folder, first=(seen, home), resume=holds_dialogue_run(folder)
    )
    for number, summary in summaries.items():
        print(f"stage {number}: {summary['steps']} steps, loss {summary['loss']:.3f}")


if __name__ == "__main__":
    main()
