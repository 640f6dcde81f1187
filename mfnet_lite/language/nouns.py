"""Nouns with numbers: ``3 ships`` out of a class name and a count, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["NUMBER_WORDS", "class_of", "counted", "plural_of", "read_count"]

NUMBER_WORDS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
"""Numbers that are read as words, by their value; "zero" counts as "no"."""

_IRREGULAR = {"person": "people", "man": "men", "aircraft": "aircraft"}
_COUNT = re.compile(r"([0-9]+|[A-Za-z]+)\s+(\S.*)", re.DOTALL)


def plural_of(noun: str) -> str:
    """Return the plural of a noun, or of a phrase that ends with one.

    Args:
        noun: A class name as words.

    Example:
        >>> [plural_of(n) for n in ("ship", "bus", "storage tank", "ferry", "baseball field", "person")]
        ['ships', 'buses', 'storage tanks', 'ferries', 'baseball fields', 'people']
    """
    before, space, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        return before + space + _IRREGULAR[last]
    if last.endswith(("s", "x", "sh", "ch")):
        return noun + "es"
    if last.endswith("y") and last[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"


def counted(count: int, noun: str) -> str:
    """Write a count with its noun.

    Args:
        count: How many.
        noun: In the singular.

    Example:
        >>> counted(1, "ship"), counted(13, "ship")
        ('1 ship', '13 ships')
    """
    return f"{count} {noun if count == 1 else plural_of(noun)}"


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
