"""Class-balanced random forests: of single pixels, of what surrounds them, of a frozen network's maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.metrics import ConfusionMatrix
from mfnet_lite.nets import TimmPyramid
from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.utils.samples import Samples

FORESTS = ("pixels", "neighbourhood", "features")
FOREST = {"n_estimators": 100, "min_samples_leaf": 3, "class_weight": "balanced"}
FOREST_PIXELS = 20_000
"""Most pixels that a forest learns from."""
SIGMA = 8
"""Widest smoothing of the forest that sees a neighbourhood, pixels."""
ENCODER = "tf_efficientnet_lite0"
MAPS = 2
"""Maps of the encoder that a forest reads, the finest: strides 4 and 8."""

Counts = Callable[[Samples], ConfusionMatrix]
"""Counts a model's answers on whole tiles."""


@cache
def frozen() -> TimmPyramid:
    """Return the encoder whose maps a forest reads."""
    return TimmPyramid(ENCODER, pretrained=True)


def maps_of(image: Tensor) -> Tensor:
    """Return the frozen encoder's finest maps at every pixel."""
    height, width = image.shape[1:]
    padded = pad_to_multiple(image[None], 32)
    levels = frozen()(padded)[:MAPS]
    found = [F.interpolate(x, size=padded.shape[2:], mode="bilinear") for x in levels]
    return torch.cat(found, dim=1)[0, :, :height, :width]


def features(sample: Mapping[str, Tensor], model: str) -> np.ndarray:
    """What a forest sees of a pixel: bands, of two dates their difference; and what its name says beside them."""
    from skimage.feature import multiscale_basic_features

    bands = torch.cat([x for name, x in sample.items() if name != "label"])
    if "before" in sample:
        bands = torch.cat([bands, (sample["before"] - sample["after"]).abs()])
    if model == "features":
        bands = torch.cat([bands, maps_of(sample["optical"])])
    array = bands.numpy()
    if model == "neighbourhood":
        array = multiscale_basic_features(
            array, texture=False, sigma_max=SIGMA, channel_axis=0
        ).transpose(2, 0, 1)
    return array.reshape(len(array), -1).T


def forest(model: str, samples: Samples, classes: int, seed: int) -> Counts:
    """Train a forest.

    Args:
        model: One of ``FORESTS``.
        samples: Whole tiles to learn from.
        classes: Their number.
        seed: Of the trees and of the pixels, where there are more than ``FOREST_PIXELS``.

    Returns:
        What counts its answers on other tiles.
    """
    from sklearn.ensemble import RandomForestClassifier

    tiles = [samples[k] for k in range(len(samples))]
    x = np.concatenate([features(tile, model) for tile in tiles])
    y = np.concatenate([tile["label"].flatten().numpy() for tile in tiles])
    known = np.flatnonzero(y != 255)
    chosen = np.random.default_rng(seed).permutation(known)[:FOREST_PIXELS]
    trees = RandomForestClassifier(**FOREST, random_state=seed).fit(x[chosen], y[chosen])

    def count(tests: Samples) -> ConfusionMatrix:
        matrix = ConfusionMatrix(classes)
        for k in range(len(tests)):
            said = trees.predict(features(tests[k], model)).astype(np.int64)
            matrix.update(
                torch.from_numpy(said).reshape(tests[k]["label"].shape), tests[k]["label"]
            )
        return matrix

    return count
