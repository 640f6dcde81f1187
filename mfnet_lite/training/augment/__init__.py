"""Augmentations that depend on (seed, epoch, index) alone, so that a resumed training sees the same."""

from __future__ import annotations

from mfnet_lite.training.augment.jitter import Augmented
from mfnet_lite.training.augment.rotation import RandomRotation

__all__ = ["Augmented", "RandomRotation"]
