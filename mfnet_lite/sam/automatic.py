"""Automatic mask generation: a grid of points, and only the masks worth having are ever made large.

``segment_anything``'s generator enlarges all three masks of every point to the size of the image
before it looks at their predicted quality: at 1024² one batch of 64 points is 0.8 GB. The quality
comes from the decoder's tokens alone, so ours reads it first, decodes the masks of surviving points only,
and enlarges survivors a few at a time. Rules, defaults, and records are the official ones (Kirillov
et al. 2023, section 5 and appendix B), so the masks are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int64, UInt8
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam
from segment_anything.utils.amg import build_point_grid
from segment_anything.utils.transforms import ResizeLongestSide
from torch import Tensor
from torchvision.ops.boxes import nms

from mfnet_lite.sam.attention import fused_attention
from mfnet_lite.sam.interactive import mask_boxes
from mfnet_lite.sam.mask_decoder import decode
from mfnet_lite.sam.official_decoder import is_official
from mfnet_lite.sam.positions import code_of_grid
from mfnet_lite.sam.prompts import embed_images, prompt_tokens
from mfnet_lite.utils.memory import check_memory

__all__ = ["MaskRecord", "generate_masks", "official_generator"]

ENLARGED_BYTES = 32 * 2**20
"""Logits enlarged at a time. Larger chunks were slower and take more memory."""


class MaskRecord(TypedDict):
    """One mask, with the keys of ``SamAutomaticMaskGenerator``.

    Attributes:
        segmentation: (H, W) bool.
        area: Pixels of the mask.
        bbox: x, y, width, height in pixels, where the far edges are inclusive (as official).
        predicted_iou: The model's own estimate of the mask's quality.
        point_coords: The prompt, [[x, y]] in pixels.
        stability_score: IoU of the masks at the raised and the lowered threshold.
        crop_box: Always the whole image, x, y, width, height.
    """

    segmentation: NDArray[np.bool_]
    area: int
    bbox: list[int]
    predicted_iou: float
    point_coords: list[list[float]]
    stability_score: float
    crop_box: list[int]


def official_generator(sam: Sam, **options: Any) -> SamAutomaticMaskGenerator:
    """Return ``segment_anything``'s own generator, for crops, regions, and comparison.

    Args:
        sam: The model.
        **options: Arguments of ``SamAutomaticMaskGenerator``.

    Returns:
        The generator; call its ``generate(image)``.
    """
    return SamAutomaticMaskGenerator(sam, **options)


@torch.no_grad()
def generate_masks(
    sam: Sam,
    image: UInt8[np.ndarray, "height width 3"],
    *,
    points_per_side: int = 32,
    points_per_batch: int | None = None,
    pred_iou_thresh: float = 0.88,
    stability_score_thresh: float = 0.95,
    stability_score_offset: float = 1.0,
    box_nms_thresh: float = 0.7,
) -> list[MaskRecord]:
    """Find every object of an image, as the official generator does without crop layers.

    Crop layers and the removal of small regions are left to :func:`official_generator`.

    Args:
        sam: The model. Its attention is fused while this runs.
        image: RGB, 0–255.
        points_per_side: The grid has this many points squared.
        points_per_batch: Points per decoder call, which changes no mask; ``None`` is the official
            64, but 8 on the CPU, where that was faster and took a third of the memory.
        pred_iou_thresh: Masks must have a predicted IoU above this (no test if ≤ 0).
        stability_score_thresh: Masks must have at least this stability (no test if ≤ 0).
        stability_score_offset: How far the threshold is raised and lowered for the stability.
        box_nms_thresh: Of two masks whose boxes overlap more (IoU), the better predicted stays.

    Returns:
        Records in descending order of predicted IoU.

    Raises:
        ValueError: If the image is not (H, W, 3) uint8.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> config = SamConfig(image_size=32, width=16, depth=1, heads=2, global_blocks=(0,))
        >>> image = np.zeros((24, 32, 3), dtype=np.uint8)
        >>> records = generate_masks(
        ...     build_sam(config, seed=0), image, points_per_side=2,
        ...     pred_iou_thresh=-1.0, stability_score_thresh=0.0,
        ... )
        >>> records[0]["segmentation"].shape
        (24, 32)
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"expected an RGB image of shape (H, W, 3) and dtype uint8, got {image.shape} "
            f"{image.dtype}."
        )
    check_memory(
        16.0 * points_per_side**2,
        f"a grid of {points_per_side} x {points_per_side} points",
        "ask for fewer",
    )
    if points_per_batch is None:
        points_per_batch = 8 if sam.device.type == "cpu" else 64
    with fused_attention(sam):
        found = _find(
            sam,
            image,
            build_point_grid(points_per_side) * image.shape[1::-1],
            points_per_batch,
            (pred_iou_thresh, stability_score_thresh, stability_score_offset),
        )
    return _records(found, image.shape[:2], box_nms_thresh)


@dataclass(frozen=True)
class _Found:
    """What survived the quality tests: one row per mask."""

    boxes: Float[Tensor, "masks 4"]
    scores: Float[Tensor, " masks"]
    stabilities: Float[Tensor, " masks"]
    points: NDArray[np.float64]
    bits: NDArray[np.uint8]  # masks at the image's size, eight pixels a byte


def _find(
    sam: Sam,
    image: NDArray[np.uint8],
    grid: NDArray[np.float64],
    batch: int,
    thresholds: tuple[float, float, float],
) -> list[_Found]:
    """Embed the image once, decode the points in batches, and test predicted IoU and stability."""
    least_iou, least_stability, offset = thresholds
    height, width = image.shape[:2]
    resize = ResizeLongestSide(sam.image_encoder.img_size)
    resized = torch.as_tensor(resize.apply_image(image), device=sam.device)
    pixels = rearrange(resized, "height width rgb -> 1 rgb height width")
    embedding = embed_images(sam, pixels)
    official = is_official(sam.mask_decoder)  # nobody injects anything between the batches

    found = []
    for begin in range(0, len(grid), batch):
        some = grid[begin : begin + batch]
        prompts = resize.apply_coords(some, (height, width))
        logits, iou, which = _decode(sam, embedding, prompts, least_iou, official)
        for part in _chunks(len(logits), height * width):
            large = _enlarge(sam, logits[part], tuple(resized.shape[:2]), (height, width))
            stable = stability(large, sam.mask_threshold, offset)
            keep = torch.ones_like(stable, dtype=torch.bool)
            if least_stability > 0:
                keep = stable >= least_stability  # drops 0/0, an empty mask, too
            masks = large[keep] > sam.mask_threshold
            flat = rearrange(masks.cpu().numpy(), "n y x -> n (y x)")
            found.append(
                _Found(
                    boxes=mask_boxes(masks),
                    scores=iou[part][keep],
                    stabilities=stable[keep],
                    points=some[which[part][keep].cpu().numpy()],
                    bits=np.packbits(flat, axis=1),
                )
            )
    return found


def _records(found: list[_Found], size: tuple[int, int], box_nms_thresh: float) -> list[MaskRecord]:
    """Drop duplicates by their boxes and write a record for each mask that is left."""
    if not found:
        return []
    height, width = size
    boxes, scores = torch.cat([f.boxes for f in found]), torch.cat([f.scores for f in found])
    stabilities = torch.cat([f.stabilities for f in found])
    points = np.concatenate([f.points for f in found])
    bits = np.concatenate([f.bits for f in found])
    records: list[MaskRecord] = []
    for i in nms(boxes.to(scores), scores, box_nms_thresh).tolist():
        flat = np.unpackbits(bits[i], count=height * width).astype(bool)
        x0, y0, x1, y1 = boxes[i].long().tolist()
        records.append(
            MaskRecord(
                segmentation=rearrange(flat, "(y x) -> y x", y=height),
                area=int(flat.sum()),
                bbox=[x0, y0, x1 - x0, y1 - y0],
                predicted_iou=scores[i].item(),
                point_coords=[points[i].tolist()],
                stability_score=stabilities[i].item(),
                crop_box=[0, 0, width, height],
            )
        )
    return records


def stability(
    logits: Float[Tensor, "*masks height width"], threshold: float, offset: float
) -> Float[Tensor, "*masks"]:
    """Compute the IoU between each mask at a raised and at a lowered threshold.

    Counts are 64-bit; the official 16-bit row sums overflow on images wider than 32,767 pixels.

    Args:
        logits: Mask logits.
        threshold: The model's threshold, 0.
        offset: How far to raise and lower it.

    Returns:
        Scores in [0, 1]; NaN where both masks are empty.

    Example:
        >>> ramp = torch.linspace(-3, 3, 64).reshape(1, 8, 8)
        >>> round(stability(ramp, 0.0, 1.0).item(), 6)
        0.488372
    """
    return _count(logits > threshold + offset) / _count(logits > threshold - offset)


def _count(masks: Bool[Tensor, "*masks height width"]) -> Int64[Tensor, "*masks"]:
    """Count the pixels of each mask.

    A sum over truth values makes 64-bit numbers of them first, which on a CPU takes eighteen times as long.
    """
    places = masks.shape[:-2]
    if masks.device.type != "cpu" or not masks.numel():
        return masks.sum((-2, -1))
    each = masks.reshape(-1, *masks.shape[-2:])
    return torch.stack([torch.count_nonzero(mask) for mask in each]).view(places)


def _decode(
    sam: Sam,
    embedding: Tensor,
    prompts: NDArray[np.float64],
    threshold: float,
    official: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run one batch of points; make masks only where the predicted IoU is above the threshold.

    Returns:
        Low-resolution logits, predicted IoU, and point index of every surviving mask.
    """
    exact = torch.float32 if sam.device.type == "mps" else torch.float64  # no float64 on MPS
    coords = torch.as_tensor(prompts, dtype=exact, device=sam.device)[None, :, None]
    labels = torch.ones(coords.shape[:3], dtype=torch.long, device=sam.device)
    tokens = prompt_tokens(sam, coords, labels)
    dense = rearrange(sam.prompt_encoder.no_mask_embed.weight, "1 c -> 1 1 c 1 1")
    rows, columns = embedding.shape[-2:]
    position = code_of_grid(sam.prompt_encoder.pe_layer, (rows, columns))
    # hundreds of points share one image, which is where the rearranged products gain most
    decoded = decode(
        sam.mask_decoder, embedding, dense, position, tokens, rearranged=True, official=official
    )
    three = slice(1, None)  # the candidates for an ambiguous prompt, without the single mask
    # what follows, from the test of the IoU to the enlarging of masks, is not for half precision
    wide = torch.promote_types(decoded.iou.dtype, torch.float32)
    iou = decoded.iou[0, :, three].to(wide)
    keep = iou > threshold if threshold > 0 else torch.ones_like(iou, dtype=torch.bool)
    which, kind = keep.nonzero(as_tuple=True)
    alive = keep.any(dim=1)
    masks = decoded.masks(alive[None], three).to(wide)
    row = alive.cumsum(0) - 1  # position of a point among the surviving ones
    return masks[row[which], kind], iou[which, kind], which


def _enlarge(
    sam: Sam, logits: Tensor, input_size: tuple[int, ...], size: tuple[int, int]
) -> Float[Tensor, "masks height width"]:
    """Bring low-resolution logits to the size of the image, by the official two steps."""
    return sam.postprocess_masks(logits[:, None], input_size, size)[:, 0]


def _chunks(count: int, pixels: int) -> Iterator[slice]:
    """Split a number of masks so that their enlarged logits fit :data:`ENLARGED_BYTES`."""
    step = max(1, ENLARGED_BYTES // (4 * pixels))
    for begin in range(0, count, step):
        yield slice(begin, begin + step)
