"""Options of the training, made from its config."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields
from inspect import Parameter
from typing import TYPE_CHECKING, Any, get_type_hints

from mfnet_lite.cli.network_options import usual
from mfnet_lite.cli.option_groups import option, plain

if TYPE_CHECKING:
    from mfnet_lite.runs.run_config import RunConfig
    from mfnet_lite.training import TrainConfig

RECIPES = ("default", "authors")


def training_options() -> list[Parameter]:
    """Make an option of each field of ``TrainConfig`` that has a ``help``.

    Where its metadata hold ``command``, that is the default of the command line, None for what network or
    recipe decide.
    """
    from mfnet_lite.training import TrainConfig

    hints, made = get_type_hints(TrainConfig), []
    for f in fields(TrainConfig):
        if "help" not in f.metadata:
            continue
        default = f.metadata.get("command", f.default)
        kind = plain(hints[f.name])
        made.append(
            option(
                f.name,
                kind if default is not None else kind | None,
                default,
                f.metadata["help"],
                usual("lr") if f.name == "lr" else True,
                flag=kind is bool,
            )
        )
    return made


def check_recipe(recipe: str) -> None:
    """Refuse a recipe that nobody knows.

    Args:
        recipe: What the user wrote.

    Raises:
        ValueError: With those that there are.
    """
    if recipe not in RECIPES:
        raise ValueError(f"unknown recipe {recipe!r}; available: {', '.join(RECIPES)}")


def train_config(given: Mapping[str, Any], recipe: str, run: RunConfig) -> TrainConfig:
    """Settle how a run is trained.

    Args:
        given: Values given by the user, by the fields of ``TrainConfig``.
        recipe: Which defaults the rest has.
        run: What is trained.

    Raises:
        ValueError: If a setting cannot work.
    """
    from mfnet_lite.training import TrainConfig

    settings: dict[str, Any] = {
        **given,
        "ignore_index": run.ignore_index,
        "window": run.window,
        "progress": sys.stderr.isatty(),
    }
    if recipe == "authors":
        return TrainConfig.authors(**settings)
    defaults = {"lr": run.network.lr, "warmup": min(20, given["steps"] // 5)}
    return TrainConfig(**(defaults | settings))
