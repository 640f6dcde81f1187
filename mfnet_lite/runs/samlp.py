"""Plates from end to end: both steps of SamLP on samples, and what the tuned model is worth.

Two questions are asked of a tuned model. Does it find plates? Boxes around its masks are scored by COCO's
rules, masks by their IoU: :func:`evaluate_plates`. And can it still be prompted? That is
:func:`~mfnet_lite.runs.promptability.promptability`, offered here as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from segment_anything.modeling import Sam
from torch import Tensor, nn

from mfnet_lite.metrics.detection import BoxScores, BoxSettings, boxes_from_mask, score_boxes
from mfnet_lite.nets.samlp import PlateOutput, SamLP
from mfnet_lite.nets.samlp_prompts import PromptTuning
from mfnet_lite.runs.promptability import PromptScores, mean_or_nan, overlap, promptability
from mfnet_lite.training import TrainConfig, fit
from mfnet_lite.utils.samples import Samples

__all__ = [
    "Embedded",
    "PlateScores",
    "PromptScores",
    "evaluate_plates",
    "find_plates",
    "promptability",
    "train_plates",
]


def train_plates(
    sam: Sam,
    samples: Samples,
    first: TrainConfig,
    second: TrainConfig | None = None,
    rank: int = 4,
    seed: int = 0,
    **options: Any,
) -> SamLP:
    """Tune a SAM to plates: step 1 without prompts and, if wanted, the promptable step 2.

    Args:
        sam: The foundation model, changed in place.
        samples: Samples with ``optical`` in [0, 1] and ``label`` (0 elsewhere, 1 plate).
        first: Settings of step 1.
        second: Settings of step 2; without them the result is SamLP, with them SamLP_P.
        rank: Rank of the updates.
        seed: Seed of the updates.
        **options: Options of :class:`~mfnet_lite.nets.PromptTuning`, such as ``rounds``.

    Returns:
        The tuned model in evaluation mode.
    """
    model = SamLP(sam, rank=rank, seed=seed)
    fit(model, samples, config=first)
    if second is not None:
        fit(PromptTuning(model, **options), Embedded(model, samples), config=second)
    return model.eval()


class Embedded:
    """Samples with the embedding of a frozen encoder, made once: step 2 never runs the encoder twice.

    Args:
        model: Its encoder must not change afterwards.
        samples: Samples that are the same in each epoch. Random crops are not; a set with
            ``set_epoch`` is read as it is in epoch 0.
    """

    def __init__(self, model: SamLP, samples: Samples) -> None:
        self.model, self.samples = model, samples
        self.known: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.samples)

    @torch.no_grad()
    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        sample = dict(self.samples[index])
        if index not in self.known:
            device = self.model.sam.device
            image = {"optical": sample["optical"][None].to(device)}
            self.known[index] = self.model.embed(image)[0].cpu()
        sample["embedding"] = self.known[index]
        return sample


@dataclass(frozen=True)
class PlateScores:
    """How well plates are found, from 0 to 1.

    Attributes:
        boxes: Scores of the boxes; confidence is the model's own estimate of its mask's IoU, as the
            authors have it (for networks without one, that of ``by_probability``).
        by_probability: The same boxes, confidence is the mean probability of plate in the component.
        mask_iou: Mean IoU of the chosen mask with the union of plates, images with plates only.
        best_iou: The same if the best of the three masks were known.
        agreement: Mean IoU between the three masks: 1 if they are one and the same.
        estimate_error: Mean distance between estimated and true IoU of the chosen mask.
        false_area: Mean share of an image without plates that is called plate, of its pixels that count.
        images: Images scored.
    """

    boxes: BoxScores
    by_probability: BoxScores
    mask_iou: float
    best_iou: float
    agreement: float
    estimate_error: float
    false_area: float
    images: int


@torch.no_grad()
def find_plates(
    model: nn.Module, sample: Mapping[str, Float[Tensor, "channels height width"]]
) -> PlateOutput:
    """Masks of one image at its size; a network other than SamLP has one, and no estimate of its IoU.

    Args:
        model: SamLP, the second step around it, or any network with two classes.
        sample: Holds ``optical``, and ``embedding`` if there is one.

    Returns:
        Masks and estimates of a batch of one.
    """
    model.eval()
    device = next(model.parameters()).device
    given = {k: sample[k][None].to(device) for k in ("optical", "embedding") if k in sample}
    core = model.model if isinstance(model, PromptTuning) else model
    if isinstance(core, SamLP):
        return core.full_size(core.unprompted(core.embed(given)), given["optical"].shape[-2:])
    logits = model(given)
    masks = logits[:, 1:2] - logits[:, :1]
    return PlateOutput(masks, masks.new_full((1, 1), torch.nan))


def evaluate_plates(
    model: nn.Module,
    samples: Samples,
    boxes: Sequence[NDArray[Any]] | None = None,
    settings: BoxSettings | None = None,
    threshold: float = 0.0,
) -> PlateScores:
    """Score a model on whole images.

    Pixels whose label is neither 0 nor 1 (255, such as the padding of
    :class:`~mfnet_lite.rasters.PlateSamples`, and negative ones) do not count, for boxes as for masks: whatever is
    found there is cut off before boxes are drawn. So a plate that lies there is no false alarm, a plate that reaches
    into it gets a box around its part that counts, and so does a true box; one without a pixel that counts is not
    looked for.

    Args:
        model: As in :func:`find_plates`.
        samples: Samples with ``optical`` and ``label``: 0 elsewhere, 1 plate.
        boxes: True boxes of each image in pixel edges; defaults to those around the components of the label.
        settings: How masks become boxes.
        threshold: Logit above which a pixel is plate.

    Returns:
        The scores.
    """
    found, sure, likely, truth = [], [], [], []
    ious, bests, agreements, errors, areas = [], [], [], [], []
    for index in range(len(samples)):
        sample = samples[index]
        output = find_plates(model, sample)
        chosen = int(output.iou[0].argmax())
        label = sample["label"] == 1
        valid = label | (sample["label"] == 0)
        masks = (output.masks[0] > threshold).cpu() & valid
        logits = output.masks[0, chosen].cpu()
        drawn, components = boxes_from_mask(masks[chosen].numpy(), settings)
        probability = logits.sigmoid().numpy()
        numbers = np.arange(1, len(drawn) + 1)
        mean = np.array([probability[components == n].mean() for n in numbers])
        estimate = float(output.iou[0, chosen])
        found.append(drawn)
        likely.append(mean)
        sure.append(mean if np.isnan(estimate) else np.full(len(drawn), estimate))
        truth.append(
            boxes_from_mask(label.numpy(), BoxSettings(0, 0, 0))[0]
            if boxes is None
            else _cut(np.asarray(boxes[index], dtype=float).reshape(-1, 4), valid.numpy())
        )
        if not valid.any():
            continue
        if not label.any():
            areas.append(float(masks[chosen][valid].float().mean()))
            continue
        each = overlap(masks, label[None])
        ious.append(float(each[chosen]))
        bests.append(float(each.max()))
        pairs = overlap(masks[:, None], masks[None])
        upper = torch.triu_indices(len(masks), len(masks), 1)
        agreements.append(float(pairs[upper[0], upper[1]].mean()))
        errors.append(abs(estimate - ious[-1]))
    return PlateScores(
        boxes=score_boxes(found, sure, truth),
        by_probability=score_boxes(found, likely, truth),
        mask_iou=mean_or_nan(ious),
        best_iou=mean_or_nan(bests),
        agreement=mean_or_nan(agreements),
        estimate_error=mean_or_nan(errors),
        false_area=mean_or_nan(areas),
        images=len(samples),
    )


def _cut(
    boxes: Float[np.ndarray, "n 4"], valid: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, "m 4"]:
    """Cut boxes to their pixels that count; a box without any goes, one with nothing else stays as it is."""
    kept = []
    for x0, y0, x1, y1 in boxes.tolist():
        left, top = max(0, math.floor(x0)), max(0, math.floor(y0))
        inside = valid[top : max(0, math.ceil(y1)), left : max(0, math.ceil(x1))]
        if inside.all():  # also where the box lies outside the image
            kept.append([x0, y0, x1, y1])
        elif inside.any():
            rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
            x0, x1 = max(x0, left + columns[0]), min(x1, left + columns[-1] + 1)
            y0, y1 = max(y0, top + rows[0]), min(y1, top + rows[-1] + 1)
            kept.append([x0, y0, x1, y1])
    return np.array(kept, dtype=float).reshape(-1, 4)
