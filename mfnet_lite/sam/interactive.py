"""SAM's interactive training: a first prompt, then corrections where the prediction was wrong.

Each round prompts the decoder, looks where the mask differs from the truth, and adds one click there: inside
if something was missed, outside if too much was taken. The raw logits of a round are fed back as a mask
prompt (Kirillov et al. 2023, appendix A).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int
from segment_anything.modeling import Sam
from segment_anything.utils.amg import batched_mask_to_box
from torch import Tensor

from mfnet_lite.sam.prompts import (
    BACKGROUND,
    FOREGROUND,
    PADDING,
    Prediction,
    embed_points,
    predict_masks,
)

__all__ = [
    "Clicks",
    "correction_clicks",
    "first_prompts",
    "mask_boxes",
    "noisy_boxes",
    "pick_best",
    "prompt_interactively",
    "random_points",
]


@dataclass(frozen=True)
class Clicks:
    """Prompt points with labels; box corners have the labels 2 and 3, padding has −1."""

    points: Float[Tensor, "images prompts n 2"]
    labels: Int[Tensor, "images prompts n"]

    def add(self, other: Clicks) -> Clicks:
        """Return both sets of clicks, this one first."""
        return Clicks(
            torch.cat([self.points, other.points], dim=2),
            torch.cat([self.labels, other.labels], dim=2),
        )


def random_points(
    region: Bool[Tensor, "*n height width"], generator: torch.Generator | None = None
) -> Float[Tensor, "*n 2"]:
    """Draw one pixel (x, y) uniformly from each region; any pixel where a region is empty.

    Args:
        region: Where to draw.
        generator: Source of randomness on the region's device.

    Returns:
        Integer pixel coordinates as floats, (x, y).

    Example:
        >>> region = torch.zeros(1, 3, 4, dtype=torch.bool)
        >>> region[0, 2, 1] = True
        >>> random_points(region).tolist()
        [[1.0, 2.0]]
    """
    width = region.shape[-1]
    flat = rearrange(region, "... h w -> ... (h w)")
    drawn = torch.rand(flat.shape, generator=generator, device=flat.device)
    # the largest of uniform numbers is any of them alike; those outside the region are all negative
    index = torch.where(flat, drawn, drawn - 1).argmax(dim=-1)
    return torch.stack([index % width, index // width], dim=-1).float()


def mask_boxes(masks: Bool[Tensor, "*n height width"]) -> Float[Tensor, "*n 4"]:
    """Draw the tightest box (x0, y0, x1, y1) with inclusive corners around each mask; zeros if empty.

    Args:
        masks: Any number of masks.

    Returns:
        Coordinates as floats.

    Example:
        >>> mask = torch.zeros(1, 4, 5, dtype=torch.bool)
        >>> mask[0, 1:3, 2:5] = True
        >>> mask_boxes(mask).tolist()
        [[2.0, 1.0, 4.0, 2.0]]
    """
    return batched_mask_to_box(masks).float()  # coordinates of prompts are floating


def noisy_boxes(
    boxes: Float[Tensor, "*n 4"],
    limits: tuple[int, int],
    generator: torch.Generator | None = None,
    spread: float = 0.1,
    cap: float = 20.0,
) -> Float[Tensor, "*n 4"]:
    """Shift each corner by Gaussian noise of 10 % of the side, at most 20 pixels (SAM, appendix A).

    Args:
        boxes: (x0, y0, x1, y1).
        limits: (height, width) of the image; corners stay inside.
        generator: Source of randomness.
        spread: Standard deviation as a fraction of the box's side.
        cap: Largest shift in pixels.

    Returns:
        Boxes with x0 ≤ x1 and y0 ≤ y1.
    """
    side = torch.cat([boxes[..., 2:] - boxes[..., :2]] * 2, dim=-1).clamp(min=1)
    noise = torch.randn(boxes.shape, generator=generator, device=boxes.device)
    shift = (noise * spread * side).clamp(-cap, cap)
    bound = torch.tensor([limits[1] - 1, limits[0] - 1], device=boxes.device).repeat(2)
    moved = torch.minimum((boxes + shift).clamp(min=0), bound.to(boxes))
    low = torch.minimum(moved[..., :2], moved[..., 2:])
    high = torch.maximum(moved[..., :2], moved[..., 2:])
    return torch.cat([low, high], dim=-1)


def first_prompts(
    masks: Bool[Tensor, "images prompts height width"],
    generator: torch.Generator | None = None,
    box_share: float = 0.5,
) -> Clicks:
    """Draw a click inside or a noisy box at random: the first round of SAM's training.

    Args:
        masks: True masks at the model's input resolution.
        generator: Source of randomness.
        box_share: Probability of a box.

    Returns:
        Two tokens per prompt: click and padding, or the corners of a box.
    """
    click = random_points(masks, generator)
    height, width = masks.shape[-2:]
    boxes = noisy_boxes(mask_boxes(masks), (height, width), generator)
    corners = rearrange(boxes, "images prompts (corner xy) -> images prompts corner xy", xy=2)
    alone = torch.stack([click, torch.zeros_like(click)], dim=2)
    drawn = torch.rand(masks.shape[:2], generator=generator, device=masks.device)
    is_box = rearrange(drawn < box_share, "images prompts -> images prompts 1")
    box_labels = torch.tensor([2, 3], device=masks.device)
    click_labels = torch.tensor([FOREGROUND, PADDING], device=masks.device)
    return Clicks(
        torch.where(is_box[..., None], corners, alone),
        torch.where(is_box, box_labels, click_labels),
    )


def correction_clicks(
    logits: Float[Tensor, "images prompts height width"],
    masks: Bool[Tensor, "images prompts height width"],
    generator: torch.Generator | None = None,
    known: Bool[Tensor, "images prompts height width"] | None = None,
) -> Clicks:
    """Draw a click in the wrongly labelled region of each prompt: inside if missed, outside if too much.

    Where a prediction is perfect the click falls inside the true mask; if that is empty, anywhere.

    Args:
        logits: Predicted mask logits at the resolution of ``masks``.
        masks: True masks.
        generator: Source of randomness.
        known: Where the truth is known: no click falls into other pixels, such as ignored ones and padding. None
            for everywhere.

    Returns:
        One click per prompt.
    """
    wrong, right = (logits > 0) != masks, masks
    if known is not None:
        wrong = wrong & known
        right = torch.where(_any(masks), masks, known)
    point = random_points(torch.where(_any(wrong), wrong, right), generator)
    x, y = point[..., 0].long(), point[..., 1].long()
    i, p = torch.meshgrid(*(torch.arange(n, device=x.device) for n in x.shape), indexing="ij")
    label = torch.where(masks[i, p, y, x], FOREGROUND, BACKGROUND)
    return Clicks(rearrange(point, "i p xy -> i p 1 xy"), rearrange(label, "i p -> i p 1"))


def _any(
    masks: Bool[Tensor, "images prompts height width"],
) -> Bool[Tensor, "images prompts 1 1"]:
    return reduce(masks, "images prompts h w -> images prompts 1 1", "max")


def pick_best(prediction: Prediction) -> Float[Tensor, "images prompts height width"]:
    """Choose the candidate of the highest predicted IoU.

    Args:
        prediction: From :func:`~mfnet_lite.sam.prompts.predict_masks`.

    Returns:
        One mask of logits per prompt.
    """
    best = rearrange(prediction.iou.argmax(dim=2), "i p -> i p 1 1 1")
    index = best.expand(-1, -1, 1, *prediction.masks.shape[-2:])
    return torch.gather(prediction.masks, 2, index)[:, :, 0]


def prompt_interactively(
    sam: Sam,
    embeddings: Float[Tensor, "images channels h w"],
    masks: Bool[Tensor, "images prompts height width"],
    rounds: int,
    generator: torch.Generator | None = None,
    box_share: float = 0.5,
    blind_round: int | tuple[int, ...] | None = None,
    rearranged: bool = False,
) -> list[Prediction]:
    """Prompt, correct, prompt again; every round's prediction keeps its gradient.

    A round after the first feeds back the best earlier mask as raw logits without gradient. The first
    round returns all four masks (single and three candidates), later rounds the single mask only,
    because several clicks leave nothing ambiguous.

    Args:
        sam: The model.
        embeddings: From :func:`~mfnet_lite.sam.prompts.embed_images`.
        masks: True masks at the model's input resolution.
        rounds: Number of rounds, at least 1.
        generator: Source of randomness.
        box_share: Probability that the first prompt is a box.
        blind_round: A round or several (0-based, above 0) without a new click, which only refine the
            mask. SAM's 11 rounds have two: one drawn at random among the clicks, and the last.
        rearranged: As in :func:`~mfnet_lite.sam.prompts.predict_masks`.

    Returns:
        One prediction per round.

    Raises:
        ValueError: If ``rounds`` is below 1, or a blind round is not one of those after the first.
    """
    if rounds < 1:
        raise ValueError(f"expected rounds >= 1, got {rounds}: one prompt is one round")
    blind = (blind_round,) if isinstance(blind_round, int) else blind_round or ()
    wrong = [number for number in blind if not 0 < number < rounds]
    if wrong:
        raise ValueError(
            f"blind_round {wrong[0]} is none of the rounds 1 to {rounds - 1}, which follow the first of "
            f"{rounds}; choose among them"
        )
    clicks = first_prompts(masks, generator, box_share)
    predictions: list[Prediction] = []
    fed_back: Tensor | None = None
    for number in range(rounds):
        tokens = embed_points(sam, clicks.points, clicks.labels)
        prediction = predict_masks(
            sam,
            embeddings,
            tokens=tokens,
            mask_inputs=fed_back,
            multimask=None if number == 0 else False,
            rearranged=rearranged,
        )
        predictions.append(prediction)
        if number + 1 == rounds:
            break
        three = Prediction(prediction.masks[:, :, 1:], prediction.iou[:, :, 1:])
        fed_back = pick_best(three if number == 0 else prediction).detach()
        if number + 1 not in blind:
            full = torch.nn.functional.interpolate(
                fed_back, size=masks.shape[-2:], mode="bilinear", align_corners=False
            )
            clicks = clicks.add(correction_clicks(full, masks, generator))
    return predictions
