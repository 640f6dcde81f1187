"""Losses of the vision-language pair: which phrases are true of which regions, contrasts by hand, words in place."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mfnet_lite.language import WordTable
from mfnet_lite.nets.encoders.vision_language import TextTokens
from mfnet_lite.nets.encoders.word_text import WordTextEncoder
from scripts.pretraining import pair_losses
from scripts.pretraining.pair_losses import contrast, disturb, matches, word_geometry


def test_what_is_true_false_and_unknown():
    phrases = ["red roof", "grey house", "house", "houses", "roofs", "car", "parked car", "garage"]
    names = ["house", "house", "house", "", "", "car", "car", "garage"]
    labels = [1, 1, 1, 1, 1, 4, 4, 1]
    true, unknown = matches(phrases, names, labels)
    assert true.diagonal().all()
    assert not (true & unknown).any()
    assert true[0, 2]  # what is a red roof is a house
    assert not true[2, 0]  # what is called a house may have a red roof, or not
    assert unknown[2, 0]
    assert not true[0, 1]  # a red roof is not grey
    assert not unknown[0, 1]
    assert true[3, 4]  # both name the whole class
    assert unknown[2, 3]
    assert unknown[3, 2]
    assert unknown[7, 2]  # a garage is no house, but an annex may be taken for either
    assert true[5, 6]
    assert not (true | unknown)[:5, 5:7].any()


def test_contrast_by_hand():
    a = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    b = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    none = torch.zeros(2, 2, dtype=torch.bool)
    found = contrast(a, b, torch.tensor(2.0), torch.eye(2, dtype=torch.bool), none)
    assert found == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-6)
    every = ~none
    assert contrast(a, b, torch.tensor(2.0), every, none) == pytest.approx(0, abs=1e-6)
    others = ~torch.eye(2, dtype=torch.bool)
    left_out = contrast(a, b, torch.tensor(2.0), torch.eye(2, dtype=torch.bool), others)
    assert left_out == pytest.approx(0, abs=1e-6)


def test_some_word_always_stays():
    vectors = torch.ones(200, 3, 8)
    there = torch.ones(200, 3, dtype=torch.bool)
    there[:, 0] = False
    found = disturb(TextTokens(vectors, there), torch.Generator().manual_seed(0))
    assert found.there.any(dim=1).all()
    assert not found.there[:, 0].any()
    assert (found.there != there).any()
    assert found.vectors[:, 0].abs().max() == 0
    spread = (found.vectors[:, 1:] - 1).norm(dim=-1).mean()
    assert spread == pytest.approx(pair_losses.NOISE, rel=0.1)


def test_words_are_where_they_were_before_the_training(monkeypatch):
    monkeypatch.setattr(pair_losses, "WORDS", 6)
    torch.manual_seed(0)
    table = WordTable(list("abcdefgh"), torch.randint(-9, 9, (8, 8)).char(), torch.ones(8))
    text = WordTextEncoder(table, joint=8, heads=2)
    assert word_geometry(text, np.random.default_rng(0)).item() == pytest.approx(0, abs=1e-9)
    torch.nn.init.normal_(text.direct.weight)
    assert word_geometry(text, np.random.default_rng(0)) > 0.01
