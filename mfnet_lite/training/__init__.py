"""One explicit training loop, its schedule, its samples in order, its checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mfnet_lite.training.augment import Augmentation, RandomJitter, RandomRotation
from mfnet_lite.training.config import TrainConfig
from mfnet_lite.training.schedule import multistep, warmup_cosine
from mfnet_lite.training.state import load_model, save_model

if TYPE_CHECKING:
    from mfnet_lite.training.loop import fit

__all__ = [
    "Augmentation",
    "RandomJitter",
    "RandomRotation",
    "TrainConfig",
    "fit",
    "load_model",
    "multistep",
    "save_model",
    "warmup_cosine",
]


def __getattr__(name: str) -> Any:
    """Import :func:`fit` on first use: whoever only scores or predicts need not wait for Fabric."""
    if name == "fit":
        from mfnet_lite.training.loop import fit

        return fit
    raise AttributeError(f"module 'mfnet_lite.training' has no attribute {name!r}")
