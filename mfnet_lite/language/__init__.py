"""Language models behind one interface, dialogues with images in rows, and greedy answers."""

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

__all__ = [
    "Answer",
    "ChatForm",
    "GreedyDecoder",
    "ImageTokens",
    "LanguageModel",
    "Packed",
    "Text",
    "answer_loss",
    "chat_dialogue",
    "common_words",
    "load_language_model",
    "pack",
    "vectors_of",
]
