"""Words: what they mean, as vectors that ship with the package, and how phrases are split into known ones.

>>> from mfnet_lite.language import split_phrase
>>> split_phrase("Low-vegetation, parked cars")
['low', 'vegetation', 'parked', 'cars']
"""

from __future__ import annotations

from mfnet_lite.language.word_table import (
    PhraseWords,
    WordTable,
    load_words,
    read_words,
    split_phrase,
)

__all__ = ["PhraseWords", "WordTable", "load_words", "read_words", "split_phrase"]
