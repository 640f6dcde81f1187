"""What EarthGPT refuses before it answers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mfnet_lite.language import generation
from mfnet_lite.language.llama import angles
from mfnet_lite.nets.earthgpt import Example
from tests.nets.small_earthgpt import TOKENS, asked, examples, pictures, small_earthgpt

QUESTION = [("is it a ship", None)]


@pytest.mark.parametrize(
    ("turns", "images", "message"),
    [
        ([], (), r"expected questions with their answers, got \[\]"),
        ("Where?", (), r"got 'Where\?'; write a question as \[\('Where is it\?', None\)\]"),
        (["Where?"], (), r"got \['Where\?'\]; write a question as"),
        ([("Where?",)], (), "expected questions with their answers"),
        (QUESTION, (torch.zeros(1, 4, 48),), r"\(token, 48\), got \(1, 4, 48\); take features"),
        (QUESTION, torch.zeros(4, 48), r"\(token, 48\), got \(48,\); take features\(images\)\[0\]"),
        (QUESTION, (torch.zeros(4, 47),), r"\(token, 48\), got \(4, 47\)"),
        (QUESTION, ("a.tif",), r"\(token, 48\), got str"),
    ],
)
def test_dialogues_of_another_form(turns: Any, images: Any, message: str) -> None:
    model = small_earthgpt()
    with pytest.raises(ValueError, match=message):
        model.answer([Example(turns, images)], 4)
    with pytest.raises(ValueError, match=message):
        model.loss([Example(turns, images)])


def test_all_images_of_a_dialogue_may_be_one_tensor() -> None:
    model = small_earthgpt()
    rows, visual = model.packed([Example([("a", "b")], model.features(pictures(2)))])
    assert visual is not None
    assert len(visual) == 2 * TOKENS
    assert int((rows.image >= 0).sum()) == 2 * TOKENS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0}, "an answer needs at least 1 token, got 0"),
        ({"max_new_tokens": -3}, "an answer needs at least 1 token, got -3"),
        ({"at_once": 0}, "at_once must be at least 1 question, got 0"),
    ],
)
def test_limits(options: dict[str, int], message: str) -> None:
    model = small_earthgpt()
    with pytest.raises(ValueError, match=message):
        model.answer(asked(examples(model)), **options)


def test_an_answer_needs_room(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_earthgpt()
    questions = asked(examples(model))
    lengths = [model.packed([each])[0].ids.shape[1] for each in questions]
    longest = max(lengths)
    network = model.language.network
    monkeypatch.setattr(network.config, "max_position_embeddings", longest + 4)
    word, read = (
        int(model.language.eos == 0),
        [],
    )  # never the end, which would stop before there is no room
    monkeypatch.setattr(
        generation.GreedyDecoder, "_choose", lambda _, last: torch.full((len(last),), word)
    )

    def heard(inner: Any, positions: torch.Tensor, dtype: torch.dtype) -> Any:
        read.append(int(positions.max()))
        return angles(inner, positions, dtype)

    monkeypatch.setattr(generation, "angles", heard)
    assert len(model.answer(questions, 5)) == 3
    assert max(read) == longest + 4 - 1  # positions count from 0, and the last token is not read
    message = (
        f"turns of dialogue {lengths.index(longest)} take {longest} tokens and the answer up to 6, "
        f"the language model reads {longest + 4}: give fewer turns"
    )
    with pytest.raises(ValueError, match=message):
        model.answer(questions, 6)


def test_no_question_needs_no_room() -> None:
    model = small_earthgpt()
    assert model.written([], 10**6) == []
    assert model.answer([], 10**6) == []


def test_answers_say_whether_they_have_ended() -> None:
    model = small_earthgpt()
    questions = asked(examples(model))
    written = model.written(questions, 6)
    assert [answer.text for answer in written] == model.answer(questions, 6)
    one = model.written(questions, 1)
    assert [answer.ended for answer in one] == [not answer.text for answer in one]
