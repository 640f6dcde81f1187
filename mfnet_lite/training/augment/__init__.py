"""Augmentations that depend on (seed, epoch, index) alone, so that a resumed training sees the same.

:class:`RandomJitter` for scenes from above, :class:`RandomRotation` for photographs; a new one is a subclass
of :class:`Augmentation`.
"""

from __future__ import annotations

from mfnet_lite.training.augment.augmentation import Augmentation
from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.training.augment.rotation import RandomRotation

__all__ = ["Augmentation", "RandomJitter", "RandomRotation"]
