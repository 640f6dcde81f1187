"""Words as vectors: how phrases become rows, what is told and refused, and that the packaged table means something."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from mfnet_lite.language import WordTable, load_words, read_words, split_phrase, word_table

WORDS = ["car", "bush", "cherry", "drive", "way", "trees", "terrace", "low", "vegetation", "the"]


@pytest.fixture
def table():
    return WordTable(WORDS, torch.eye(len(WORDS)).char(), torch.ones(len(WORDS)))


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("car", ["car"]),
        ("The CARS!", ["the", "car"]),
        ("bushes and cherries", ["bush", "cherry"]),
        ("tree", ["trees"]),
        ("low-vegetation", ["low", "vegetation"]),
        ("terraced", ["terrace"]),
        ("driveway", ["drive", "way"]),
        ("driveways", ["drive", "way"]),
        ("low_trees2", ["low", "trees"]),
    ],
)
def test_a_phrase_becomes_rows_in_its_order(table, phrase, words):
    assert [WORDS[row] for row in table.find(phrase).rows] == words


def test_unknown_and_divided_words_are_told_once(table, caplog):
    with caplog.at_level(logging.WARNING, logger="mfnet_lite.language"):
        found = table.find("zyx driveway")
        table.find("ZYX driveway")
    assert (found.unknown, found.divided) == (["zyx"], {"driveway": ["drive", "way"]})
    assert caplog.messages == [
        "the word 'zyx' is unknown and left out",
        "the word 'driveway' is unknown and read as drive + way",
    ]


def test_a_phrase_of_which_nothing_is_known_is_refused_by_its_words(table):
    with pytest.raises(ValueError, match="knows nothing of 'zyx', 'abc'; say it in common"):
        table.find("zyx abc")
    with pytest.raises(ValueError, match="knows nothing of '  '"):
        table.find("  ")


def test_pieces_have_at_least_three_letters(table):
    assert table.find("car carat").unknown == ["carat"]  # neither car + at nor ca + rat


def test_vectors_are_numbers_times_their_scale():
    table = WordTable(
        ["a", "b"], torch.tensor([[2, -4], [127, 0]]).char(), torch.tensor([0.5, 1.0])
    )
    assert table.vectors([1, 0]).tolist() == [[127.0, 0.0], [1.0, -2.0]]
    assert table.width == 2


def test_words_and_vectors_must_fit():
    with pytest.raises(ValueError, match="1 different ones of 2, 2 vectors and 2 scales"):
        WordTable(["a", "a"], torch.zeros(2, 3).char(), torch.ones(2))


def test_files_are_read_or_refused(tmp_path):
    vectors, words = tmp_path / "v.safetensors", tmp_path / "v.txt"
    save_file({"numbers": torch.ones(2, 3).char(), "scales": torch.ones(2).half()}, vectors)
    words.write_text("red\ncar\n")
    assert read_words(vectors, words).find("red cars").rows == [0, 1]
    save_file({"numbers": torch.ones(2, 3).char()}, vectors)
    with pytest.raises(ValueError, match="lacks 'scales'"):
        read_words(vectors, words)
    vectors.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read"):
        read_words(vectors, words)


def test_the_packaged_table_is_what_its_card_says():
    table = load_words()
    assert (len(table.words), table.width) == (24865, 128)
    assert table is load_words()
    assert all(split_phrase(word) == [word] for word in table.words)


@pytest.mark.parametrize(
    ("word", "near", "far"),
    [
        ("house", "building", "grass"),
        ("meadow", "lawn", "truck"),
        ("vehicle", "car", "roof"),
        ("pavement", "street", "pond"),
        ("oak", "tree", "car"),
        ("lake", "pond", "roof"),
    ],
)
def test_the_packaged_vectors_mean_something(word, near, far):
    table = load_words()
    own, close, distant = (table.vectors(table.find(w).rows)[0] for w in (word, near, far))
    assert F.cosine_similarity(own, close, dim=0) > F.cosine_similarity(own, distant, dim=0) + 0.1


def test_a_changed_file_of_the_package_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(word_table.resources, "files", lambda name: tmp_path)
    word_table.load_words.cache_clear()
    with pytest.raises(FileNotFoundError, match="install mfnet-lite again"):
        load_words()
    names = {
        suffix: folder / f"vision_language_words{suffix}" for suffix in (".safetensors", ".txt")
    }
    for path in names.values():
        path.write_bytes(b"other")
    facts = {"files": {suffix: {"size": 5, "sha256": "0" * 64} for suffix in names}}
    (folder / "vision_language_words.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="has SHA-256"):
        load_words()
    monkeypatch.undo()
    word_table.load_words.cache_clear()
