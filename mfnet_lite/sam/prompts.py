"""Prompting many images with many prompts in one call, with gradients.

``segment_anything`` takes one image and a list of prompts; its decoder repeats the image once per prompt
and therefore refuses several images at once, and its public ``forward`` carries no gradient. Here the same
official modules are called with both axes, so that fine-tuning can use them. Nothing is re-trained,
copied or renamed: a :class:`~segment_anything.modeling.Sam` goes in, its own sub-modules do the work.

A box is two points with labels of their own (2: top-left corner, 3: bottom-right corner), which lets boxes
and clicks stand side by side in one batch: a lone click and its padding token are as long as a box.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.sam.mask_decoder import decode
from mfnet_lite.sam.positions import code_of_grid, code_of_places

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "PADDING",
    "Prediction",
    "embed_images",
    "embed_points",
    "predict_masks",
    "prompt_tokens",
]

PADDING, BACKGROUND, FOREGROUND = -1, 0, 1
_TOP_LEFT, _BOTTOM_RIGHT = 2, 3


@dataclass(frozen=True)
class Prediction:
    """What the mask decoder says about each prompt.

    Attributes:
        masks: Mask logits at a quarter of the embedding stride (4h × 4w); above 0 is inside.
        iou: The decoder's own estimate of each mask's IoU, unbounded.
    """

    masks: Float[Tensor, "images prompts candidates mask_height mask_width"]
    iou: Float[Tensor, "images prompts candidates"]


def embed_images(
    sam: Sam, images: Float[Tensor, "images 3 height width"]
) -> Float[Tensor, "images channels h w"]:
    """Run the image encoder with gradients, after SAM's own normalisation.

    Args:
        sam: The model.
        images: RGB on the 0–255 scale, as large as the model's input (``sam.image_encoder.img_size``)
            or smaller; the rest is padded at the bottom and right, as SAM does.

    Returns:
        Image embeddings at the encoder's stride.

    Raises:
        ValueError: If an image is larger than the model's input.
    """
    side = sam.image_encoder.img_size
    height, width = images.shape[-2:]
    if max(height, width) > side:
        raise ValueError(
            f"expected images of at most {side} x {side} pixels, got {height} x {width}: "
            "resize them first or load the model with a larger image_size"
        )
    normal = (images - sam.pixel_mean) / sam.pixel_std
    normal = normal.to(sam.pixel_mean.dtype)  # that of the model, whatever the images come in
    return sam.image_encoder(F.pad(normal, (0, side - width, 0, side - height)))


def embed_points(
    sam: Sam, points: Float[Tensor, "*n 2"], labels: Int[Tensor, "*n"]
) -> Float[Tensor, "*n channels"]:
    """Turn coordinates with labels into prompt tokens: positional code plus a learned vector per label.

    Args:
        sam: The model.
        points: (x, y) in pixels of the model's input, from the top-left corner.
        labels: 1 inside, 0 outside, 2 and 3 the corners of a box, -1 no point (padding).

    Returns:
        One token per point.

    Raises:
        ValueError: If a label is none of −1, 0, 1, 2, 3 or the shapes do not fit.
    """
    if points.shape[:-1] != labels.shape or points.shape[-1] != 2:
        raise ValueError(
            f"expected points of shape (..., 2) and labels of shape (...), got "
            f"{tuple(points.shape)} and {tuple(labels.shape)}: give every point one label"
        )
    if labels.numel() and not (-1 <= int(labels.min()) <= int(labels.max()) <= 3):
        raise ValueError(
            f"expected labels between -1 and 3, got {int(labels.min())} to {int(labels.max())}: "
            "use 1 for inside, 0 for outside, -1 for padding"
        )
    encoder = sam.prompt_encoder
    # Pixel centres lie half a pixel in; the official module adds it in a copy, so do we.
    code = code_of_places(
        encoder.pe_layer,
        rearrange(points + 0.5, "... xy -> 1 (...) xy"),
        encoder.input_image_size,
    )
    code = code.reshape(*labels.shape, code.shape[-1])
    tables = torch.cat(
        [encoder.not_a_point_embed.weight, *(table.weight for table in encoder.point_embeddings)]
    )
    is_point = rearrange(labels >= 0, "... -> ... 1")
    # Six rows: a product, whose gradient is one as well, is quicker than looking them up.
    kind = F.one_hot(labels + 1, len(tables)).to(tables.dtype) @ tables
    return torch.where(is_point, code, 0.0) + kind


def prompt_tokens(
    sam: Sam,
    points: Float[Tensor, "images prompts n 2"] | None = None,
    labels: Int[Tensor, "images prompts n"] | None = None,
    boxes: Float[Tensor, "images prompts 4"] | None = None,
) -> Float[Tensor, "images prompts tokens channels"]:
    """Sparse tokens in the official order: points, then a padding token (no box) or two corners (box).

    Args:
        sam: The model.
        points: Clicks in (x, y) pixels of the model's input.
        labels: Their labels, see :func:`embed_points`.
        boxes: (x0, y0, x1, y1) in pixels of the model's input.

    Returns:
        Tokens, ready for the mask decoder.

    Raises:
        ValueError: If neither points nor boxes are given, or points come without labels.
    """
    if (points is None) != (labels is None) or (points is None and boxes is None):
        raise ValueError(
            "expected points with labels, or boxes, or both; got "
            f"points={points is not None}, labels={labels is not None}, boxes={boxes is not None}: "
            "give every click a label"
        )
    coordinates, codes = [], []
    if points is not None and labels is not None:
        coordinates.append(points)
        codes.append(labels)
        if boxes is None:
            coordinates.append(torch.zeros_like(points[:, :, :1]))
            codes.append(torch.full_like(labels[:, :, :1], PADDING))
    if boxes is not None:
        corners = rearrange(boxes, "images prompts (corner xy) -> images prompts corner xy", xy=2)
        coordinates.append(corners)
        kinds = torch.tensor([_TOP_LEFT, _BOTTOM_RIGHT], device=boxes.device)
        codes.append(kinds.expand(*boxes.shape[:2], 2))
    return embed_points(sam, torch.cat(coordinates, dim=2), torch.cat(codes, dim=2))


def predict_masks(
    sam: Sam,
    embeddings: Float[Tensor, "images channels h w"],
    *,
    points: Float[Tensor, "images prompts n 2"] | None = None,
    labels: Int[Tensor, "images prompts n"] | None = None,
    boxes: Float[Tensor, "images prompts 4"] | None = None,
    tokens: Float[Tensor, "images prompts tokens channels"] | None = None,
    mask_inputs: Float[Tensor, "images prompts mask_height mask_width"] | None = None,
    multimask: bool | None = True,
    rearranged: bool = False,
) -> Prediction:
    """Decode every prompt of every image at once.

    Args:
        sam: The model.
        embeddings: From :func:`embed_images`, one per image.
        points: Clicks, see :func:`prompt_tokens`.
        labels: Labels of the clicks.
        boxes: Boxes.
        tokens: Ready tokens instead of points and boxes.
        mask_inputs: Logits of an earlier round (4h × 4w), not thresholded.
        multimask: True: the three candidates for an ambiguous prompt. False: the single mask.
            None: all four, single mask first (training needs both).
        rearranged: Run the decoder's products in another order (:mod:`~mfnet_lite.sam.mask_decoder`), which is faster
            for many prompts and equal up to rounding; a bias that cannot matter gets no gradient. A decoder into
            which something was injected runs its own modules all the same.

    Returns:
        Masks and their estimated IoU.

    Raises:
        ValueError: If shapes do not fit each other.
    """
    if tokens is None:
        tokens = prompt_tokens(sam, points, labels, boxes)
    if tokens.shape[0] != embeddings.shape[0]:
        raise ValueError(
            f"expected prompts for {embeddings.shape[0]} images, got them for {tokens.shape[0]}: "
            "the first axis of prompts and embeddings is the image"
        )
    images, prompts = tokens.shape[:2]
    h, w = embeddings.shape[-2:]
    if mask_inputs is None:
        dense = rearrange(sam.prompt_encoder.no_mask_embed.weight, "1 c -> 1 1 c 1 1")
    else:
        if mask_inputs.shape != (images, prompts, 4 * h, 4 * w):
            raise ValueError(
                f"expected mask_inputs of shape {(images, prompts, 4 * h, 4 * w)}, got "
                f"{tuple(mask_inputs.shape)}: pass the low-resolution logits of an earlier round"
            )
        flat_masks = rearrange(mask_inputs, "images prompts y x -> (images prompts) 1 y x")
        # A model in half precision is fed back what its caller keeps in single precision.
        dense = sam.prompt_encoder.mask_downscaling(flat_masks.to(embeddings.dtype))
        dense = rearrange(dense, "(images prompts) c h w -> images prompts c h w", images=images)
    position = code_of_grid(sam.prompt_encoder.pe_layer, (h, w))
    decoded = decode(sam.mask_decoder, embeddings, dense, position, tokens, rearranged)
    chosen = {True: slice(1, None), False: slice(0, 1), None: slice(None)}[multimask]
    # All masks are made and some returned, as officially: a product of fewer rows may round otherwise.
    return Prediction(masks=decoded.masks()[:, :, chosen], iou=decoded.iou[:, :, chosen])
