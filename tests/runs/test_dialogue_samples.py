"""Samples of dialogues: a function of seed, epoch and number, whoever reads them."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from mfnet_lite.language.instructions import Dialogue, Exchange
from mfnet_lite.nets.earthgpt import Example
from mfnet_lite.runs.dialogue_samples import NOTHING, DialogueSamples, DialogueTraining
from mfnet_lite.runs.image_features import ImageFeatures
from mfnet_lite.training.sampling import PositionSampler, batches
from tests.nets.small_earthgpt import SIDE, small_earthgpt, write_dialogues

COUNTS = (5, 1, 3, 8)
DIALOGUES = [
    Dialogue(f"{k}.tif", "optical", tuple(Exchange("vqa", f"q{n}", f"a{n}") for n in range(count)))
    for k, count in enumerate(COUNTS)
]


def drawn(samples: DialogueSamples, epoch: int, index: int) -> list[int]:
    samples.set_epoch(epoch)
    sample = samples[index]
    assert int(sample["dialogue"]) == index
    turns: list[int] = sample["turns"].tolist()
    return turns


@pytest.mark.parametrize("turns", [1, 3, 20])
def test_some_questions_each_once(turns: int) -> None:
    samples = DialogueSamples(DIALOGUES, turns)
    assert len(samples) == 4
    size = min(turns, max(COUNTS))
    for index, count in enumerate(COUNTS):
        found = drawn(samples, 0, index)
        assert len(found) == size
        asked = [k for k in found if k != NOTHING]
        assert len(set(asked)) == len(asked) == min(count, turns)
        assert set(asked) <= set(range(count))
        assert found == asked + [NOTHING] * (size - len(asked))


def test_all_questions_in_their_order() -> None:
    samples = DialogueSamples(DIALOGUES, 0)
    for epoch in range(2):
        for index, count in enumerate(COUNTS):
            assert drawn(samples, epoch, index) == [*range(count), *[NOTHING] * (8 - count)]


def test_a_sample_is_a_function_of_seed_epoch_and_number() -> None:
    one, other = DialogueSamples(DIALOGUES, 3, seed=4), DialogueSamples(DIALOGUES, 3, seed=4)
    forwards = {(e, k): drawn(one, e, k) for e in range(4) for k in range(4)}
    backwards = {(e, k): drawn(other, e, k) for e in range(3, -1, -1) for k in range(3, -1, -1)}
    assert forwards == backwards
    assert len({tuple(forwards[e, 3]) for e in range(4)}) > 1
    another = DialogueSamples(DIALOGUES, 3, seed=5)
    assert [drawn(another, e, 3) for e in range(4)] != [forwards[e, 3] for e in range(4)]


def test_every_question_comes_sooner_or_later() -> None:
    samples = DialogueSamples(DIALOGUES, 2)
    seen = {k for epoch in range(40) for k in drawn(samples, epoch, 3)}
    assert seen == set(range(8))


def test_a_copy_has_an_epoch_of_its_own() -> None:
    samples = DialogueSamples(DIALOGUES, 3, seed=2)
    samples.set_epoch(1)
    alone = samples.without_shared_state()
    alone.set_epoch(7)
    assert samples.epoch == 1
    assert drawn(alone, 1, 3) == drawn(samples, 1, 3)


def test_two_workers_read_what_one_process_reads() -> None:
    read = []
    for workers in (0, 2):
        sampler = PositionSampler(len(DIALOGUES), 3, 0, 6, seed=1)
        stream = batches(DialogueSamples(DIALOGUES, 3, seed=1), sampler, workers)
        read.append([{key: value.tolist() for key, value in batch.items()} for batch in stream])
    assert read[0] == read[1]
    assert len(read[0]) == 6


def test_loss_is_that_of_the_drawn_questions(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    model = small_earthgpt(image_size=SIDE)
    dialogues = write_dialogues(tmp_path)
    features = ImageFeatures(model, tmp_path, dialogues)
    batch = {
        "dialogue": torch.tensor([2, 0]),
        "turns": torch.tensor([[3, 1], [0, NOTHING]]),
    }

    def turns(number: int, *which: int) -> list[tuple[str, str | None]]:
        said = dialogues[number].exchanges
        return [(said[k].question, said[k].answer) for k in which]

    with_images = [
        Example(turns(2, 3, 1), [features[2]]),
        Example(turns(0, 0), [features[0]]),
    ]
    shown = DialogueTraining(model, dialogues, features)(batch)
    assert torch.equal(shown, model.loss(with_images))
    words = DialogueTraining(model, dialogues, None)(copy.deepcopy(batch))
    assert torch.equal(words, model.loss([Example(each.turns) for each in with_images]))
    assert not torch.equal(words, shown)


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="at least one dialogue to train on"):
        DialogueSamples([])
    with pytest.raises(ValueError, match="turns must not be negative, got -1; 0 takes all"):
        DialogueSamples(DIALOGUES, -1)
