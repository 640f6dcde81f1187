"""Tiny language models for tests: random weights, no tokenizer of a real model."""

from __future__ import annotations

from typing import Any

import torch

from mfnet_lite.language.language_models import LanguageModel
from mfnet_lite.language.tiny_llama import tiny_llama, word_tokenizer


def small_model(seed: int = 0, **sizes: Any) -> LanguageModel:
    """A LLaMA of two blocks with grouped heads, spread out so that its answers differ."""
    tokenizer = word_tokenizer(size=200)
    options: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.5,
    }
    network = tiny_llama(tokenizer, seed, **{**options, **sizes})
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        if "norm" in name:
            parameter.data.uniform_(0.5, 1.5, generator=generator)
    return LanguageModel("small", network, tokenizer).requires_grad_(False).eval()
