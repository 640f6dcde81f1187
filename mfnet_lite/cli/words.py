"""``--classes``: other words for a network that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import nn

    from mfnet_lite.runs.run_config import RunConfig

Words = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help='Segment these classes instead, without training: "roof, meadow | lawn, parked car", with | between '
        "ways of saying the same. For runs of mfuser.",
    ),
]


def ask_for(
    text: str, run: Path, config: RunConfig, model: nn.Module, instead_of: Sequence[str] = ()
) -> tuple[str, ...]:
    """Let a network segment classes by their words.

    Args:
        text: What the user wrote.
        run: The run's folder, for messages.
        config: Its config.
        model: Its network, which is changed.
        instead_of: Names of a data set's classes, to each of which words are expected, in order; empty for
            any classes.

    Returns:
        A name for each class.

    Raises:
        ValueError: If the network reads no words, or these are none.
    """
    from mfnet_lite.language.class_words import check_one_for_each, read_classes
    from mfnet_lite.utils.labels import IGNORE_INDEX

    ask = getattr(model, "ask", None)
    if ask is None:
        raise ValueError(
            f"{run} holds the network {config.model}, which reads no words and knows only the classes of its training "
            f"({', '.join(config.classes)}); leave --classes out, or train with --model mfuser"
        )
    found = read_classes(text)
    if instead_of:
        check_one_for_each(tuple(found), instead_of)
    if len(found) > IGNORE_INDEX:
        raise ValueError(f"a map holds at most {IGNORE_INDEX} classes, got {len(found)}")
    ask(list(found.values()))
    return tuple(found)
