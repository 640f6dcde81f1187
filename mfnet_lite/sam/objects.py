"""Objects and boundaries from SAM: what its masks say once their overlaps are settled (SGO, SGB).

Ma et al., "SAM-Assisted Remote Sensing Imagery Semantic Segmentation With Object and Boundary
Constraints", IEEE TGRS 2024, arXiv 2312.02464. Automatic masks overlap and have no order; a training
target needs one number per pixel. So the masks are painted from large to small into an object map
(SGO), the outlines of *all* of them form the boundary map (SGB), and objects give way where a
boundary runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int32, UInt8
from segment_anything.modeling import Sam

from mfnet_lite.sam.automatic import generate_masks
from mfnet_lite.utils.borders import borders

__all__ = ["ObjectSettings", "Objects", "find_objects", "objects_from_masks", "outlines"]

CHUNK_BYTES = 16 * 2**20
"""Size of the masks that are looked at together."""


@dataclass(frozen=True)
class ObjectSettings:
    """How masks are found and which become objects.

    Attributes:
        points_per_side: The grid of clicks has this many points squared.
        pred_iou_thresh: Smallest quality the model expects of a mask.
        stability_score_thresh: Smallest stability under a moved threshold.
        box_nms_thresh: Of two masks whose boxes overlap more (IoU), the better stays.
        min_area: Smaller masks, in pixels, become no object (their outlines still count).
        max_objects: Only so many of the largest masks become objects; None for all.
    """

    points_per_side: int = 32
    pred_iou_thresh: float = 0.88
    stability_score_thresh: float = 0.95
    box_nms_thresh: float = 0.7
    min_area: int = 50
    max_objects: int | None = None

    def __post_init__(self) -> None:
        """Refuse a grid without points, and thresholds that are no number."""
        if self.points_per_side < 1:
            raise ValueError(f"points must be at least 1 along a side, got {self.points_per_side}")
        for name in ("pred_iou_thresh", "stability_score_thresh"):
            if math.isnan(getattr(self, name)):  # every mask would fall below it, or none
                raise ValueError(f"{name} must be a number, got nan")

    @classmethod
    def official(cls) -> ObjectSettings:
        """Return the authors' settings (see *Paper versus code*): few and sure masks, at most 50 objects."""
        return cls(pred_iou_thresh=0.96, box_nms_thresh=0.5, max_objects=50)

    @classmethod
    def small(cls) -> ObjectSettings:
        """Return thresholds for the small SAM that ships with the package, which expects little of itself."""
        return cls(points_per_side=16, pred_iou_thresh=0.2, stability_score_thresh=0.3, min_area=20)


class ObjectMaps(NamedTuple):
    """Objects of a picture and the outlines between them.

    Args:
        objects: (H, W) ids from 1, 0 where there is none or a boundary runs.
        boundaries: (H, W) whether an outline runs here: two pixels wide, one on each side.
        whole: (H, W) the ids before boundaries took their pixels.
    """

    objects: Int32[np.ndarray, "height width"]
    boundaries: Bool[np.ndarray, "height width"]
    whole: Int32[np.ndarray, "height width"]


class Objects(ObjectMaps):
    """What :func:`find_objects` and :func:`objects_from_masks` return: the three maps, and scores beside them.

    Three values when it is taken apart, as ever: ``objects, boundaries, whole = find_objects(...)``.

    Attributes:
        scores: The IoU that SAM expects of each object's mask, from id 1; None where nobody said.
    """

    scores: Float64[np.ndarray, " objects"] | None = None


def objects_from_masks(
    masks: Bool[np.ndarray, "mask height width"],
    min_area: int = 50,
    max_objects: int | None = None,
    scores: Float64[np.ndarray, " mask"] | None = None,
) -> Objects:
    """Settle overlapping masks.

    Args:
        masks: Any number of masks, none included.
        min_area: Smaller masks become no object.
        max_objects: Only the largest so many do.
        scores: One per mask, handed on to the objects.

    Returns:
        Ids in descending order of area; of two masks at a pixel the smaller one wins.

    Raises:
        ValueError: If the masks are not boolean or not three-dimensional.

    Example:
        >>> masks = np.zeros((2, 6, 6), dtype=bool)
        >>> masks[0, 2:4, 2:4], masks[1] = True, True
        >>> found = objects_from_masks(masks, min_area=1)
        >>> print(found.boundaries.astype(int))
        [[0 0 0 0 0 0]
         [0 0 1 1 0 0]
         [0 1 1 1 1 0]
         [0 1 1 1 1 0]
         [0 0 1 1 0 0]
         [0 0 0 0 0 0]]
    """
    if masks.ndim != 3 or masks.dtype != np.bool_:
        raise ValueError(
            f"expected boolean masks of shape (mask, height, width), got {masks.dtype} of shape "
            f"{masks.shape}"
        )
    area = masks.sum(axis=(1, 2))
    order = np.argsort(-area, kind="stable")  # of equal areas the earlier mask is painted first
    order = order[area[order] >= min_area][:max_objects]
    # Painting one over the other leaves the highest number at each pixel: a maximum, in any order.
    whole = np.zeros(masks.shape[1:], dtype=np.int32)
    step = max(1, CHUNK_BYTES // max(1, whole.nbytes))
    for first in range(0, len(order), step):
        some = order[first : first + step]
        numbers = np.arange(first + 1, first + 1 + len(some), dtype=np.int32)
        np.maximum(whole, (masks[some] * numbers[:, None, None]).max(axis=0), out=whole)
    boundaries = outlines(masks)
    found = Objects(np.where(boundaries, np.int32(0), whole), boundaries, whole)
    found.scores = None if scores is None else scores[order]
    return found


def outlines(masks: Bool[np.ndarray, "mask height width"]) -> Bool[np.ndarray, "height width"]:
    """Mark both sides of every mask's edge; the border of the image is no edge.

    Args:
        masks: Any number of masks.

    Returns:
        The union of each mask's :func:`~mfnet_lite.utils.borders.borders`.
    """
    out = np.zeros(masks.shape[1:], dtype=bool)
    step = max(1, CHUNK_BYTES // max(1, out.size))
    for first in range(0, len(masks), step):
        out |= borders(masks[first : first + step])
    return out


def find_objects(
    sam: Sam,
    image: UInt8[np.ndarray, "height width 3"],
    settings: ObjectSettings | None = None,
) -> Objects:
    """Find the objects and boundaries of one image.

    Args:
        sam: The model.
        image: RGB, 0–255, at most a few times the model's input size: it is shrunk to that.
        settings: How; :meth:`ObjectSettings.official` for the authors'.

    Returns:
        Objects and boundaries; empty maps where SAM finds nothing (the authors' code fails there).
    """
    settings = settings or ObjectSettings()
    records = generate_masks(
        sam,
        image,
        points_per_side=settings.points_per_side,
        pred_iou_thresh=settings.pred_iou_thresh,
        stability_score_thresh=settings.stability_score_thresh,
        box_nms_thresh=settings.box_nms_thresh,
    )
    masks = np.zeros((len(records), *image.shape[:2]), dtype=bool)
    for mask, record in zip(masks, records, strict=True):
        mask[:] = record["segmentation"]
    scores = np.array([record["predicted_iou"] for record in records], dtype=np.float64)
    return objects_from_masks(masks, settings.min_area, settings.max_objects, scores)
