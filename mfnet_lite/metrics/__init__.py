"""Scores of maps, of changes, of boxes and of words, one file each."""

from __future__ import annotations

from mfnet_lite.metrics.box_answers import (
    DetectionScores,
    GroundingScores,
    detection_scores,
    grounding_scores,
)
from mfnet_lite.metrics.change import ChangeScores, change_scores, iou_of_f1, per_image
from mfnet_lite.metrics.detection import BoxScores, BoxSettings, boxes_from_mask, score_boxes
from mfnet_lite.metrics.language import accuracy, bleu, cider, malformed_rate, normalise
from mfnet_lite.metrics.polygons import intersection_and_union, pairwise_iou
from mfnet_lite.metrics.purity import purity
from mfnet_lite.metrics.segmentation import ConfusionMatrix, Scores

__all__ = [
    "BoxScores",
    "BoxSettings",
    "ChangeScores",
    "ConfusionMatrix",
    "DetectionScores",
    "GroundingScores",
    "Scores",
    "accuracy",
    "bleu",
    "boxes_from_mask",
    "change_scores",
    "cider",
    "detection_scores",
    "grounding_scores",
    "intersection_and_union",
    "iou_of_f1",
    "malformed_rate",
    "normalise",
    "pairwise_iou",
    "per_image",
    "purity",
    "score_boxes",
]
