"""Features of images: read once, kept up to a limit, the same when computed again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mfnet_lite.nets.earthgpt import EarthGPT
from mfnet_lite.rasters.square_image import read_square
from mfnet_lite.runs.image_features import ImageFeatures
from tests.nets.small_earthgpt import SIDE, TOKENS, small_earthgpt, write_dialogues

pytest.importorskip("transformers")

BYTES = TOKENS * 48 * 2
"""Of the features of an image in bfloat16."""


@pytest.fixture
def model() -> EarthGPT:
    return small_earthgpt(image_size=SIDE)


@pytest.fixture
def runs(model: EarthGPT, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through the encoders, call by call."""
    counts: list[int] = []
    usual = model.features

    def counted(images: torch.Tensor) -> torch.Tensor:
        counts.append(len(images))
        return usual(images)

    monkeypatch.setattr(model, "features", counted)
    return counts


def test_features_are_those_of_the_padded_image(tmp_path: Path, model: EarthGPT) -> None:
    dialogues = write_dialogues(tmp_path)
    features = ImageFeatures(model, tmp_path, dialogues)
    assert len(features) == 6
    for number, dialogue in enumerate(dialogues):
        image = read_square(tmp_path / dialogue.image, SIDE)
        assert features[number].dtype == torch.bfloat16
        torch.testing.assert_close(
            features[number].float(), model.features(image[None])[0], atol=0.05, rtol=0.02
        )
    assert not torch.equal(features[0], features[1])


def test_each_image_is_computed_once(tmp_path: Path, model: EarthGPT, runs: list[int]) -> None:
    features = ImageFeatures(model, tmp_path, write_dialogues(tmp_path))
    first = features.of([0, 4, 0, 5])
    assert runs == [2]
    assert first[0] is first[2]
    assert first[1] is first[3]  # two dialogues about one file
    again = features.of([5, 0])
    assert runs == [2]
    assert torch.equal(again[0], first[1])
    assert torch.equal(again[1], first[0])
    features.compute(progress=False)
    assert sum(runs) == 5
    assert features.size == 5 * BYTES
    assert features.of([]) == []


@pytest.mark.parametrize("kept", [0, BYTES // 2, 2 * BYTES, 2 * BYTES + 1])
def test_beyond_the_limit_they_are_computed_again(
    tmp_path: Path, model: EarthGPT, runs: list[int], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mfnet_lite.runs.image_features.AT_ONCE", 1)
    dialogues = write_dialogues(tmp_path)
    whole = ImageFeatures(model, tmp_path, dialogues).of(range(6))
    features = ImageFeatures(model, tmp_path, dialogues, kept)
    runs.clear()
    features.compute(progress=False)
    held = kept // BYTES
    # the first that does not fit ends it: nothing is computed to be thrown away
    assert len(runs) == held + 1
    assert list(features.known) == [d.image for d in dialogues[:held]]
    assert features.size == held * BYTES <= kept
    for _ in range(2):
        runs.clear()
        for one, other in zip(features.of(range(6)), whole, strict=True):
            assert torch.equal(one, other)
        assert sum(runs) == 5 - held
    assert features.size <= kept


def test_what_is_kept_holds_no_batch(tmp_path: Path, model: EarthGPT) -> None:
    features = ImageFeatures(model, tmp_path, write_dialogues(tmp_path))
    features.compute(progress=False)
    for kept in features.known.values():
        assert kept.untyped_storage().nbytes() == BYTES


def test_stages_leave_them_as_they_are(tmp_path: Path, model: EarthGPT) -> None:
    dialogues = write_dialogues(tmp_path)
    before = ImageFeatures(model, tmp_path, dialogues).of(range(6))
    for stage in (0, 1, 2):
        model.start_stage(stage)
        model.train()
        after = ImageFeatures(model, tmp_path, dialogues).of(range(6))
        for one, other in zip(before, after, strict=True):
            assert torch.equal(one, other)


def test_a_missing_image_is_named(tmp_path: Path, model: EarthGPT) -> None:
    dialogues = write_dialogues(tmp_path)
    (tmp_path / dialogues[1].image).unlink()
    features = ImageFeatures(model, tmp_path, dialogues)
    with pytest.raises(FileNotFoundError, match=r"1\.tif"):
        features.compute(progress=False)
    assert len(features.of([0])) == 1
