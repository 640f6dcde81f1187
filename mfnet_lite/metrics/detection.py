"""Boxes out of masks, and how good they are: precision, recall, F1, average precision.

A plate detector that segments has no boxes of its own: one is drawn around every connected component of the
mask. Matching and average precision are COCO's, done by ``pycocotools``, which is needed for the scores only.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import remove_small_objects

__all__ = ["BoxScores", "BoxSettings", "boxes_from_mask", "score_boxes"]

EIGHT = np.ones((3, 3), dtype=bool)

# scikit-image 0.26 has max_size, the largest that goes, for min_size, the smallest that stays.
_UP_TO = "max_size" in inspect.signature(remove_small_objects).parameters


@dataclass(frozen=True)
class BoxSettings:
    """How a mask becomes boxes.

    The authors' numbers belong to images of 1080 × 1920 pixels. Here the area is a share of the image
    and steps are a share of its shorter side, so that a small image keeps its small plates.

    Attributes:
        smallest: Smallest component (and largest hole that is filled), as a share of the image's area.
        erode: Steps of erosion (3 × 3) on an image whose shorter side is ``reference``.
        dilate: Steps of dilation after that.
        reference: That side in pixels; 0 takes the steps as they are and ``smallest`` in pixels.
    """

    smallest: float = 2500 / (1080 * 1920)
    erode: float = 2
    dilate: float = 3
    reference: int = 1080

    @classmethod
    def official(cls) -> BoxSettings:
        """Return the authors' fixed numbers, for images of their size: 2500 pixels, 2 and 3 steps."""
        return cls(smallest=2500, reference=0)

    def at(self, height: int, width: int) -> tuple[float, int, int]:
        """Return smallest area in pixels, steps of erosion and of dilation for an image.

        Example:
            >>> BoxSettings().at(1080, 1920), BoxSettings().at(128, 128)[1:]
            ((2500.0, 2, 3), (0, 0))
        """
        if not self.reference:
            return self.smallest, round(self.erode), round(self.dilate)
        scale = min(height, width) / self.reference
        return (
            self.smallest * height * width,
            round(self.erode * scale),
            round(self.dilate * scale),
        )


def boxes_from_mask(
    mask: Bool[np.ndarray, "height width"], settings: BoxSettings | None = None
) -> tuple[Float[np.ndarray, "n 4"], NDArray[Any]]:
    """Draw a box around every connected component of a mask.

    Small islands go, small holes close, the outline is opened and grown by a pixel's breadth; then
    components that touch at a side or corner count as one.

    Args:
        mask: Where the plate is.
        settings: Sizes; defaults to those of :class:`BoxSettings`.

    Returns:
        Boxes x0, y0, x1, y1 in pixel edges (a single pixel at the corner is 0, 0, 1, 1), and the map of
        components: k + 1 for the pixels of box k, else 0.

    Example:
        >>> mask = np.zeros((40, 40), dtype=bool)
        >>> mask[10:15, 20:32] = True
        >>> boxes_from_mask(mask)[0].tolist()
        [[20.0, 10.0, 32.0, 15.0]]
    """
    smallest, erode, dilate = (settings or BoxSettings()).at(*mask.shape)
    clean = without_small(mask, smallest)
    clean = ~without_small(~clean, smallest)
    if erode:
        clean = ndimage.binary_erosion(clean, EIGHT, iterations=erode)
    if dilate:
        clean = ndimage.binary_dilation(clean, EIGHT, iterations=dilate)
    components, _ = ndimage.label(clean, EIGHT)
    found = ndimage.find_objects(components)
    boxes = [[x.start, y.start, x.stop, y.stop] for y, x in found]
    return np.array(boxes, dtype=float).reshape(-1, 4), components


def without_small(
    mask: Bool[np.ndarray, "height width"], smallest: float
) -> Bool[np.ndarray, "height width"]:
    """Drop the connected components of a mask that have fewer pixels than ``smallest``.

    Args:
        mask: The mask.
        smallest: Least number of pixels that stays; it need not be whole.

    Returns:
        The mask without them.
    """
    largest_gone = max(0, math.ceil(smallest) - 1)
    limit = {"max_size": largest_gone} if _UP_TO else {"min_size": largest_gone + 1}
    kept: Bool[np.ndarray, "height width"] = remove_small_objects(mask, connectivity=2, **limit)
    return kept


@dataclass(frozen=True)
class BoxScores:
    """Scores of boxes over a set of images, from 0 to 1; NaN where nothing defines them.

    Attributes:
        AP: COCO's average precision, mean over IoU thresholds 0.50 to 0.95.
        AP50: At the IoU threshold 0.50.
        precision: Share of the boxes that are plates, at 0.50, all boxes counted.
        recall: Share of the plates that are found.
        F1: Harmonic mean of both.
        found: Plates found.
        boxes: Boxes drawn.
        plates: Plates there are.
    """

    AP: float
    AP50: float
    precision: float
    recall: float
    F1: float
    found: int
    boxes: int
    plates: int


def score_boxes(
    boxes: Sequence[Float[np.ndarray, "n 4"]],
    confidences: Sequence[Float[np.ndarray, " n"]],
    plates: Sequence[Float[np.ndarray, "m 4"]],
) -> BoxScores:
    """Score the boxes of a set of images with COCO's matching: each plate is found once at most.

    Args:
        boxes: Boxes of each image, x0, y0, x1, y1 in pixel edges.
        confidences: How sure the model is of each.
        plates: True boxes of each image.

    Returns:
        The scores.

    Raises:
        ImportError: If ``pycocotools`` is not installed.
        ValueError: If the lists do not fit each other.

    Example:
        >>> true = np.array([[0.0, 0, 10, 10]])
        >>> scores = score_boxes([true], [np.array([0.9])], [true])
        >>> round(scores.AP50, 6), scores.F1
        (1.0, 1.0)
    """
    if not len(boxes) == len(confidences) == len(plates):
        raise ValueError(
            f"expected as many images with boxes, confidences and plates, got {len(boxes)}, "
            f"{len(confidences)} and {len(plates)}: pass an empty array for an image without any"
        )
    for number, (box, confidence) in enumerate(zip(boxes, confidences, strict=True)):
        if box.shape != (len(confidence), 4):
            raise ValueError(
                f"expected one confidence per box, image {number} has boxes of shape {box.shape} "
                f"and {len(confidence)} confidences"
            )
    drawn, there = sum(map(len, boxes)), sum(map(len, plates))
    ap, ap50, found = _coco(boxes, confidences, plates) if drawn and there else (0.0, 0.0, 0)
    if not there:
        ap = ap50 = math.nan
    precision = found / drawn if drawn else math.nan
    recall = found / there if there else math.nan
    f1 = 2 * found / (drawn + there) if drawn + there else math.nan
    return BoxScores(ap, ap50, precision, recall, f1, found, drawn, there)


def _coco(
    boxes: Sequence[NDArray[Any]],
    confidences: Sequence[NDArray[Any]],
    plates: Sequence[NDArray[Any]],
) -> tuple[float, float, int]:
    """Average precision, that at 0.50, and the number of plates found at 0.50."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise ImportError(
            "average precision needs pycocotools, which is not installed; "
            "run: pip install pycocotools"
        ) from error
    truth = {
        "info": {},
        "images": [{"id": i + 1} for i in range(len(boxes))],
        "categories": [{"id": 1, "name": "plate"}],
        "annotations": _records(plates, None),
    }
    with contextlib.redirect_stdout(io.StringIO()):  # the library reports its progress on stdout
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(_records(boxes, confidences)), "bbox")
        most = max(map(len, boxes))
        run.params.maxDets = [1, 10, max(100, most)]
        run.evaluate()
        run.accumulate()
    # precision: thresholds × recalls × categories × areas × most detections
    curves = run.eval["precision"][:, :, 0, 0, -1]
    all_areas = run.params.areaRng[0]
    matched = [
        entry["dtMatches"][0] for entry in run.evalImgs if entry and entry["aRng"] == all_areas
    ]
    found = int(sum(np.count_nonzero(row) for row in matched))
    return float(curves.mean()), float(curves[0].mean()), found


def _records(
    boxes: Sequence[NDArray[Any]], confidences: Sequence[NDArray[Any]] | None
) -> list[dict[str, Any]]:
    """Boxes as COCO's annotations; its ids start at one, since it takes a match with 0 for none."""
    records: list[dict[str, Any]] = []
    for image, rows in enumerate(boxes):
        for number, (x0, y0, x1, y1) in enumerate(rows.tolist()):
            record = {
                "id": len(records) + 1,
                "image_id": image + 1,
                "category_id": 1,
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": (x1 - x0) * (y1 - y0),
                "iscrowd": 0,
            }
            if confidences is not None:
                record["score"] = float(confidences[image][number])
            records.append(record)
    return records
