"""Which known word a word was probably meant to be."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

__all__ = ["meant"]

CLOSE = 0.8
"""Likeness, as difflib measures it, from which a word passes for another one misspelt."""


def meant(word: str, known: Collection[str]) -> str | None:
    """Return the known word that a word resembles: nearly the same, or the same letters in another order.

    Args:
        word: A word that is not known.
        known: Those that are.

    Returns:
        The most similar, None if none is similar.

    Example:
        >>> meant("units", ["unit", "scale"]), meant("dms", ["optical", "dsm"]), meant("crs", ["scale"])
        ('unit', 'dsm', None)
    """
    letters = sorted(word.lower())
    turned = next((name for name in known if sorted(name.lower()) == letters), None)
    return turned or next(iter(get_close_matches(word.lower(), known, 1, CLOSE)), None)
