"""Which weights of a language model train in which stage, by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from mfnet_lite.tuning import (
    attach_scale_shift,
    count,
    train_attention_and_norms,
    train_scale_and_shift,
)

transformers = pytest.importorskip("transformers")

LINEARS = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj")
LINEARS += ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


def network(kind: str) -> nn.Module:
    vocabulary, width, hidden, layers, heads, kv = {
        "tiny": (512, 128, 344, 4, 4, 4),
        "smollm2": (49152, 576, 1536, 30, 9, 3),
    }[kind]
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv,
        tie_word_embeddings=True,
    )
    net: nn.Module = transformers.LlamaForCausalLM(config)
    return net


@pytest.mark.parametrize(("kind", "layers"), [("tiny", 4), ("smollm2", 30)])
@pytest.mark.parametrize("output", [False, True])
def test_stage_one_by_name(kind: str, layers: int, output: bool) -> None:
    with torch.device("meta"):
        net = network(kind)
    names = train_attention_and_norms(net, output_projection=output)
    expected = {"model.norm.weight"}
    for number in range(layers):
        parts = [*LINEARS[: 4 if output else 3], "input_layernorm", "post_attention_layernorm"]
        expected |= {f"model.layers.{number}.{part}.weight" for part in parts}
    assert set(names) == expected
    assert {n for n, p in net.named_parameters() if p.requires_grad} == expected
    if kind == "tiny":
        assert count(net).trained == (262_144 if output else 196_608) + 1_152


@pytest.mark.parametrize(("kind", "layers"), [("tiny", 4), ("smollm2", 30)])
def test_stage_two_by_name(kind: str, layers: int) -> None:
    with torch.device("meta"):
        net = network(kind)
    train_attention_and_norms(net)
    names = train_scale_and_shift(net)
    expected = {
        f"model.layers.{number}.{part}.{what}"
        for number in range(layers)
        for part in LINEARS
        for what in ("scale", "shift")
    }
    assert set(names) == expected
    assert {n for n, p in net.named_parameters() if p.requires_grad} == expected


@pytest.mark.parametrize("stage", [1, 2])
def test_what_is_frozen_stays_bit_for_bit(stage: int) -> None:
    torch.manual_seed(0)
    net: Any = network("tiny")
    names = train_attention_and_norms(net) if stage == 1 else train_scale_and_shift(net)
    before = {name: value.clone() for name, value in net.named_parameters()}
    trained = [p for p in net.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-2, weight_decay=0.1)
    ids = torch.arange(16).reshape(2, 8)
    for _ in range(2):
        optimiser.zero_grad()
        net(ids, labels=ids).loss.backward()
        optimiser.step()
    for name, value in net.named_parameters():
        assert torch.equal(value, before[name]) == (name not in names), name


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="this Sequential has no q_proj"):
        train_attention_and_norms(nn.Sequential(nn.Linear(2, 2)))
    with torch.device("meta"):
        net = attach_scale_shift(network("tiny"))
    with pytest.raises(ValueError, match="stage 1 trains the weights themselves"):
        train_attention_and_norms(net)
