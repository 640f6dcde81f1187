"""How sure a map is: the probability of the chosen class, in a byte per pixel.

The probability is the largest of the softmax over the logits that decided about the pixel, where windows overlap over
their mean. It is the network's own opinion and no frequency: networks are often surer than they are right.

A byte holds it in steps of 1/250, which the file's scale says, so programs that honour a band's scale show 0 to 1;
255 is no data.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mfnet_lite.scenes.windows import Windows

__all__ = ["NO_CONFIDENCE", "STEPS", "confidence_of", "times_seen"]

STEPS = 250
"""What probability 1 is stored as."""
NO_CONFIDENCE = 255


def confidence_of(
    logits: Float[Tensor, "classes rows width"],
) -> UInt8[np.ndarray, "rows width"]:
    """Probability of the likeliest class.

    Args:
        logits: Of each class; a mean where several windows saw the pixel.

    Returns:
        The probability in steps of 1/250.

    Example:
        >>> confidence_of(torch.tensor([[[0.0, 20.0]], [[0.0, -20.0]]])).tolist()
        [[125, 250]]
    """
    # exp(max - logsumexp): no array of all probabilities
    probability = (logits.amax(0) - logits.logsumexp(0)).exp()
    return (probability * STEPS).round().to(torch.uint8).numpy()


def times_seen(windows: Windows, length: int) -> Float[Tensor, " length"]:
    """Sum the weights of all windows along one axis: what sums of logits have to be divided by.

    Args:
        windows: How the scene is covered.
        length: Pixels of the scene along the axis.

    Example:
        >>> times_seen(Windows(4, 2, blend="sum"), 6).tolist()
        [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]
    """
    seen = torch.zeros(length)
    for start in windows.starts(length):
        weights = windows.weights(start, length)
        seen[start : start + len(weights)] += weights
    return seen
