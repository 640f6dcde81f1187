"""One explicit training loop, scores, checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mfnet_lite.training.change import ChangeScores, change_scores, iou_of_f1, per_picture
from mfnet_lite.training.config import TrainConfig
from mfnet_lite.training.detection import BoxScores, BoxSettings, boxes_from_mask, score_boxes
from mfnet_lite.training.evaluate import evaluate
from mfnet_lite.training.metrics import ConfusionMatrix, Scores
from mfnet_lite.training.objects import WithObjects
from mfnet_lite.training.schedule import multistep, warmup_cosine
from mfnet_lite.training.state import load_model, save_model
from mfnet_lite.training.tilt import Tilted

if TYPE_CHECKING:
    from mfnet_lite.training.loop import fit

__all__ = [
    "BoxScores",
    "BoxSettings",
    "ChangeScores",
    "ConfusionMatrix",
    "Scores",
    "Tilted",
    "TrainConfig",
    "WithObjects",
    "boxes_from_mask",
    "change_scores",
    "evaluate",
    "fit",
    "iou_of_f1",
    "load_model",
    "multistep",
    "per_picture",
    "save_model",
    "score_boxes",
    "warmup_cosine",
]


def __getattr__(name: str) -> Any:
    """Import :func:`fit` on first use: whoever only scores or predicts need not wait for Fabric."""
    if name == "fit":
        from mfnet_lite.training.loop import fit

        return fit
    raise AttributeError(f"module 'mfnet_lite.training' has no attribute {name!r}")
