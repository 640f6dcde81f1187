r"""Pixel-text alignment: every pixel's embedding should lie nearest to that of its class's words.

MFuser (Zhang and Tan, CVPR 2025, arXiv 2504.03193) compares the vision-language encoder's dense embeddings with the
refined class embeddings by their cosine :math:`s_k`, enlarged to the size of the labels::

    softmax    -log softmax(s / τ)_label              one class excludes the others (CLIP)
    sigmoid    -Σ_k log σ(±(a s_k + b))               yes or no for each class (SigLIP)

The authors' code takes the softmax form for all encoders, although they describe the sigmoid form for SigLIP; and its
mean divides by all pixels, those without a label included. Both stand here as options.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses.cross_entropy import cross_entropy
from mfnet_lite.losses.labelled import labelled
from mfnet_lite.losses.precision import at_least_single

__all__ = ["pixel_text_alignment", "pixel_text_cosine"]

Form = Literal["softmax", "sigmoid"]
TEMPERATURE = 0.07
"""Of the softmax form, as released."""


def pixel_text_cosine(
    dense: Float[Tensor, "batch channels height width"],
    text: Float[Tensor, "batch class channels"],
) -> Float[Tensor, "batch class height width"]:
    """Cosine between every pixel's embedding and every class's.

    Args:
        dense: Embeddings of the image.
        text: Embeddings of the classes, for each image.

    Example:
        >>> dense = torch.tensor([[[[3.0]], [[4.0]]]])
        >>> pixel_text_cosine(dense, torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])).flatten()
        tensor([0.6000, 0.8000])
    """
    if dense.ndim != 4 or text.shape[::2] != dense.shape[:2]:
        raise ValueError(
            "expected image embeddings (batch, channels, height, width) and class embeddings (batch, classes, "
            f"channels), got {tuple(dense.shape)} and {tuple(text.shape)}"
        )
    # normalize divides by at least 1e-12, which half precision rounds to 0
    dense, text = at_least_single(dense), at_least_single(text)
    return torch.einsum("bchw,bkc->bkhw", F.normalize(dense, dim=1), F.normalize(text, dim=2))


def pixel_text_alignment(
    dense: Float[Tensor, "batch channels height width"],
    text: Float[Tensor, "batch class channels"],
    label: Int[Tensor, "batch label_height label_width"],
    form: Form = "softmax",
    scale: float | Tensor = 1 / TEMPERATURE,
    shift: float | Tensor = 0.0,
    ignore_index: int = 255,
    over_all_pixels: bool = False,
) -> Float[Tensor, ""]:
    """Loss of an image's dense embeddings against the embeddings of its classes.

    Args:
        dense: Embeddings of the image, coarser than the labels as a rule.
        text: Embeddings of the classes.
        label: Class indices; negative ones and ``ignore_index`` do not count.
        form: ``"softmax"`` or ``"sigmoid"``.
        scale: What the cosine is multiplied by: 1/τ, or SigLIP's trained scale.
        shift: What is added then; without effect in the softmax form.
        ignore_index: Label of pixels without truth.
        over_all_pixels: Divide the softmax form's sum by all pixels, as the authors' code does, so that an image with
            few labels counts little.

    Returns:
        A scalar: the mean over labelled pixels, in the sigmoid form over pairs of these with classes. 0 if no pixel
        is labelled.

    Raises:
        ValueError: If shapes or labels do not fit or ``form`` is unknown.
    """
    if form not in get_args(Form):
        raise ValueError(f"unknown form {form!r}; available: {', '.join(get_args(Form))}")
    if label.ndim != 3 or len(label) != len(dense):
        raise ValueError(
            f"expected labels of shape ({len(dense)}, height, width), got {tuple(label.shape)}"
        )
    cosine = F.interpolate(
        pixel_text_cosine(dense, text), label.shape[-2:], mode="bilinear", align_corners=False
    )
    logits = scale * cosine + shift
    label, known = labelled(label, logits.shape[1], ignore_index)
    if form == "softmax":
        mean = cross_entropy(logits, label, ignore_index)
        return mean * known.float().mean() if over_all_pixels else mean
    chosen = label[known]
    pairs = logits.movedim(1, -1)[known]  # (pixels, classes)
    truth = F.one_hot(chosen, logits.shape[1]).to(pairs)
    # a sum over nothing is 0 with a gradient; a mean would be NaN
    total = F.binary_cross_entropy_with_logits(pairs, truth, reduction="sum")
    return total / max(pairs.numel(), 1)
