"""Scores of maps, of changes and of boxes, one file each."""

from __future__ import annotations

from mfnet_lite.metrics.change import ChangeScores, change_scores, iou_of_f1, per_image
from mfnet_lite.metrics.detection import BoxScores, BoxSettings, boxes_from_mask, score_boxes
from mfnet_lite.metrics.segmentation import ConfusionMatrix, Scores

__all__ = [
    "BoxScores",
    "BoxSettings",
    "ChangeScores",
    "ConfusionMatrix",
    "Scores",
    "boxes_from_mask",
    "change_scores",
    "iou_of_f1",
    "per_image",
    "score_boxes",
]
