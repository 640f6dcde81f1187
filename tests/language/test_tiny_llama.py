"""The tokenizer of words gives texts back, and the network has the sizes and weights it should."""

from __future__ import annotations

import string

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mfnet_lite.utils.hashes import hash_tensors

pytest.importorskip("transformers")

from mfnet_lite.language.tiny_llama import WORDS, tiny_llama, word_tokenizer

TOKENIZER = word_tokenizer()
TEXTS = (
    "Classify the image in one word.",
    "There are <p>13 ships</p>[0.10,0.25,0.32,0.40;0.55,0.60,0.71,0.80]",
    "Where is the white plane beside the runway? Answer with [x1,y1,x2,y2].",
    "  two  spaces, a line\nand UPPER case at the end ",
    "",
)


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@settings(deadline=None)
@given(st.text(alphabet=string.ascii_letters + string.digits + string.punctuation + " \n"))
def test_any_printable_text_comes_back(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text or "<|" in text


def test_digits_and_signs_are_tokens_of_their_own() -> None:
    tokens = TOKENIZER.tokenize("[0.25,1.00;]")
    assert [token for token in tokens if token != "▁"] == list("[0.25,1.00;]")
    assert TOKENIZER.tokenize("<p>7 ships</p>") == ["▁", "<p>", "7", "▁ships", "</p>"]


def test_unknown_words_are_spelt_and_other_characters_are_one_token() -> None:
    assert TOKENIZER.tokenize("a zeppelin")[1:] == ["▁", *"zeppelin"]
    assert TOKENIZER.convert_ids_to_tokens(TOKENIZER.encode("é"))[-1] == "<|unknown|>"


def test_size_and_special_tokens() -> None:
    assert len(TOKENIZER) == TOKENIZER.vocab_size == 512
    assert len(set(WORDS)) == len(WORDS)
    assert (TOKENIZER.pad_token_id, TOKENIZER.eos_token) == (0, "<|end|>")
    few = word_tokenizer(["ship", "harbour"], size=105)
    assert few.tokenize("ship harbour") == ["▁ship", "▁harbour"]
    with pytest.raises(ValueError, match="more than the 50 asked for"):
        word_tokenizer(size=50)


def test_sizes_and_seed_of_the_network() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    net = tiny_llama(TOKENIZER, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert sum(p.numel() for p in net.parameters()) == 857_216
    again, other = tiny_llama(TOKENIZER, seed=0), tiny_llama(TOKENIZER, seed=1)
    hashes = [hash_tensors(each.state_dict()) for each in (net, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
