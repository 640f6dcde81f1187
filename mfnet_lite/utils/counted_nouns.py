"""Counts with their nouns, and words that go with a count: ``1 tile is``, ``2 tiles are``."""

from __future__ import annotations

import re

__all__ = ["agreeing", "counted", "plural_of", "with_plain_counts"]

_IRREGULAR = {"person": "people", "man": "men", "aircraft": "aircraft"}


def plural_of(noun: str) -> str:
    """Return the plural of a noun, or of a phrase that ends with one.

    Args:
        noun: A noun, such as a class name as words.

    Example:
        >>> [plural_of(n) for n in ("ship", "bus", "storage tank", "ferry", "baseball field", "person")]
        ['ships', 'buses', 'storage tanks', 'ferries', 'baseball fields', 'people']
        >>> [plural_of(n) for n in ("low bush", "parked car", "cherry")]
        ['low bushes', 'parked cars', 'cherries']
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
    return f"{count} {agreeing(count, noun, plural_of(noun))}"


def agreeing(count: int, one: str, several: str) -> str:
    """Choose the word that goes with a count.

    Args:
        count: How many.
        one: What is said of one.
        several: What is said of none, or of several.

    Example:
        >>> [agreeing(count, "is", "are") for count in (0, 1, 2)]
        ['are', 'is', 'are']
    """
    return one if count == 1 else several


def with_plain_counts(text: str) -> str:
    """Write counts in the plain form where an older file of results has ``thread(s)``.

    Args:
        text: Any.

    Example:
        >>> with_plain_counts("x86_64 CPU, 1 thread(s)"), with_plain_counts("2 thread(s)")
        ('x86_64 CPU, 1 thread', '2 threads')
    """
    return re.sub(r"(\d+) (\w+)\(s\)", lambda found: counted(int(found[1]), found[2]), text)
