"""A sentence encoder from a folder as text side: a small BERT that the test makes."""

from __future__ import annotations

import sys

import pytest
import torch

from mfnet_lite.nets.encoders.conv_stem_vit import ConvStemConfig
from mfnet_lite.nets.encoders.sentence_encoder import SentenceEncoder
from mfnet_lite.nets.encoders.tiny_pair import (
    SmallPair,
    SmallPairConfig,
    load_tiny_pair,
)
from scripts.pretraining.vision_language import write_pair

transformers = pytest.importorskip("transformers")
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "car", "roof", "##s"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return str(folder)


def test_it_is_the_mean_of_what_the_network_says(folder):
    text = SentenceEncoder(folder, joint=8)
    torch.nn.init.eye_(text.direct.weight)
    torch.nn.init.zeros_(text.direct.bias)
    bert = transformers.BertModel.from_pretrained(folder).eval()
    ids = torch.tensor([[2, 5, 6, 8, 3]])
    with torch.no_grad():
        expected = bert(ids).last_hidden_state.mean(dim=1)[:, :8]
        assert torch.allclose(text(["Red cars"]), expected, atol=1e-5)
        assert torch.allclose(text(["Red cars", "roof"])[:1], expected, atol=1e-5)


def test_only_the_projection_is_trained_and_prompts_get_gradients(folder):
    text = SentenceEncoder(folder, joint=8)
    assert [n for n, p in text.named_parameters() if p.requires_grad] == [
        "direct.weight",
        "direct.bias",
    ]
    prompts = torch.zeros(2, text.width, requires_grad=True)
    text.train()(["red roof"], prompts).square().sum().backward()
    assert prompts.grad.abs().sum(dim=1).gt(0).all()
    assert not text.bert.training


def test_a_file_holds_the_projection_alone_and_names_the_folder(folder, tmp_path):
    sizes = ConvStemConfig(width=16, depth=1, heads=2, stem=(4, 8, 8))
    pair = SmallPair(SmallPairConfig(8, sizes, folder))
    write_pair(pair, tmp_path / "pair.safetensors")
    loaded = load_tiny_pair(tmp_path / "pair.safetensors")
    images = torch.rand(1, 3, 16, 16)
    assert torch.allclose(
        loaded(images, [["red car"], ["roof"]]), pair(images, [["red car"], ["roof"]])
    )
    assert (tmp_path / "pair.safetensors").stat().st_size < 60_000


def test_what_cannot_be_opened_is_said_in_a_sentence(folder, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="cannot open a sentence encoder from the folder"):
        SentenceEncoder(str(tmp_path), joint=8)
    text = SentenceEncoder(folder, joint=8)
    with pytest.raises(ValueError, match="the phrase ' ' has no words"):
        text(["roof", " "])
    with pytest.raises(ValueError, match="expected a list of phrases"):
        text("roof")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="needs transformers, which is not installed"):
        SentenceEncoder(folder, joint=8)
