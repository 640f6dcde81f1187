"""Words: as vectors that ship with the package, and in language models that answer questions about images.

>>> from mfnet_lite.language import split_phrase
>>> split_phrase("Low-vegetation, parked cars")
['low', 'vegetation', 'parked', 'cars']
"""

from __future__ import annotations

from mfnet_lite.language.generation import GreedyDecoder
from mfnet_lite.language.language_models import (
    ChatForm,
    LanguageModel,
    load_language_model,
)
from mfnet_lite.language.packing import (
    Answer,
    ImageTokens,
    Packed,
    Text,
    answer_loss,
    chat_dialogue,
    pack,
    vectors_of,
)
from mfnet_lite.language.tiny_llama import common_words
from mfnet_lite.language.word_table import (
    PhraseWords,
    WordTable,
    load_words,
    read_words,
    split_phrase,
)

__all__ = [
    "Answer",
    "ChatForm",
    "GreedyDecoder",
    "ImageTokens",
    "LanguageModel",
    "Packed",
    "PhraseWords",
    "Text",
    "WordTable",
    "answer_loss",
    "chat_dialogue",
    "common_words",
    "load_language_model",
    "load_words",
    "pack",
    "read_words",
    "split_phrase",
    "vectors_of",
]
