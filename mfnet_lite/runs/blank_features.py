"""A mean image in the place of every image: what the words of questions alone give away."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mfnet_lite.runs.image_features import AT_ONCE, ImageFeatures

__all__ = ["BlankFeatures"]


class BlankFeatures(ImageFeatures):
    """The mean of the features of some images, for each of them.

    A black image would be one that the model has never seen anything like; the mean is as typical as an image can be
    that tells nothing about the one asked about.

    Args:
        features: Of the images; each file counts once.

    Raises:
        FileNotFoundError: If an image is not there.
        ValueError: If there is no image, or one cannot be read.
    """

    def __init__(self, features: ImageFeatures) -> None:
        if not len(features):
            raise ValueError("expected at least one image to take the mean of, got none")
        vars(self).update(vars(features))
        first = list(
            {file: index for index, file in reversed(list(enumerate(self.files)))}.values()
        )
        total: Tensor | float = 0.0
        for begin in range(0, len(first), AT_ONCE):
            total = total + torch.stack(features.of(first[begin : begin + AT_ONCE])).float().sum(0)
        self.mean: Tensor = (torch.as_tensor(total) / len(first)).bfloat16()

    def of(self, indices: Sequence[int]) -> list[Float[Tensor, "token channels"]]:
        """Return the mean as often as images are asked for."""
        return [self.mean] * len(indices)
