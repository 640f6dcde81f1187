"""Answers of EarthGPT, and what it refuses before it writes one: dialogues of another form, answers without room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

__all__ = ["WrittenAnswer", "check_example", "check_limits", "check_room", "longest_question"]


class WrittenAnswer(NamedTuple):
    """An answer, and whether it is whole.

    Args:
        text: The answer.
        ended: Whether it came to its end; else it has as many tokens as it may have, and its end may be missing.
    """

    text: str
    ended: bool


def check_example(turns: Any, images: Any, channels: int) -> None:
    """Refuse a dialogue of another form.

    Args:
        turns: Questions with their answers.
        images: Features of each image.
        channels: Of the features of one visual token.

    Raises:
        ValueError: If there is no turn, a turn is no question with its answer, or features are not of one image.
    """
    if isinstance(turns, str) or not turns or any(isinstance(t, str) or len(t) != 2 for t in turns):
        raise ValueError(
            f"expected questions with their answers, got {turns!r}; write a question as [('Where is it?', None)]"
        )
    for image in images:
        if not isinstance(image, Tensor) or image.ndim != 2 or image.shape[1] != channels:
            found = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
            raise ValueError(
                f"expected features of one image, (token, {channels}), got {found}; take features(images)[0]"
            )


def check_limits(max_new_tokens: int, at_once: int) -> None:
    """Refuse answers without a token and groups without a question.

    Args:
        max_new_tokens: Tokens of an answer at most.
        at_once: Questions answered together.
    """
    if max_new_tokens < 1:
        raise ValueError(f"an answer needs at least 1 token, got {max_new_tokens}")
    if at_once < 1:
        raise ValueError(f"at_once must be at least 1 question, got {at_once}")


def check_room(lengths: Sequence[int], max_new_tokens: int, network: Any) -> None:
    """Refuse questions that leave a language model no room for their answers, which it would write without sense.

    Args:
        lengths: Tokens of each question, with its images and all turns before it.
        max_new_tokens: Tokens of an answer at most.
        network: The language model, whose ``config`` may say how much it reads.
    """
    room = longest_question(max_new_tokens, network)
    if room is None or not lengths:
        return
    longest = max(lengths)
    if longest > room:
        raise ValueError(
            f"images and turns of dialogue {list(lengths).index(longest)} take {longest} tokens and the answer up to "
            f"{max_new_tokens}, the language model reads {network.config.max_position_embeddings}: give fewer turns, "
            "or allow the answer fewer tokens"
        )


def longest_question(max_new_tokens: int, network: Any) -> int | None:
    """How many tokens a question may have beside its answer, whose last token is not read any more.

    Args:
        max_new_tokens: Tokens of the answer at most.
        network: The language model, whose ``config`` may say how much it reads.

    Returns:
        Tokens; None where nothing says.
    """
    limit = getattr(network.config, "max_position_embeddings", None)
    return None if limit is None else limit - max_new_tokens + 1
