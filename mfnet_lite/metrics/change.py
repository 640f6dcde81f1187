r"""Scores of a change map: those of the changed class first, means over both classes under their own names.

A change map has two classes, and nearly all pixels belong to one of them. "F1" can then mean two
things,

.. math:: \mathrm{F1}_{changed} = \frac{2\,TP}{2\,TP + FP + FN}, \qquad
          \mathrm{mF1} = \tfrac12 (\mathrm{F1}_{changed} + \mathrm{F1}_{unchanged}),

and the second is higher by points, because "unchanged" is easy. SAM-CD's tables show the second:
95.50 on LEVIR-CD, where the changed class alone has 91.46 (the authors' own answer in their
repository; page *Paper versus code*). A third number comes from averaging over images instead of pixels; the
authors select their models by it (:func:`per_image`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mfnet_lite.metrics.segmentation import ConfusionMatrix

CHANGED = ("unchanged", "changed")
"""Names and order of the two classes."""
SURE = 0.999
"""Accuracy above which the authors forgive an image without a hit."""


@dataclass(frozen=True)
class ChangeScores:
    """Scores of a map of two classes, as fractions in [0, 1] (``nan`` where undefined).

    Attributes:
        precision: Share of the pixels called changed that are.
        recall: Share of the changed pixels that were found.
        F1: Of the changed class, their harmonic mean.
        IoU: Of the changed class.
        macro_precision: Mean of both classes' precision.
        macro_recall: Mean of both classes' recall.
        mF1: Mean of both classes' F1.
        mIoU: Mean of both classes' IoU.
        OA: Share of all pixels that are right.
    """

    precision: float
    recall: float
    F1: float
    IoU: float
    macro_precision: float
    macro_recall: float
    mF1: float  # noqa: N815  the names of the papers
    mIoU: float  # noqa: N815
    OA: float

    def as_dict(self) -> dict[str, float | None]:
        """Return the scores ready for JSON, the changed class first; an undefined one is ``None``."""
        return {k: None if v != v else v for k, v in asdict(self).items()}


def change_scores(matrix: ConfusionMatrix) -> ChangeScores:
    """Score a change map from its counts.

    Args:
        matrix: Counts of two classes, 0 unchanged and 1 changed, pooled over all images.

    Returns:
        The scores; those of a class that neither occurs nor is predicted are ``nan``, and then a mean
        is that of the other class.

    Raises:
        ValueError: If there are not two classes.

    Example:
        >>> import torch
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.counts = torch.tensor([[90, 2], [4, 4]])
        >>> scores = change_scores(matrix)
        >>> round(scores.F1, 3), round(scores.mF1, 3)
        (0.571, 0.77)
    """
    if matrix.num_classes != 2:
        raise ValueError(
            f"a change map has the classes {', '.join(CHANGED)}, got {matrix.num_classes} classes"
        )
    every = matrix.scores()
    counts = matrix.counts.double()
    called, true = counts.sum(0), counts.sum(1)
    precision = (counts.diagonal() / called).tolist()
    recall = (counts.diagonal() / true).tolist()
    return ChangeScores(
        precision=precision[1],
        recall=recall[1],
        F1=every.f1[1],
        IoU=every.iou[1],
        macro_precision=_mean(precision),
        macro_recall=_mean(recall),
        mF1=every.mF1,
        mIoU=every.mIoU,
        OA=every.OA,
    )


def per_image(matrices: Sequence[ConfusionMatrix]) -> dict[str, float]:
    """Mean over images of the changed class's scores, by which the authors select their models.

    An image with an accuracy above 0.999 and not one hit counts as perfect, as in the authors' code;
    any other undefined score counts as 0.

    Args:
        matrices: One matrix per image.

    Returns:
        Means of ``precision``, ``recall``, ``F1`` and ``IoU``.

    Raises:
        ValueError: If there is no image.
    """
    if not matrices:
        raise ValueError("there is no image to average over")
    rows = []
    for matrix in matrices:
        scores = change_scores(matrix)
        names = ("precision", "recall", "F1", "IoU")
        if scores.OA > SURE and int(matrix.counts[1, 1]) == 0:
            rows.append(dict.fromkeys(names, 1.0))
        else:
            values: dict[str, Any] = scores.as_dict()
            rows.append({name: values[name] or 0.0 for name in names})
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def iou_of_f1(f1: float) -> float:
    """IoU of a class from its F1: :math:`F / (2 - F)`, an identity of one confusion matrix.

    It tells whether two numbers of a table can belong to one class: means do not obey it.

    Args:
        f1: In [0, 1].

    Example:
        >>> round(iou_of_f1(0.9146), 6)  # LEVIR-CD, changed class
        0.842639
    """
    if not 0 <= f1 <= 1:
        raise ValueError(f"an F1 lies in [0, 1], got {f1}")
    return f1 / (2 - f1)


def _mean(values: list[float]) -> float:
    """Mean of what is defined."""
    kept = [value for value in values if value == value]
    return sum(kept) / len(kept) if kept else float("nan")
