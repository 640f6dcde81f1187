"""Scores of words by hand; CIDEr's caveats are facts."""

from __future__ import annotations

import builtins
import math

import pytest

from mfnet_lite.metrics import accuracy, bleu, cider, malformed_rate, normalise

CARS, POND = "two red cars on a street", "a pond in a park"


def test_accuracy() -> None:
    assert (
        accuracy(["A Park!", "3", "row-houses", "about 30%"], ["park", "3.", "row houses", "30 %"])
        == 0.75
    )
    assert normalise("The the park") == "park"
    assert normalise("a") == "a"
    assert normalise("0.5") == "0.5"
    assert math.isnan(accuracy([], []))
    with pytest.raises(ValueError, match="got 1 answers and 2 truths"):
        accuracy(["a"], ["a", "b"])


def test_malformed() -> None:
    assert malformed_rate([True, False]) == 0.5
    assert math.isnan(malformed_rate([]))


def test_bleu_by_hand() -> None:
    # 6 words, 5 of them right; bigrams: "two red" and "red cars" wrong, 3 of 5 right; trigrams 2 of 4; one of 3.
    scores = bleu([CARS], [["two cars on a street"]])
    precisions = (5 / 6, 3 / 5, 2 / 4, 1 / 3)
    for n in range(1, 5):
        assert scores[n - 1] == pytest.approx(math.prod(precisions[:n]) ** (1 / n), abs=1e-6)
    # a shorter answer is penalised by exp(1 - r / c)
    assert bleu(["two cars"], [["two cars on a street"]])[0] == pytest.approx(
        math.exp(1 - 5 / 2), abs=1e-6
    )


def test_bleu_of_a_set_and_of_more_references() -> None:
    assert bleu([CARS.upper() + "."], [[CARS]]) == pytest.approx((1, 1, 1, 1))
    # another true sentence gets little from one reference, everything from a second
    other = "a street with two cars"
    assert bleu([other], [[CARS]])[3] == 0
    assert bleu([other], [[CARS, other]])[3] == pytest.approx(1)
    # the mean over both sentences is .5; the set has 7 of 11 words right, 5 of 9, 4 of 7, and 3 of 5 4-grams,
    # and is one word shorter than its references
    apart = [bleu([text], [[CARS]])[3] for text in (CARS, POND)]
    assert apart == pytest.approx([1, 0])
    precisions = 7 / 11 * 5 / 9 * 4 / 7 * 3 / 5
    whole = bleu([CARS, POND], [[CARS], [CARS]])[3]
    assert whole == pytest.approx(math.exp(1 - 12 / 11) * precisions**0.25, abs=1e-6)


def test_bleu_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no(name: str, *rest: object, **more: object) -> object:
        if name.startswith("torchmetrics"):
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no)
    with pytest.raises(
        ImportError,
        match="BLEU needs torchmetrics, which is not installed; run: pip",
    ):
        bleu([CARS], [[CARS]])
    assert cider([CARS, POND], [[CARS], [POND]]) > 9  # needs no package


def test_cider_by_hand() -> None:
    # Two images, references "x y" and "z"; every n-gram occurs in one image, so each weighs log 2.
    # Answer "x" to the first: unigrams (1, 0) with (1, 1): cosine 1 / √2; no bigram; one word shorter.
    # Answer "z" to the second: unigrams equal, no longer n-grams: 1 of 4.
    first = 10 / 4 * math.exp(-1 / 72) / math.sqrt(2)
    assert cider(["x", "z"], [["x y"], ["z"]]) == pytest.approx((first + 10 / 4) / 2)
    # "x x y" repeats x: counts (2, 1) with (1, 1), clipped to (1, 1); bigrams xx, xy with xy: 1 / √2.
    repeated = 10 / 4 * math.exp(-1 / 72) * (2 / math.sqrt(5 * 2) + 1 / math.sqrt(2))
    assert cider(["x x y", "z"], [["x y"], ["z"]]) == pytest.approx((repeated + 10 / 4) / 2)
    # mean over references
    assert cider(["x y", "z"], [["x y", "w"], ["z"]]) == pytest.approx(
        (10 / 4 * 2 / 2 + 10 / 4) / 2
    )


def test_one_image_has_no_cider() -> None:
    assert cider([CARS], [[CARS]]) == 0
    assert cider([CARS, CARS], [[CARS], [CARS]]) == 0  # neither have images that say the same
    assert cider([CARS], [[CARS]], corpus=[[CARS], [POND]]) == pytest.approx(10)
    assert cider([CARS, POND], [[CARS], [POND]]) == pytest.approx(10)
    assert math.isnan(cider([], []))


def test_short_captions_stay_below() -> None:
    assert cider(["two cars", "a pond"], [["two cars"], ["a pond"]]) == pytest.approx(5)


def test_references_are_lists() -> None:
    for score in (bleu, cider):
        with pytest.raises(ValueError, match=r"write \[text\] for a single one"):
            score([CARS], [CARS])  # type: ignore[operator]
        with pytest.raises(ValueError, match="expected a list of references for answer 0"):
            score([CARS], [[]])  # type: ignore[operator]


def test_a_string_is_no_list_of_answers() -> None:
    """Letter by letter it would be scored without a word."""
    for score in (bleu, cider):
        with pytest.raises(ValueError, match=r"expected a list of answers, got the string 'ab'"):
            score("ab", [["a"], ["b"]])
