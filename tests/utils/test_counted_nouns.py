"""Counts with their nouns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mfnet_lite.utils.counted_nouns import agreeing, counted, plural_of, with_plain_counts

PACKAGE = Path(__file__).resolve().parents[2] / "mfnet_lite"


@pytest.mark.parametrize(
    ("count", "noun", "told"),
    [
        (0, "tile", "0 tiles"),
        (1, "tile", "1 tile"),
        (2, "tile", "2 tiles"),
        (1, "process", "1 process"),
        (2, "process", "2 processes"),
        (3, "box", "3 boxes"),
        (2, "smaller one", "2 smaller ones"),
        (2, "GPU", "2 GPUs"),
    ],
)
def test_counts(count: int, noun: str, told: str) -> None:
    assert counted(count, noun) == told


def test_plurals() -> None:
    assert [plural_of(noun) for noun in ("day", "city", "man")] == ["days", "cities", "men"]


def test_verbs_agree() -> None:
    assert [agreeing(count, "lies", "lie") for count in (0, 1, 2)] == ["lie", "lies", "lie"]


def test_older_records_are_told_in_plain_words() -> None:
    told = with_plain_counts("x86_64 CPU, 1 thread(s); 2 core(s)")
    assert told == "x86_64 CPU, 1 thread; 2 cores"


def test_no_message_leaves_the_plural_to_the_reader() -> None:
    """A count is known where it is printed, and so is its form: no ``tile(s)``."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\} (\w+ )*\w+\((s|es)\)", line)
    ]
    assert not found
