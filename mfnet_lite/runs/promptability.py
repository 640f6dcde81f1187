"""Can a tuned model still be prompted? Objects of any kind are asked for, one by one.

Tuning without prompts teaches a decoder to answer one thing whatever it is asked. A click or a box on *any*
object of an image must still return that object; how well it does, before and after tuning, is counted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from mfnet_lite.nets.samlp import PlateOutput, SamLP
from mfnet_lite.nets.samlp_prompts import on_square
from mfnet_lite.sam import predict_masks
from mfnet_lite.sam.interactive import mask_boxes
from mfnet_lite.sam.prompt_sampling import distance_transform_centres
from mfnet_lite.utils.samples import Samples

__all__ = ["PromptScores", "mean_or_nan", "overlap", "promptability"]


@dataclass(frozen=True)
class PromptScores:
    """Mean IoU of what a prompt returns with the object that it meant.

    Attributes:
        click: One click at the object's distance-transform centre, the mask that the model believes best.
        click_best: The same if the best of the three masks were known.
        box: The object's own box, the single mask.
        count: Objects asked for.
        by_object: One row (click, click_best, box) per object.
    """

    click: float
    click_best: float
    box: float
    count: int
    by_object: Float[np.ndarray, "objects 3"]


@torch.no_grad()
def promptability(
    model: SamLP, samples: Samples, smallest: int = 64, largest: float = 0.9, plates: bool = False
) -> PromptScores:
    """Prompt objects of any kind, one by one, and compare what comes back.

    A SamLP before its training is SAM itself, so the same call measures the foundation model.

    Args:
        model: The model.
        samples: Samples with ``optical``, ``label`` and ``instances`` (ids, 0 for none).
        smallest: Objects with fewer visible pixels are left out.
        largest: Objects that cover more of the image are left out, too.
        plates: Ask for plates only, instead of everything but plates.

    Returns:
        Mean scores over all objects of all images.
    """
    model.eval()
    rows: list[Tensor] = []
    for index in range(len(samples)):
        sample = samples[index]
        label, instances = sample["label"], sample["instances"]
        ids, areas = torch.unique(instances, return_counts=True)
        on_plate = torch.stack([(label[instances == i] == 1).float().mean() for i in ids]) > 0.5
        fit_in = (areas >= smallest) & (areas <= largest * instances.numel())
        ids = ids[(ids > 0) & fit_in & (on_plate == plates)]
        if not len(ids):
            continue
        given = {
            k: sample[k][None].to(model.sam.device) for k in ("optical", "embedding") if k in sample
        }
        masks = rearrange(instances, "h w -> 1 1 h w") == rearrange(ids, "n -> 1 n 1 1")
        squares = on_square(masks, model.side)
        seen = squares[0].flatten(1).any(1)
        if not seen.any():
            continue
        rows.append(_prompted(model, given, masks[:, seen], squares[:, seen]))
    by_object = torch.cat(rows).numpy() if rows else np.zeros((0, 3))
    click, best, box = (mean_or_nan(column) for column in by_object.T)
    return PromptScores(click, best, box, len(by_object), by_object)


def _prompted(
    model: SamLP, given: Mapping[str, Tensor], masks: Tensor, squares: Tensor
) -> Float[Tensor, "objects 3"]:
    """IoU of a click's most confident mask, of its best, and of a box's, for the objects of one image."""
    size = given["optical"].shape[-2:]
    embedding = model.embed(given)
    device = embedding.device
    points = distance_transform_centres(squares).to(device)
    labels = torch.ones(points.shape[:3], dtype=torch.long, device=device)
    clicked = predict_masks(model.sam, embedding, points=points, labels=labels)
    boxed = predict_masks(
        model.sam, embedding, boxes=mask_boxes(squares).to(device), multimask=False
    )

    def at_size(logits: Tensor, iou: Tensor) -> Tensor:
        """Binary masks (objects, candidates, height, width) at the image's size."""
        return (model.full_size(PlateOutput(logits[0], iou[0]), size).masks > 0).cpu()

    truth = rearrange(masks, "1 n h w -> n 1 h w")
    three = overlap(at_size(clicked.masks, clicked.iou), truth)
    chosen = clicked.iou[0].argmax(dim=1).cpu()
    one = overlap(at_size(boxed.masks, boxed.iou), truth)[:, 0]
    return torch.stack([three[torch.arange(len(three)), chosen], three.amax(1), one], dim=1)


def overlap(
    one: Bool[Tensor, "*n height width"], other: Bool[Tensor, "*n height width"]
) -> Float[Tensor, " *n"]:
    """IoU of masks, broadcast over the leading axes; of two empty ones it is 1.

    Example:
        >>> one = torch.tensor([[True, True, False]])
        >>> overlap(one, torch.tensor([[[True, False, False]], [[True, True, False]]]))
        tensor([0.5000, 1.0000])
    """
    both = (one & other).sum((-2, -1))
    either = (one | other).sum((-2, -1))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def mean_or_nan(values: Sequence[float] | NDArray[Any]) -> float:
    """Mean, or NaN without any value."""
    return float(np.mean(values)) if len(values) else float("nan")
