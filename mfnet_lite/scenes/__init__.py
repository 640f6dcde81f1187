"""Work on whole scenes: windows, prediction, evaluation, masks without seams."""

from __future__ import annotations

from mfnet_lite.scenes.evaluate import evaluate
from mfnet_lite.scenes.flips import FlipAverage
from mfnet_lite.scenes.predict import predict_array, predict_scene
from mfnet_lite.scenes.windows import Windows, blend_windows

__all__ = [
    "FlipAverage",
    "Windows",
    "blend_windows",
    "evaluate",
    "predict_array",
    "predict_scene",
]
