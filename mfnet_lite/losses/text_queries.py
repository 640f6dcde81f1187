r"""MFuser's loss: masks of class-bound queries from every decoder output, and pixels near the words of their class.

.. math:: L = \sum_{i=0}^{n} L_{query}^{(i)} + \lambda\, L_{align}

Zhang and Tan, CVPR 2025, arXiv 2504.03193; the two terms are :func:`~mfnet_lite.losses.class_query_loss` and
:func:`~mfnet_lite.losses.pixel_text_alignment`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mfnet_lite.losses.class_queries import RELEASED, QueryWeights, class_query_loss
from mfnet_lite.losses.pixel_text import TEMPERATURE, Form, pixel_text_alignment

__all__ = ["text_query_loss"]


def text_query_loss(
    outputs: Sequence[tuple[Tensor, Tensor]],
    label: Int[Tensor, "batch height width"],
    dense: Float[Tensor, "batch joint rows columns"] | None = None,
    text: Float[Tensor, "batch class joint"] | None = None,
    alignment: float = 1.0,
    form: Form = "softmax",
    scale: float = 1 / TEMPERATURE,
    shift: float = 0.0,
    weights: QueryWeights = RELEASED,
    ignore_index: int = 255,
    points: int = 0,
    over_all_pixels: bool = False,
) -> Float[Tensor, ""]:
    """Sum the loss of every decoder output, and the alignment of pixels and words.

    Args:
        outputs: Class (or presence) logits and mask logits of every decoder output.
        label: Class indices; negative ones and ``ignore_index`` do not count.
        dense: The image in the space of texts; None leaves the alignment out.
        text: The classes in it, for each image.
        alignment: Weight of the alignment.
        form: Of the alignment.
        scale: Of its cosines.
        shift: Added to them then.
        weights: Of the terms of a decoder output.
        ignore_index: Label of pixels without truth.
        points: Points at which masks are compared; 0 compares all pixels.
        over_all_pixels: Divide the alignment's sum by all pixels, as the authors' code does.

    Raises:
        ValueError: If shapes or labels do not fit, or there is no output.
    """
    if not outputs:
        raise ValueError("expected at least one decoder output, got none")
    terms = [
        class_query_loss(of_classes, masks, label, weights, ignore_index, points)["total"]
        for of_classes, masks in outputs
    ]
    if dense is not None and text is not None and alignment:
        aligned = pixel_text_alignment(
            dense, text, label, form, scale, shift, ignore_index, over_all_pixels
        )
        terms.append(alignment * aligned)
    return torch.stack(terms).sum()
