"""One interface to a made model, a real one and any other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mfnet_lite.language.language_models import LanguageModel, chat_form, load_language_model
from mfnet_lite.language.llama import is_llama
from mfnet_lite.tuning import attach_scale_shift, train_attention_and_norms
from tests.language.small_models import small_model

transformers = pytest.importorskip("transformers")


def inputs(
    model: LanguageModel, tokens: int = 9
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.arange(2 * tokens).reshape(2, tokens) + 20
    mask = torch.ones(2, 1, tokens, tokens).tril().bool()
    return ids, mask, torch.arange(tokens).expand(2, -1)


def test_own_forward_is_that_of_transformers() -> None:
    model = small_model()
    assert is_llama(model.network)
    ids, mask, positions = inputs(model)
    with torch.no_grad():
        ours = model(model.embed(ids), mask, positions)
        theirs = model.network(ids).logits
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_own_gradients_are_those_of_transformers() -> None:
    model = small_model()
    attach_scale_shift(model.network)
    ids, mask, positions = inputs(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    towards = torch.linspace(-1, 1, 200)
    ours = torch.autograd.grad((model(model.embed(ids), mask, positions) * towards).sum(), trained)
    theirs = torch.autograd.grad((model.network(ids).logits * towards).sum(), trained)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=2e-3 * b.abs().max().item(), rtol=1e-3)


@pytest.mark.parametrize("stage", [1, 2])
def test_frozen_in_half_trains_in_single(stage: int) -> None:
    model = small_model(initializer_range=0.3)
    (train_attention_and_norms if stage == 1 else attach_scale_shift)(model.network)  # type: ignore[operator]
    model.frozen_in_half()
    kinds = {p.requires_grad: p.dtype for p in model.parameters()}
    assert kinds == {True: torch.float32, False: torch.bfloat16}
    assert model.dtype == torch.bfloat16
    ids, mask, positions = inputs(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    loss = model(model.embed(ids), mask, positions).float().square().mean()
    gradients = torch.autograd.grad(loss, trained)
    assert all(gradient.dtype == torch.float32 for gradient in gradients)
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_another_architecture_runs_through_transformers_in_both_formats() -> None:
    config = transformers.Qwen2Config(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    torch.manual_seed(0)
    network = transformers.Qwen2ForCausalLM(config).eval()
    model = LanguageModel("other", network, small_model().tokenizer).requires_grad_(False)
    ids, mask, positions = inputs(model)
    theirs = network(ids).logits
    torch.testing.assert_close(
        model(model.embed(ids), mask, positions), theirs, atol=1e-5, rtol=1e-5
    )
    attach_scale_shift(model.network)
    model.frozen_in_half()
    half = model(model.embed(ids), mask, positions)
    half.float().sum().backward()
    torch.testing.assert_close(half.float(), theirs, atol=0.02, rtol=0.1)


def test_tiny_by_name() -> None:
    model = load_language_model("tiny", device="cpu")
    assert (model.width, model.layers, model.name) == (128, 4, "tiny")
    assert model.decode([*model.encode("3 ships"), model.eos]) == "3 ships"
    assert not any(p.requires_grad for p in model.parameters())
    half = load_language_model("tiny", dtype=torch.bfloat16, device="cpu")
    assert half.dtype == torch.bfloat16


def test_folder_of_safetensors(tmp_path: Path) -> None:
    own = small_model()
    own.network.save_pretrained(tmp_path)
    own.tokenizer.save_pretrained(tmp_path)
    model = load_language_model(tmp_path, device="cpu")
    ids, mask, positions = inputs(model)
    with torch.no_grad():
        assert torch.equal(
            model(model.embed(ids), mask, positions), own(own.embed(ids), mask, positions)
        )
    assert (model.eos, model.pad, model.chat) == (own.eos, own.pad, own.chat)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises((ValueError, ConnectionError), match=r"cannot be read|no whole"):
        load_language_model(tmp_path, device="cpu")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no \*.safetensors"):
        load_language_model(tmp_path, device="cpu")
    with pytest.raises(FileNotFoundError, match="is no folder: expected one of tiny, smollm2"):
        load_language_model(tmp_path / "missing", device="cpu")


def test_unknown_name_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("not there.\nmore lines")

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", fails)
    with pytest.raises(
        ConnectionError, match=r"no language model 'tinny' here .*not there\)"
    ) as caught:
        load_language_model("tinny", device="cpu")
    assert "\n" not in str(caught.value)


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        ImportError, match=r'needs the package transformers.*"mfnet-lite\[language\]"'
    ):
        load_language_model("tiny")


def test_chat_forms() -> None:
    tokenizer = small_model().tokenizer
    assert chat_form(tokenizer) == ("<|user|>", "<|answer|>", "<|user|>")
    tokenizer.chat_template = None
    assert chat_form(tokenizer) == ("", "\n", "\n")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] | lower }}{% endfor %}"
    with pytest.raises(ValueError, match="leaves out or rewrites what is said"):
        chat_form(tokenizer)
    tokenizer.chat_template = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"
    with pytest.raises(ValueError, match=r"does not end every answer with '<\|end\|>'"):
        chat_form(tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(ValueError, match="names no token that ends an answer"):
        LanguageModel("x", small_model().network, tokenizer)
