"""Options of commands on dialogues, and which options of other commands mean nothing there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mfnet_lite.cli.option_groups import changed, options_of

if TYPE_CHECKING:
    from mfnet_lite.nets.earthgpt import EarthGPTConfig
    from mfnet_lite.training import TrainConfig

TINY_LR = {0: 3e-3, 1: 2e-3}
"""Learning rates of stages 0 and 1 for a language model that learns language here."""
TRAINED_LR = 2e-4
"""The same for one that knows language."""
STAGE0_STEPS = 300
STEPS_OPTIONS = {0: "--stage0-steps", 1: "--stage1-steps", 2: "--steps"}
"""How long each stage is."""


@dataclass(frozen=True)
class DialogueTrainingOptions:
    """Options of a training on dialogues, as given by the user; steps and learning rate of stage 2 are not here.

    Attributes:
        turns: Questions drawn of a dialogue.
        first: Other dialogues for stage 1.
        stage0_steps: None for what the language model needs.
        stage1_steps: Of stage 1.
        stage0_lr: None for what suits the language model.
        stage1_lr: None for what suits the language model.
    """

    turns: int = field(
        default=3, metadata={"help": "Questions drawn of each dialogue in a step; 0 = all."}
    )
    first: Path | None = field(
        default=None, metadata={"help": "Other dialogues for stage 1, in a folder laid out alike."}
    )
    stage0_steps: int | None = field(
        default=None,
        metadata={
            "help": "Steps in which the language model reads text without images; 0 = none. If absent "
            f"{STAGE0_STEPS} for the tiny one, which knows no language yet, else none."
        },
    )
    stage1_steps: int = field(
        default=1000,
        metadata={"help": "Steps of projection, attention and norms; 0 = none. Stage 2: --steps."},
    )
    stage0_lr: float | None = field(
        default=None,
        metadata={"help": f"Learning rate of stage 0; {TINY_LR[0]:g} (tiny) or {TRAINED_LR:g}."},
    )
    stage1_lr: float | None = field(
        default=None,
        metadata={
            "help": f"Learning rate of stage 1; {TINY_LR[1]:g} (tiny) or {TRAINED_LR:g}. Stage 2: --lr."
        },
    )


@dataclass(frozen=True)
class DialogueScoringOptions:
    """Options of an evaluation on dialogues, as given by the user.

    Attributes:
        paraphrased: Ask in wordings that no training question uses.
        blank: Show a mean image instead of each.
        sensor: Dialogues of this sensor only.
        max_tokens: Of an answer.
    """

    paraphrased: bool = field(
        default=False,
        metadata={"help": "Ask in other wordings: instructions_paraphrased.json of the split."},
    )
    blank: bool = field(
        default=False,
        metadata={"help": "Show the mean of all images for each: what the words alone give away."},
    )
    sensor: str | None = field(
        default=None, metadata={"help": "Only dialogues of optical, sar or infrared."}
    )
    max_tokens: int = field(default=256, metadata={"help": "Tokens of an answer at most."})


def dialogue_training_options() -> list[Parameter]:
    """Make the options of a training on dialogues, in a part of the help of their own."""
    return options_of(DialogueTrainingOptions, "Dialogues: --model earthgpt")


def dialogue_scoring_options() -> list[Parameter]:
    """Make the options of an evaluation on dialogues, in a part of the help of their own."""
    return options_of(DialogueScoringOptions, "Dialogues: runs of earthgpt")


def stage_settings(
    network: EarthGPTConfig, options: DialogueTrainingOptions, training: Mapping[str, Any]
) -> dict[int, TrainConfig]:
    """Settle how each stage is trained.

    Args:
        network: Options of the model.
        options: Options of stages 0 and 1.
        training: Options of every training; steps and learning rate are those of stage 2, all others hold for each
            stage.

    Returns:
        Settings by stage; a stage without steps is left out.

    Raises:
        ValueError: If a setting cannot work.
    """
    from mfnet_lite.training import TrainConfig

    precision = training.get("precision", "32-true")
    if precision != "32-true":
        raise ValueError(
            f"--precision {precision} is not for earthgpt, which keeps its frozen weights in bfloat16 by itself and "
            "trains the others in 32-true; leave it out"
        )
    tiny = network.needs_text
    zero = options.stage0_steps
    steps = {
        0: (STAGE0_STEPS if tiny else 0) if zero is None else zero,
        1: options.stage1_steps,
        2: training["steps"],
    }
    for number, count in steps.items():
        if count < 0:
            raise ValueError(
                f"{STEPS_OPTIONS[number]} must not be negative, got {count}; 0 leaves the stage out"
            )
    given = {0: options.stage0_lr, 1: options.stage1_lr, 2: training.get("lr")}
    usual = {stage: TINY_LR[stage] if tiny else TRAINED_LR for stage in TINY_LR} | {2: network.lr}
    common = {name: value for name, value in training.items() if name not in ("steps", "lr")}
    found = {}
    for number, count in steps.items():
        if count:
            rate = given[number]
            settings: dict[str, Any] = {
                "warmup": min(20, count // 5),
                **common,
                "steps": count,
                "lr": usual[number] if rate is None else rate,
            }
            found[number] = TrainConfig(**settings)
    return found


def refuse(options: Iterable[str], sentence: str) -> None:
    """Refuse the first of some options.

    Args:
        options: Names in Python.
        sentence: What is wrong, behind the option.

    Raises:
        ValueError: If there is one.
    """
    for name in options:
        raise ValueError(f"--{name.replace('_', '-')} {sentence}")


def refuse_pixel_training(
    groups: Iterable[Any], recipe: str, training: Mapping[str, Any], model: str
) -> None:
    """Refuse options of a training on labelled pixels.

    Args:
        groups: Groups of them, as given.
        recipe: As given.
        training: Options of every training, as given.
        model: The network, for the message.

    Raises:
        ValueError: Naming the first that is not as by default.
    """
    from mfnet_lite.training import TrainConfig

    names = [name for group in groups for name in changed(group)]
    names += ["recipe"] if recipe != "default" else []
    usual = {f.name: f.default for f in fields(TrainConfig)}
    about_pixels = ("keep", "mixing_lr", "evaluate_every")
    names += [n for n in about_pixels if training.get(n, usual[n]) != usual[n]]
    refuse(
        names,
        f"is about maps of classes, and {model} answers questions; leave it out or choose another --model",
    )
