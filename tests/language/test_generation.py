"""Greedy answers with kept keys and values are those without, and those of transformers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mfnet_lite.language import generation
from mfnet_lite.language.generation import GreedyDecoder
from mfnet_lite.language.language_models import LanguageModel
from mfnet_lite.tuning import ScaleShiftLinear, attach_adapters, attach_lora, attach_scale_shift
from tests.language.small_models import small_model


def prompts(model: LanguageModel) -> list[Tensor]:
    texts = ("where is it", "a", "describe the image in one sentence")
    return [model.embed(torch.tensor(model.encode(text))) for text in texts]


def without_cache(model: LanguageModel, prompt: Tensor, number: int) -> list[int]:
    ids: list[int] = []
    for _ in range(number):
        n = len(prompt)
        mask = torch.ones(1, 1, n, n).tril().bool()
        with torch.no_grad():
            scores = model(prompt[None], mask, torch.arange(n)[None])[0, -1]
        ids.append(int(scores.argmax()))
        if ids[-1] == model.eos:
            return ids[:-1]
        prompt = torch.cat([prompt, model.embed(torch.tensor(ids[-1:]))])
    return ids


@pytest.mark.parametrize("kv_heads", [1, 4])
@pytest.mark.parametrize("tuned", ["", "scale and shift", "lora"])
def test_equal_with_and_without_cache_and_by_transformers(kv_heads: int, tuned: str) -> None:
    model = small_model(num_key_value_heads=kv_heads)
    if tuned == "lora":
        attach_lora(model.network, ("q_proj", "up_proj"), rank=2, seed=0)
        for name, parameter in model.network.named_parameters():
            if "lora_b" in name:
                parameter.data.normal_(generator=torch.Generator().manual_seed(1))
    elif tuned:
        attach_scale_shift(model.network)
        for module in model.modules():
            if isinstance(module, ScaleShiftLinear):
                module.scale.data += 0.5
                module.shift.data -= 0.5
    decoder = GreedyDecoder(model)
    together = decoder(prompts(model), 12)
    assert len({tuple(answer) for answer in together}) > 1
    for prompt, answer in zip(prompts(model), together, strict=True):
        assert decoder([prompt], 12) == [answer]
        assert without_cache(model, prompt, 12) == answer
        assert decoder._by_transformers(prompt, 12).ids == answer


def test_end_token_ends_an_answer_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    free = GreedyDecoder(model)(prompts(model), 8)
    model.eos = next(token for token in free[0] if token not in free[1])
    decoder = GreedyDecoder(model)
    cut = decoder(prompts(model), 8)
    assert cut[0] == free[0][: free[0].index(model.eos)]
    assert cut[1] == free[1]
    assert decoder._by_transformers(prompts(model)[0], 8).ids == cut[0]


def test_an_answer_has_ended_where_the_end_token_came() -> None:
    model = small_model()
    free = GreedyDecoder(model)(prompts(model), 8)
    model.eos = next(token for token in free[0] if token not in (free[0][0], *free[1]))
    decoder, end = GreedyDecoder(model), free[0].index(model.eos)
    for limit, ended in ((end, False), (end + 1, True), (end + 2, True)):
        first, second, _ = decoder.written(prompts(model), limit)
        assert first == decoder._by_transformers(prompts(model)[0], limit)
        assert first == (free[0][:end], ended)
        assert second == (free[1][:limit], False)


def test_answers_that_have_ended_are_computed_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    texts = ("where", "a", "describe the image in one sentence", "is it red", "the", "it is a car")
    some = [model.embed(torch.tensor(model.encode(text))) for text in texts]
    free = GreedyDecoder(model)(some, 24)
    # ends several answers, at several steps, and not all
    model.eos = max(range(5, 64), key=lambda token: sum(token in answer for answer in free))
    alone = [GreedyDecoder(model)([prompt], 24)[0] for prompt in some]
    assert len({len(answer) for answer in alone}) > 2
    rows: list[int] = []
    write = generation._write

    def counted(inner: Any, blocks: Any, x: Tensor, cache: Any, place: Any) -> Tensor:
        rows.append(len(x))
        assert cache.keys.shape[1] == cache.values.shape[1] == len(x) * cache.kv_heads
        return write(inner, blocks, x, cache, place)

    monkeypatch.setattr(generation, "_write", counted)
    assert GreedyDecoder(model)(some, 24) == alone
    assert rows[0] == len(some)
    assert rows[-1] <= len(some) / 2
    assert rows == sorted(rows, reverse=True)


def test_another_architecture_answers_through_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    own = small_model()
    config = transformers.Qwen2Config(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    model = LanguageModel("other", transformers.Qwen2ForCausalLM(config).eval(), own.tokenizer)
    decoder = GreedyDecoder(model.requires_grad_(False))
    assert decoder.blocks is None
    for prompt in prompts(model):
        assert decoder([prompt], 6) == [without_cache(model, prompt, 6)]


@pytest.mark.parametrize("target", ["*.mlp", "*.down_proj"])
def test_what_cannot_be_merged_is_left_to_transformers(target: str) -> None:
    model = small_model()
    attach_adapters(model.network, target, d=32, zero_init=False, seed=0)
    decoder = GreedyDecoder(model)
    assert decoder.blocks is None
    for prompt in prompts(model):
        assert decoder([prompt], 5) == [without_cache(model, prompt, 5)]


def test_half_precision_and_errors() -> None:
    model = small_model()
    model.network.to(torch.bfloat16)
    answers: Any = GreedyDecoder(model)(prompts(model), 4)
    assert [len(answer) <= 4 for answer in answers] == [True] * 3
    with pytest.raises(ValueError, match="at least one token each, got \\[0\\]"):
        GreedyDecoder(model)([torch.zeros(0, 32)], 4)
