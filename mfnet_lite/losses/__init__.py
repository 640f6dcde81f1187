"""Loss functions, one file each: pure functions on tensors."""

from __future__ import annotations

from mfnet_lite.losses.assisted import AssistedLoss
from mfnet_lite.losses.boundary import boundary, soft_edges
from mfnet_lite.losses.class_balance import BalancedLoss, balanced_weights
from mfnet_lite.losses.class_queries import (
    QueryWeights,
    class_query_loss,
    masks_of_classes,
    undecided_points,
)
from mfnet_lite.losses.cross_entropy import cross_entropy
from mfnet_lite.losses.focal_dice import dice_loss, focal_loss, mask_iou, mask_loss
from mfnet_lite.losses.object_consistency import object_consistency, renumber_objects
from mfnet_lite.losses.pixel_text import pixel_text_alignment, pixel_text_cosine
from mfnet_lite.losses.plate_dice import batch_dice, two_class_dice
from mfnet_lite.losses.temporal import temporal_similarity
from mfnet_lite.losses.text_queries import text_query_loss

__all__ = [
    "AssistedLoss",
    "BalancedLoss",
    "QueryWeights",
    "balanced_weights",
    "batch_dice",
    "boundary",
    "class_query_loss",
    "cross_entropy",
    "dice_loss",
    "focal_loss",
    "mask_iou",
    "mask_loss",
    "masks_of_classes",
    "object_consistency",
    "pixel_text_alignment",
    "pixel_text_cosine",
    "renumber_objects",
    "soft_edges",
    "temporal_similarity",
    "text_query_loss",
    "two_class_dice",
    "undecided_points",
]
