"""Work on whole scenes: windows, prediction, evaluation, masks without seams."""

from __future__ import annotations

from mfnet_lite.scenes.evaluate import evaluate
from mfnet_lite.scenes.flips import FlipAverage
from mfnet_lite.scenes.predict import predict_array, predict_scene

__all__ = ["FlipAverage", "evaluate", "predict_array", "predict_scene"]
