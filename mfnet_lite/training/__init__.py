"""One explicit training loop, scores, checkpoints."""

from __future__ import annotations

from mfnet_lite.training.config import TrainConfig
from mfnet_lite.training.evaluate import evaluate
from mfnet_lite.training.loop import fit
from mfnet_lite.training.metrics import ConfusionMatrix, Scores
from mfnet_lite.training.schedule import multistep, warmup_cosine
from mfnet_lite.training.state import load_model, save_model

__all__ = [
    "ConfusionMatrix",
    "Scores",
    "TrainConfig",
    "evaluate",
    "fit",
    "load_model",
    "multistep",
    "save_model",
    "warmup_cosine",
]
