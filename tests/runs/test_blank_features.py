"""A mean image: of files, not of dialogues, and the same for all."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.language.instructions import Dialogue, Exchange
from mfnet_lite.runs.blank_features import BlankFeatures
from mfnet_lite.runs.image_features import ImageFeatures

SAID = (Exchange("vqa", "Is it?", "yes"),)


def dialogues(*images: str) -> list[Dialogue]:
    return [Dialogue(image, "optical", SAID) for image in images]


def test_each_file_counts_once():
    features = ImageFeatures(None, ".", dialogues("a", "b", "a", "a"))  # type: ignore[arg-type]
    features.known = {"a": torch.zeros(2, 3).bfloat16(), "b": torch.full((2, 3), 4.0).bfloat16()}
    blank = BlankFeatures(features)
    assert len(blank) == 4
    first, second = blank.of([1, 2])
    assert torch.equal(first, torch.full((2, 3), 2.0).bfloat16())
    assert torch.equal(first, second)
    assert torch.equal(blank[0], first)
    assert torch.equal(features.of([1])[0].float(), torch.full((2, 3), 4.0))


def test_no_image():
    with pytest.raises(ValueError, match="at least one image to take the mean of"):
        BlankFeatures(ImageFeatures(None, ".", []))  # type: ignore[arg-type]
