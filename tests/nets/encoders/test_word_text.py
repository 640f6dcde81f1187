"""The text encoder over word vectors: order, case, prompts, and that it starts as a mean of vectors."""

from __future__ import annotations

import pytest
import torch

from mfnet_lite.language import WordTable
from mfnet_lite.nets.encoders.vision_language import TextTokens
from mfnet_lite.nets.encoders.word_text import WordTextEncoder

WORDS = ["red", "car", "roof", "beside", "a"]


@pytest.fixture
def text():
    torch.manual_seed(0)
    table = WordTable(WORDS, torch.randint(-9, 9, (5, 8)).char(), torch.ones(5))
    return WordTextEncoder(table, joint=8, heads=2)


def trained(text):
    """As if trained: the correction counts, positions and attention are no longer zero."""
    for parameter in (text.gate, text.position, text.attend.weight):
        torch.nn.init.normal_(parameter)
    return text


def test_untrained_it_is_the_mean_of_the_vectors(text):
    vectors = text.table.vectors([0, 1])
    found = text(["red car", "Cars"])
    assert torch.allclose(found[0], vectors.mean(dim=0), atol=1e-5)
    assert torch.allclose(found[1], vectors[1], atol=1e-5)


def test_case_and_signs_do_not_matter_but_order_does(text):
    text = trained(text)
    a, b, c = text(["roof beside a car", "ROOF, beside a-car", "car beside a roof"])
    assert torch.equal(a, b)
    assert not torch.allclose(a, c, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_format(text, dtype):
    text = trained(text)
    expected = text(["red car", "roof"])
    found = text.to(dtype)(["red car", "roof"])
    assert found.dtype == dtype
    assert (found.double() - expected).norm() < 0.02 * expected.norm()


def test_a_phrase_means_the_same_in_any_company(text):
    text = trained(text)
    alone = text(["car"])[0]
    assert torch.allclose(text(["car", "roof beside a red car"])[0], alone, atol=1e-5)


def test_prompts_stand_before_the_words_whatever_the_other_phrases_are(text):
    text = trained(text)
    prompts = torch.randn(3, text.width, generator=torch.Generator().manual_seed(0))
    both = text(["car", "roof beside a red car"], prompts)
    assert torch.allclose(both[0], text(["car"], prompts)[0], atol=1e-5)
    assert torch.allclose(both[1], text(["roof beside a red car"], prompts)[0], atol=1e-5)
    assert not torch.allclose(both[0], text(["car"])[0], atol=1e-2)
    # as one phrase of four vectors, the word last
    car = text.tokens(["car"]).vectors
    row = torch.cat([prompts[None], car], dim=1)
    by_hand = text.encode(TextTokens(row, torch.ones(1, 4, dtype=torch.bool)))
    assert torch.allclose(both[0], by_hand[0], atol=1e-5)


def test_prompts_get_gradients_and_move_no_word(text):
    text = trained(text).requires_grad_(False)
    prompts = torch.zeros(3, text.width, requires_grad=True)
    text(["car", "red roof"], prompts).square().sum().backward()
    assert prompts.grad.abs().sum(dim=1).gt(0).all()
    assert text.tokens(["red car"]).vectors.shape == (1, 2, 8)


def test_it_stays_in_evaluation_mode(text):
    assert not text.train().training
    assert not any(module.training for module in text.train().modules())


def test_with_and_without_gradients_agree(text):
    text = trained(text)
    graded = text(["red car", "car"])
    text.requires_grad_(False)
    with torch.no_grad():
        assert torch.allclose(text(["red car", "car"]), graded, atol=1e-5)


def test_long_phrases_share_the_last_position(text):
    assert trained(text)([" ".join(["red"] * 40)]).isfinite().all()


def test_what_is_refused(text):
    with pytest.raises(ValueError, match="expected a list of phrases, got 'car'"):
        text("car")
    with pytest.raises(ValueError, match="expected a list of phrases"):
        text([])
    with pytest.raises(ValueError, match="knows nothing of 'zyx'"):
        text(["car", "zyx"])


def test_left_out_words_do_not_count(text):
    text = trained(text)
    vectors, there = text.tokens(["red car"])
    there[0, 0] = False
    assert torch.allclose(text.encode(TextTokens(vectors, there)), text(["car"]), atol=1e-5)
