"""Score a model's answers to dialogues, task by task."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from mfnet_lite.language.answers import Answer, parse_answer
from mfnet_lite.language.boxes import Numbers
from mfnet_lite.language.instructions import EXPECTED, TASKS, Dialogue, Exchange, Task
from mfnet_lite.language.nouns import class_of
from mfnet_lite.metrics.box_answers import detection_scores, grounding_scores
from mfnet_lite.metrics.language import accuracy, bleu, cider, malformed_rate

__all__ = ["TaskScores", "majority_answers", "score_answers"]

Written = Sequence[Sequence[str]]
"""Answers by dialogue, in the order of its exchanges."""


@dataclass(frozen=True)
class TaskScores:
    """Scores of one task.

    Attributes:
        questions: How many were asked.
        malformed: Share of the answers that could not be read in full, or are of another kind than asked for.
        scores: Score by name, from 0 to 1, CIDEr from 0 to 10; NaN where nothing defines it.
    """

    questions: int
    malformed: float
    scores: dict[str, float] = field(default_factory=dict)


def score_answers(
    dialogues: Sequence[Dialogue], answers: Written, corpus: Iterable[Dialogue] = ()
) -> dict[Task, TaskScores]:
    """Score answers against those of the dialogues.

    Classification and questions: accuracy. Captions: BLEU-1 to 4 and CIDEr; the captions of an image are asked for
    one by one and are all references of each of its answers. Grounding: ``Pr@0.5`` to 0.9, mean and cumulative IoU, in
    shares of the square. Detection: precision, recall and F1 at an IoU of 0.5; a noun is one class in the singular
    and in the plural. Region captions: accuracy and CIDEr.

    Args:
        dialogues: What was asked.
        answers: What was answered.
        corpus: Dialogues whose captions weigh n-grams in CIDEr, such as those of the training split.

    Returns:
        Scores of each task that was asked. For scores by sensor, pass the dialogues of one.

    Raises:
        ImportError: If captions are to be scored and ``torchmetrics`` is not installed.
        ValueError: If an answer is missing or there is one too many.
    """
    said: dict[Task, list[tuple[int, Exchange, str]]] = {}
    if len(dialogues) != len(answers):
        raise ValueError(
            f"expected answers to {len(dialogues)} dialogues, got them for {len(answers)}"
        )
    for index, (dialogue, texts) in enumerate(zip(dialogues, answers, strict=True)):
        if len(texts) != len(dialogue.exchanges):
            raise ValueError(
                f"{dialogue.image} has {len(dialogue.exchanges)} questions, got {len(texts)} answers: give one for each"
            )
        for exchange, text in zip(dialogue.exchanges, texts, strict=True):
            said.setdefault(exchange.task, []).append((index, exchange, text))
    known = list(corpus)
    found: dict[Task, TaskScores] = {}
    for task in TASKS:
        if task in said:
            parsed = [parse_answer(text, EXPECTED[task]) for _, _, text in said[task]]
            rate = malformed_rate(answer.malformed for answer in parsed)
            found[task] = TaskScores(len(parsed), rate, _scores(task, said[task], parsed, known))
    return found


ANSWER_FORMS: tuple[tuple[str, str], ...] = (
    ("yes or no", r"yes|no"),
    ("left or right", r"left|right"),
    ("above or below", r"above|below"),
    ("number", r"[0-9]+"),
    ("percent", r"[0-9]+ ?(percent|%)"),
)
"""Forms of short answers; all others are words."""


def answer_form(answer: str) -> str:
    """Say of which form a short answer is, which the question gives away.

    Args:
        answer: The true answer.

    Example:
        >>> [answer_form(text) for text in ("Yes.", "3", "20 percent", "left", "paved ground")]
        ['yes or no', 'number', 'percent', 'left or right', 'words']
    """
    plain = answer.strip().rstrip(".").lower()
    return next((name for name, form in ANSWER_FORMS if re.fullmatch(form, plain)), "words")


def majority_answers(
    training: Iterable[Dialogue], dialogues: Iterable[Dialogue]
) -> list[list[str]]:
    """Answer every question with the most frequent training answer: a baseline that sees no image.

    To questions the most frequent answer of the right form is given (yes or no, a number, …), as if the question were
    understood; that is hard to beat where answers are lopsided. To the other tasks there is one answer each.

    Args:
        training: Where answers are counted.
        dialogues: What is asked.

    Returns:
        Answers by dialogue; empty ones for what training lacks.
    """
    counts: dict[tuple[Task, str], Counter[str]] = {}
    for dialogue in training:
        for exchange in dialogue.exchanges:
            counts.setdefault(_form_of(exchange), Counter())[exchange.answer] += 1
    # Of equally frequent ones the first in the alphabet, so that the order of the files does not matter.
    usual = {
        form: sorted(found, key=lambda text, found=found: (-found[text], text))[0]  # type: ignore[misc]
        for form, found in counts.items()
    }
    return [
        [usual.get(_form_of(exchange), "") for exchange in dialogue.exchanges]
        for dialogue in dialogues
    ]


def _form_of(exchange: Exchange) -> tuple[Task, str]:
    return exchange.task, answer_form(exchange.answer) if exchange.task == "vqa" else ""


def _scores(
    task: Task,
    said: list[tuple[int, Exchange, str]],
    parsed: list[Answer],
    corpus: list[Dialogue],
) -> dict[str, float]:
    truth = [exchange.answer for _, exchange, _ in said]
    texts = [text for _, _, text in said]
    if task in ("classification", "vqa"):
        return {"accuracy": accuracy(texts, truth)}
    if task in ("captioning", "region captioning"):
        references = _references(task, said, truth)
        known = [[e.answer for e in dialogue.exchanges if e.task == task] for dialogue in corpus]
        weigh = [captions for captions in known if captions] or None
        scores = {"CIDEr": cider(texts, references, weigh)}
        if task == "region captioning":
            return {"accuracy": accuracy(texts, truth)} | scores
        return {f"BLEU-{n}": s for n, s in enumerate(bleu(texts, references), start=1)} | scores
    if task == "grounding":
        boxes = [_only(answer) for answer in parsed]
        grounded = grounding_scores(boxes, [_true_box(text) for text in truth])
        precision = {f"Pr@{level}": value for level, value in grounded.precision.items()}
        return precision | {
            "mean IoU": grounded.mean_iou,
            "cumulative IoU": grounded.cumulative_iou,
        }
    true_answers = [parse_answer(text) for text in truth]
    classes = _TrueClasses(true_answers)
    there = [_named(answer, classes) for answer in true_answers]
    written = [_named(answer, classes) for answer in parsed]
    found = detection_scores(written, there)
    return {"precision": found.precision, "recall": found.recall, "F1": found.f1}


def _references(
    task: Task, said: list[tuple[int, Exchange, str]], truth: list[str]
) -> list[list[str]]:
    """All captions of an image are references of each; a region has its own alone."""
    if task == "region captioning":
        return [[text] for text in truth]
    grouped = {
        index: [exchange.answer for _, exchange, _ in members]
        for index, members in groupby(said, key=lambda item: item[0])
    }
    return [grouped[index] for index, _, _ in said]


def _only(answer: Answer) -> Numbers | None:
    """The box of an answer that has exactly one and nothing else wrong."""
    return answer.objects[0].numbers if len(answer.objects) == 1 and not answer.malformed else None


def _true_box(text: str) -> Numbers:
    found = parse_answer(text, "box")
    if found.malformed:
        raise ValueError(
            f"the true answer {text!r} is no box ({found.faults[0].reason}); correct it"
        )
    return found.objects[0].numbers


class _TrueClasses:
    """Classes of the true objects: "1 ship" and "2 ships" name one.

    Args:
        answers: The true answers.
    """

    def __init__(self, answers: Iterable[Answer]) -> None:
        nouns: set[str] = set()
        self.singular: set[str] = set()
        for answer in answers:
            nouns.update(_plain(found.phrase) for found in answer.objects)
            self.singular.update(_plain(noun) for noun, count in answer.counts if count == 1)
        singular_of = {noun: class_of(noun, sorted(nouns - {noun})) for noun in sorted(nouns)}
        self.by_noun: dict[str, str] = {}
        for noun in singular_of:
            name = noun
            while (shorter := singular_of[name]) is not None:
                name = shorter
            self.by_noun[noun] = name

    def of(self, noun: str) -> str:
        """Find the class of a noun; one that names none stays as it is, and is wrong."""
        said = _plain(noun)
        if said in self.by_noun:
            return self.by_noun[said]
        names = sorted(set(self.by_noun.values()))
        known = class_of(said, names)
        if known is None:
            # The truth may hold the plural alone. "1 bus" is no plural, even if it ends like one.
            plurals = (name for name in names if name not in self.singular)
            known = next((name for name in plurals if class_of(name, (said,))), None)
        return known or said


def _plain(noun: str) -> str:
    return " ".join(noun.lower().split())


def _named(answer: Answer, classes: _TrueClasses) -> list[tuple[str, Numbers]]:
    """Class and box of each object."""
    return [(classes.of(found.phrase), found.numbers) for found in answer.objects]
