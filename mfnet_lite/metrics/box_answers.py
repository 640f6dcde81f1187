"""Scores of boxes in generated text: grounding (one box asked for) and detection (all boxes asked for).

Average precision is not among them, for it is ill-defined on text. It ranks detections by confidence and sweeps a
threshold over them; a generated list has neither confidences nor an order by them, only the one set of boxes that
was written. With equal confidences for all, AP depends on how ties happen to be sorted, and the cut-off list of a
model that stops early gets a higher precision than a complete one. So precision, recall and F1 of the one set are
given, at one IoU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mfnet_lite.metrics.polygons import intersection_and_union, pairwise_iou

__all__ = [
    "DetectionScores",
    "GroundingScores",
    "detection_scores",
    "grounding_scores",
]

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
Box = Sequence[float]
Named = tuple[str, Box]
"""Class and box."""


@dataclass(frozen=True)
class GroundingScores:
    """Scores of answers with one box, from 0 to 1; NaN without any question.

    Attributes:
        precision: Share of the boxes with an IoU of at least 0.5, 0.6, 0.7, 0.8, 0.9 (Pr@…).
        mean_iou: Mean of the IoUs; large and small objects count alike.
        cumulative_iou: Sum of the intersections over sum of the unions; large objects count more. A missing answer
            adds the true box to the unions.
        answered: Share of the questions with a readable box.
        questions: How many there were.
    """

    precision: dict[float, float]
    mean_iou: float
    cumulative_iou: float
    answered: float
    questions: int


def grounding_scores(answers: Sequence[Box | None], truth: Sequence[Box]) -> GroundingScores:
    """Score one box per question.

    Args:
        answers: The box of each answer, None where none could be read; that counts as an IoU of 0.
        truth: The true boxes, in the same unit: pixels, or shares of the square.

    Returns:
        The scores.

    Raises:
        ValueError: If there are not as many answers as true boxes.

    Example:
        >>> scores = grounding_scores([(0, 0, 2, 2), (1, 0, 3, 2), None], [(0, 0, 2, 2)] * 3)
        >>> round(scores.mean_iou, 3), round(scores.cumulative_iou, 3), round(scores.precision[0.5], 3)
        (0.444, 0.429, 0.333)
    """
    _check_lengths(answers, truth)
    if not truth:
        return GroundingScores(dict.fromkeys(THRESHOLDS, math.nan), math.nan, math.nan, math.nan, 0)
    common, union = np.zeros(len(truth)), np.zeros(len(truth))
    for k, (answer, box) in enumerate(zip(answers, truth, strict=True)):
        if answer is None:
            union[k] = intersection_and_union(box, box)[1]
        else:
            common[k], union[k] = intersection_and_union(answer, box)
    iou = common / union
    return GroundingScores(
        # A hair below the threshold is on it: 0.1 + 0.2 is not 0.3 for a computer.
        {threshold: float((iou >= threshold - 1e-9).mean()) for threshold in THRESHOLDS},
        float(iou.mean()),
        float(common.sum() / union.sum()),
        float(np.mean([answer is not None for answer in answers])),
        len(truth),
    )


@dataclass(frozen=True)
class DetectionScores:
    """Scores of lists of boxes over a set of images, from 0 to 1; NaN where nothing defines them.

    Attributes:
        precision: Share of the written boxes that are right.
        recall: Share of the true boxes that are found.
        f1: Harmonic mean of both, over all boxes of all images.
        found: True boxes found.
        written: Boxes written.
        there: True boxes.
        by_class: F1 of each class of the truth.
    """

    precision: float
    recall: float
    f1: float
    found: int
    written: int
    there: int
    by_class: dict[str, float]


def detection_scores(
    answers: Sequence[Sequence[Named]], truth: Sequence[Sequence[Named]], iou: float = 0.5
) -> DetectionScores:
    """Score all boxes of each answer: a written box is right if it has the class and enough overlap of a true one.

    Each true box is found once at most: pairs are taken in the order of their overlap. Boxes written twice are
    wrong once.

    Args:
        answers: Class and box of each object written, by image; an unreadable answer is an empty list.
        truth: Class and box of each object that is there, by image.
        iou: Least overlap.

    Returns:
        The scores. Why there is no average precision, the top of this file says.

    Raises:
        ValueError: If there are not as many answers as images.

    Example:
        >>> here = ("car", (0, 0, 2, 2))
        >>> scores = detection_scores([[here, here]], [[here, ("car", (5, 5, 6, 6))]])
        >>> scores.precision, scores.recall, scores.f1
        (0.5, 0.5, 0.5)
    """
    _check_lengths(answers, truth)
    hits: dict[str, int] = {}
    written: dict[str, int] = {}
    there: dict[str, int] = {}
    for answer, objects in zip(answers, truth, strict=True):
        for name in {name for name, _ in (*answer, *objects)}:
            ones = [box for said, box in answer if said == name]
            others = [box for said, box in objects if said == name]
            hits[name] = hits.get(name, 0) + _matches(ones, others, iou)
            written[name] = written.get(name, 0) + len(ones)
            there[name] = there.get(name, 0) + len(others)
    found, drawn, true = sum(hits.values()), sum(written.values()), sum(there.values())
    return DetectionScores(
        found / drawn if drawn else math.nan,
        found / true if true else math.nan,
        2 * found / (drawn + true) if drawn + true else math.nan,
        found,
        drawn,
        true,
        {
            name: 2 * hits[name] / (written[name] + there[name])
            for name in sorted(there)
            if there[name]
        },
    )


def _matches(ones: Sequence[Box], others: Sequence[Box], least: float) -> int:
    """Greedy matching, the best pair first."""
    overlap = pairwise_iou(ones, others)
    count = 0
    while overlap.size and overlap.max() >= least - 1e-9:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        overlap[row, :] = -1
        overlap[:, column] = -1
        count += 1
    return count


def _check_lengths(answers: Sequence[object], truth: Sequence[object]) -> None:
    if len(answers) != len(truth):
        raise ValueError(
            f"expected one answer per question, got {len(answers)} answers and {len(truth)} truths: "
            "pass None or an empty list for an unreadable one"
        )
