"""Nouns with numbers, read: count and class out of ``3 ships``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mfnet_lite.utils.counted_nouns import plural_of

__all__ = ["NUMBER_WORDS", "class_of", "read_count"]

NUMBER_WORDS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
"""Numbers that are read as words, by their value; "zero" counts as "no"."""

_COUNT = re.compile(r"([0-9]+|[A-Za-z]+)\s+(\S.*)", re.DOTALL)


def read_count(phrase: str) -> tuple[int | None, str]:
    """Divide ``13 ships`` into count and noun.

    Args:
        phrase: What stands between ``<p>`` and ``</p>``.

    Returns:
        The count, None where none is said, and the rest, as it stands.

    Example:
        >>> read_count("13 ships"), read_count("One ship"), read_count("storage tanks")
        ((13, 'ships'), (1, 'ship'), (None, 'storage tanks'))
    """
    phrase = phrase.strip()
    match = _COUNT.fullmatch(phrase)
    if match:
        word, noun = match[1].lower(), match[2].strip()
        if word.isdigit() and len(word) < 10:
            return int(word), noun
        if word == "zero":
            return 0, noun
        if word in NUMBER_WORDS:
            return NUMBER_WORDS.index(word), noun
    return None, phrase


def class_of(noun: str, classes: Iterable[str]) -> str | None:
    """Find the class that a noun names, in the singular or in the plural.

    Args:
        noun: As answered, such as ``Ships``; a naive plural such as ``aircrafts`` counts, too.
        classes: Class names as words, in the singular.

    Returns:
        The class, None if it is none of them.

    Example:
        >>> class_of("Storage tanks", ("ship", "storage tank"))
        'storage tank'
    """
    wanted = " ".join(noun.lower().split())
    for name in classes:
        plain = " ".join(name.lower().split())
        if wanted in (plain, plural_of(plain), plain + "s"):
            return name
    return None
