r"""Scores of a segmentation from one streamed confusion matrix.

A confusion matrix :math:`M` counts pixels: row = truth, column = prediction. It is a *sum over
pixels*, so tiles can be added one at a time, in any order and on any number of machines, and every
score below is the same as if all pixels had been seen at once:

.. math::

    \mathrm{OA} = \frac{\sum_c M_{cc}}{\sum_{ij} M_{ij}}, \qquad
    \mathrm{F1}_c = \frac{2 M_{cc}}{r_c + k_c}, \qquad
    \mathrm{IoU}_c = \frac{M_{cc}}{r_c + k_c - M_{cc}},

with :math:`r_c` the row sum (pixels that *are* c) and :math:`k_c` the column sum
(pixels *called* c).

Two conventions for the means. ``"all"`` averages every class. ``"authors"`` is what MFNet's code
does on the six ISPRS classes: OA counts clutter, mF1 and mIoU leave it out. Whoever compares two
papers has to know which one each of them used; the gap is several points.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Int
from torch import Tensor

Convention = Literal["all", "authors"]

ISPRS_CLASSES = 6
ISPRS_CLUTTER = 5


@dataclass(frozen=True)
class Scores:
    """All scores of one confusion matrix, as fractions in [0, 1] (``nan`` where undefined).

    A class that is neither in the truth nor in the prediction has no F1 and no IoU (``nan``) and is
    left out of the means.

    Attributes:
        OA: Overall accuracy over all counted pixels and all classes.
        mF1: Mean F1 over the classes of the convention.
        mIoU: Mean IoU over the same classes.
        kappa: Cohen's kappa, agreement beyond what the two margins give by chance.
        f1: F1 of each class.
        iou: IoU of each class.
        support: True pixels of each class.
        averaged: The classes that entered mF1 and mIoU.
    """

    OA: float
    mF1: float  # noqa: N815  the names of the papers
    mIoU: float  # noqa: N815
    kappa: float
    f1: tuple[float, ...]
    iou: tuple[float, ...]
    support: tuple[int, ...]
    averaged: tuple[int, ...]

    @property
    def single(self) -> int | None:
        """The class of all counted pixels, if there is only one of several: then no mean says anything."""
        present = [index for index, support in enumerate(self.support) if support]
        return present[0] if len(present) == 1 < len(self.support) else None

    def as_dict(self, classes: Sequence[str] | None = None) -> dict[str, Any]:
        """Return the scores ready for JSON, where an undefined score is ``None``.

        Where all counted pixels are of one class, the means are ``None`` and ``reason`` says why: a map
        of nothing else would score 100 %, whatever the network can tell apart.

        Args:
            classes: Class names, in order; ``class_0`` … without them.

        Raises:
            ValueError: If there are not as many names as classes, or a string in the place of their list.
        """
        if isinstance(classes, str):
            raise ValueError(
                f"classes must be a list of names, got the string {classes!r}; write [{classes!r}]"
            )
        names = (
            list(classes) if classes is not None else [f"class_{c}" for c in range(len(self.f1))]
        )
        if len(names) != len(self.f1):
            raise ValueError(
                f"expected {len(self.f1)} class names, one per class, but got {len(names)}: {names}"
            )
        single = self.single
        reason = {} if single is None else {"reason": f"all labelled pixels are {names[single]}"}
        return reason | {
            "OA": _json(self.OA),
            "mF1": None if reason else _json(self.mF1),
            "mIoU": None if reason else _json(self.mIoU),
            "kappa": _json(self.kappa),
            "per_class": {
                name: {"F1": _json(f1), "IoU": _json(iou), "pixels": support}
                for name, f1, iou, support in zip(
                    names, self.f1, self.iou, self.support, strict=True
                )
            },
            "averaged_classes": [names[c] for c in self.averaged],
        }


class ConfusionMatrix:
    """Count (truth, prediction) pairs as they stream by.

    Labels below 0, from ``num_classes`` on, or equal to ``ignore_index`` are not counted: that
    covers the ISPRS "undefined" (6), MMHunan's -1 and the usual 255 with one rule. A *prediction*
    outside the classes is a bug of the model and raises.

    Args:
        num_classes: Number of classes.
        ignore_index: Label of pixels without truth.

    Example:
        >>> import torch
        >>> matrix = ConfusionMatrix(2)
        >>> matrix.update(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, 255]))
        >>> matrix.counts.tolist()
        [[1, 1], [0, 1]]
        >>> round(matrix.scores().mIoU, 2)
        0.5
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.counts: Int[Tensor, "truth prediction"] = torch.zeros(
            num_classes, num_classes, dtype=torch.int64
        )

    def update(self, prediction: Int[Tensor, " *shape"], truth: Int[Tensor, " *shape"]) -> None:
        """Add the pixels of one batch, tile or window.

        Args:
            prediction: Class indices in [0, num_classes).
            truth: Labels of the same shape, any integer type.

        Raises:
            ValueError: If the shapes differ or a prediction is no class.
        """
        if prediction.shape != truth.shape:
            raise ValueError(
                f"prediction and truth must have one shape, got {tuple(prediction.shape)} "
                f"and {tuple(truth.shape)}"
            )
        n = self.num_classes
        prediction, truth = prediction.long(), truth.long()
        counted = (truth >= 0) & (truth < n) & (truth != self.ignore_index)
        prediction, truth = prediction[counted], truth[counted]
        if bool(((prediction < 0) | (prediction >= n)).any()):
            raise ValueError(
                f"predictions must lie in 0…{n - 1}, got values from {int(prediction.min())} "
                f"to {int(prediction.max())}"
            )
        flat = torch.bincount(truth * n + prediction, minlength=n * n)
        self.counts += flat.reshape(n, n).to(self.counts.device)

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        """Pool two matrices, e.g. of two machines."""
        if self.num_classes != other.num_classes:
            raise ValueError(
                f"cannot pool matrices of {self.num_classes} and {other.num_classes} classes"
            )
        pooled = ConfusionMatrix(self.num_classes, self.ignore_index)
        pooled.counts = self.counts + other.counts
        return pooled

    def scores(self, convention: Convention = "all", exclude: Iterable[int] = ()) -> Scores:
        """Compute all scores from the counts so far.

        Args:
            convention: ``"all"`` averages F1 and IoU over every class; ``"authors"`` leaves out
                class 5 (clutter) if there are six classes, as MFNet's code does on ISPRS data, and
                averages all of them otherwise, as it does on MMHunan. OA and kappa always count
                every class.
            exclude: Further classes to leave out of the means.

        Returns:
            The scores; all ``nan`` if nothing was counted.
        """
        if convention not in ("all", "authors"):
            raise ValueError(f"convention must be 'all' or 'authors', got {convention!r}")
        left_out = set(exclude)
        if convention == "authors" and self.num_classes == ISPRS_CLASSES:
            left_out.add(ISPRS_CLUTTER)
        counts = self.counts.double()
        total, diagonal = counts.sum(), counts.diagonal()
        rows, columns = counts.sum(1), counts.sum(0)
        f1 = 2 * diagonal / (rows + columns)  # 0/0 = nan: the class does not occur
        iou = diagonal / (rows + columns - diagonal)
        averaged = tuple(
            c for c in range(self.num_classes) if c not in left_out and rows[c] + columns[c] > 0
        )
        keep = list(averaged)
        observed = diagonal.sum() / total
        by_chance = (rows * columns).sum() / total**2
        return Scores(
            OA=float(observed),
            mF1=float(f1[keep].mean()),
            mIoU=float(iou[keep].mean()),
            kappa=float((observed - by_chance) / (1 - by_chance)),
            f1=tuple(f1.tolist()),
            iou=tuple(iou.tolist()),
            support=tuple(int(r) for r in rows),
            averaged=averaged,
        )


def _json(value: float) -> float | None:
    """JSON has no NaN: an undefined score is null."""
    return None if value != value else value
