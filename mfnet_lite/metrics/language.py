r"""Scores of words: accuracy, BLEU, CIDEr, share of malformed answers.

BLEU (Papineni et al., 2002) comes from ``torchmetrics``. CIDEr-D (Vedantam et al., 2015) is written here: the usual
package, ``pycocoevalcap``, brings 100 MB of Java programs for other scores, and has had no release for years. For
n-grams of length n = 1…4 with the counts h of the answer c and the weights

.. math::
    g(w) = h(w) \left(\log I - \log \max(1, d(w))\right)

(I images, of which d have a reference with the n-gram w), it is ten times the mean over n and over the references s of

.. math::
    \exp\left(-\frac{(l_c - l_s)^2}{2 \cdot 6^2}\right)
    \frac{\sum_w \min(g_c(w), g_s(w))\, g_s(w)}{\lVert g_c \rVert \lVert g_s \rVert}

What to know before quoting them:

- **One image**: log 1 = 0, so every weight is 0 and so is CIDEr, even of a perfect answer. The same happens to every
  n-gram that all images share; CIDEr of a few images, or of a set with one way of saying things, is low whatever the
  model does. Give ``corpus`` to weigh n-grams by a larger set of references, and say so.
- **Short captions**: an answer of two words has no 3-gram, so it reaches 5 of 10 at most.
- **One reference**: BLEU counts only what this one person wrote; its usual values come from five. A true answer in
  other words gets 0. Without smoothing BLEU-4 is 0 for a set in which no 4-gram is right.
- Both are scores of a *set*: BLEU of a set is not the mean of the BLEUs of its sentences.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence

__all__ = ["accuracy", "bleu", "cider", "malformed_rate", "normalise"]

References = Sequence[Sequence[str]]
"""One or several reference texts for each answer."""

NGRAMS = 4
SIGMA = 6.0
"""Deviation of the penalty for another length, words."""

Grams = Counter[tuple[str, ...]]


def normalise(text: str) -> str:
    """Bring a text into the form in which answers are compared.

    Lower case, single spaces, no marks, no article at the beginning.

    Args:
        text: The text.

    Example:
        >>> normalise("  The Dense-Residential area. ")
        'dense residential area'
    """
    words = re.sub(r"[^\w\s.%]|_", " ", text.lower()).split()
    words = [word.strip(".") for word in words]
    words = [word for word in words if word]
    while len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    return " ".join(words)


def accuracy(answers: Sequence[str], truth: Sequence[str]) -> float:
    """Share of the answers that are equal to the truth after :func:`normalise`.

    Args:
        answers: What was answered.
        truth: What is right.

    Returns:
        From 0 to 1; NaN without questions.

    Raises:
        ValueError: If there are not as many answers as truths.

    Example:
        >>> accuracy(["A park.", "street"], ["park", "garden"])
        0.5
    """
    _check_lengths(answers, truth)
    right = sum(normalise(a) == normalise(t) for a, t in zip(answers, truth, strict=True))
    return right / len(truth) if truth else math.nan


def malformed_rate(malformed: Iterable[bool]) -> float:
    """Share of the answers that could not be read in full.

    Args:
        malformed: For each answer whether it is malformed, such as ``Answer.malformed``.

    Returns:
        From 0 to 1; NaN without answers.

    Example:
        >>> malformed_rate([True, False, False, False])
        0.25
    """
    found = list(malformed)
    return sum(found) / len(found) if found else math.nan


def bleu(answers: Sequence[str], references: References) -> tuple[float, float, float, float]:
    """BLEU-1 to BLEU-4 of a set, without smoothing, on lower-case words.

    Args:
        answers: One text per image.
        references: Reference texts of each image; with one reference the values are not comparable with published ones.

    Returns:
        Four scores from 0 to 1.

    Raises:
        ImportError: If ``torchmetrics`` is not installed.
        ValueError: If the lists do not fit each other.

    Example:
        >>> [round(score, 3) for score in bleu(["two red cars on a street"], [["two cars on a street"]])]
        [0.833, 0.707, 0.63, 0.537]
    """
    _check_references(answers, references)
    try:
        from torchmetrics.functional.text import bleu_score
    except ImportError as error:
        raise ImportError(
            "BLEU needs torchmetrics, which is not installed; run: pip install torchmetrics"
        ) from error
    said = [" ".join(words_of(answer)) for answer in answers]
    wanted = [[" ".join(words_of(text)) for text in texts] for texts in references]
    one, two, three, four = (float(bleu_score(said, wanted, n_gram=n)) for n in range(1, 5))
    return one, two, three, four


def cider(
    answers: Sequence[str], references: References, corpus: References | None = None
) -> float:
    """CIDEr-D of a set.

    Args:
        answers: One text per image.
        references: Reference texts of each image.
        corpus: References of the images by which n-grams are weighed, such as those of the training split; the
            references themselves when None, as published values have it.

    Returns:
        From 0 to 10; published values are often a hundredfold of a tenth of it (192.6 is 1.926). It is 0 for a
        single image without a corpus.

    Raises:
        ValueError: If the lists do not fit each other.

    Example:
        >>> texts = [["two red cars on a street"], ["a pond in a park"]]
        >>> round(cider(["two red cars on a street", "a pond in a park"], texts), 6)
        10.0
        >>> cider(["two red cars on a street"], texts[:1])
        0.0
    """
    _check_references(answers, references)
    weigh = references if corpus is None else corpus
    seen: Grams = Counter()
    for texts in weigh:
        seen.update({gram for text in texts for gram in _grams(text)})
    images = math.log(len(weigh)) if weigh else 0.0

    def weights(text: str) -> list[dict[tuple[str, ...], float]]:
        found: list[dict[tuple[str, ...], float]] = [{} for _ in range(NGRAMS)]
        for gram, count in _grams(text).items():
            found[len(gram) - 1][gram] = count * (images - math.log(max(1, seen[gram])))
        return found

    scores = []
    for answer, texts in zip(answers, references, strict=True):
        ours = weights(answer)
        total = 0.0
        for text in texts:
            difference = len(words_of(answer)) - len(words_of(text))
            penalty = math.exp(-(difference**2) / (2 * SIGMA**2))
            total += penalty * sum(map(_similarity, ours, weights(text))) / NGRAMS
        scores.append(10 * total / len(texts))
    return sum(scores) / len(scores) if scores else math.nan


def words_of(text: str) -> list[str]:
    """Words of a text in lower case, without marks: how BLEU and CIDEr see it.

    Args:
        text: The text.
    """
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())


def _grams(text: str) -> Grams:
    words = words_of(text)
    return Counter(
        tuple(words[k : k + n]) for n in range(1, NGRAMS + 1) for k in range(len(words) - n + 1)
    )


def _similarity(ours: dict[tuple[str, ...], float], theirs: dict[tuple[str, ...], float]) -> float:
    """Cosine of two sets of weights; a weight counts up to that of the reference."""
    lengths = [math.sqrt(sum(value**2 for value in side.values())) for side in (ours, theirs)]
    if not all(lengths):
        return 0.0
    common = sum(
        min(value, theirs.get(gram, 0.0)) * theirs.get(gram, 0.0) for gram, value in ours.items()
    )
    return common / (lengths[0] * lengths[1])


def _check_lengths(answers: Sequence[object], truth: Sequence[object]) -> None:
    if len(answers) != len(truth):
        raise ValueError(
            f"expected one answer per question, got {len(answers)} answers and {len(truth)} truths"
        )


def _check_references(answers: Sequence[str], references: References) -> None:
    if isinstance(answers, str):  # letter by letter it is a list, too
        raise ValueError(f"expected a list of answers, got the string {answers!r}: write [answer]")
    _check_lengths(answers, references)
    for number, texts in enumerate(references):
        if isinstance(texts, str) or not texts:
            raise ValueError(
                f"expected a list of references for answer {number}, got {texts!r}: write [text] for a single one"
            )
