"""Counts with nouns, and back to classes."""

from __future__ import annotations

import pytest

from mfnet_lite.language.nouns import NUMBER_WORDS, class_of, read_count
from mfnet_lite.utils.counted_nouns import counted

CLASSES = (
    "ship", "storage tank", "baseball diamond", "bridge", "bus", "ferry", "person", "aircraft",
    "tennis court", "harbor", "small vehicle", "helicopter", "church", "swimming pool",
)  # fmt: skip


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("count", [0, 1, 2, 13])
def test_counts_come_back(name: str, count: int) -> None:
    read, noun = read_count(counted(count, name))
    assert read == count
    assert class_of(noun, CLASSES) == name


def test_words_and_naive_plurals() -> None:
    assert read_count("Thirteen ships") == (None, "Thirteen ships")
    assert [read_count(f"{word} ships")[0] for word in NUMBER_WORDS] == list(range(13))
    assert read_count("zero ships") == (0, "ships")
    assert class_of("aircrafts", CLASSES) == "aircraft"
    assert class_of("submarines", CLASSES) is None
    assert read_count("99999999999999999999 ships")[0] is None
