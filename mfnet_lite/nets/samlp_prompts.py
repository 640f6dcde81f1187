"""SamLP_P: the second step of SamLP, which gives the model its ear for prompts back.

Tuned without prompts, the decoder learns to answer "plate" whatever it is asked. The second step of Ding et
al. (arXiv 2401.06374) freezes the encoder with its updates, embeds each image once, and goes on in rounds:
the answer without a prompt is taken as a prior, clicks where it was wrong and its logits become the next
prompt, and so on. Prompt encoder and the decoder's updates learn.

**The authors' script of this step is not public.** What follows is designed from its description, and each
choice that the description leaves open is ours: clicks fall by SAM's own rule, uniformly into the region that
is wrong (Kirillov et al. 2023, appendix A); a round gets the click and the logits (half of the time), the clicks
alone or the logits alone (a quarter each); after the first round the best of the three masks learns, as
in SAM, beside the single mask. ``rehearsal`` goes beyond the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.losses.focal_dice import dice_loss, mask_loss
from mfnet_lite.losses.labelled import labelled
from mfnet_lite.nets.samlp import PlateOutput, SamLP, fitted, iou_error, mean_over
from mfnet_lite.sam import (
    Clicks,
    Prediction,
    correction_clicks,
    predict_masks,
    prompt_interactively,
)
from mfnet_lite.sam.interactive import pick_best
from mfnet_lite.sam.prompts import prompt_tokens
from mfnet_lite.tuning import freeze

__all__ = ["InteractiveOutput", "PromptTuning", "refine_interactively"]

BOTH, CLICKS, LOGITS = "both", "clicks", "logits"


class InteractiveOutput(NamedTuple):
    """What the rounds of a batch gave.

    Args:
        plates: A prediction per round, the first without a prompt. Three masks in the first round, then
            four, the single one first.
        rehearsed: Rounds on other objects, empty without.
        objects: Their true masks at the side of the encoder's input.
        present: Which of them exist.
    """

    plates: list[PlateOutput]
    rehearsed: list[PlateOutput]
    objects: Bool[Tensor, "batch objects side side"]
    present: Bool[Tensor, "batch objects"]


class PromptTuning(nn.Module):
    """The second step: a network to train with ``fit``, around a :class:`SamLP` that had the first.

    Args:
        model: A SamLP after its first step; it goes on learning in place.
        rounds: Rounds of a training step, the first without a prompt.
        rehearsal: Objects of any kind per image that are prompted as in SAM's own training, out of the
            samples' ``instances``. 0 is the paper's: plates only.
        iou_weight: Weight of the squared error between estimated and true IoU; not in the paper.

    Shape:
        As SamLP. In training mode the samples also need ``label``, and ``instances`` for the
        rehearsal; the result is a :class:`InteractiveOutput`, for :meth:`loss`.

    Raises:
        ValueError: If there are fewer than two rounds, or the model has no updates in its decoder.
    """

    def __init__(
        self, model: SamLP, rounds: int = 4, rehearsal: int = 0, iou_weight: float = 0.0
    ) -> None:
        super().__init__()
        if rounds < 2:
            raise ValueError(f"expected at least 2 rounds, got {rounds}: the first has no prompt")
        if rehearsal < 0:
            raise ValueError(f"rehearsal must not be negative, got {rehearsal}")
        if model.tuning != "lora":
            raise ValueError(
                f"the second step trains the decoder's updates, and a SamLP with "
                f"tuning={model.tuning!r} has none; build it with tuning='lora'"
            )
        self.model, self.rounds = model, rounds
        self.rehearsal, self.iou_weight = rehearsal, iou_weight
        freeze(model.sam)
        model.sam.image_encoder.requires_grad_(False)
        model.sam.prompt_encoder.requires_grad_(True)

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch ..."]]
    ) -> Float[Tensor, "batch 2 height width"] | InteractiveOutput:
        """Play the rounds in training; find plates without a prompt in evaluation."""
        if not self.training:
            found: Tensor = self.model(sample)
            return found
        sam, side = self.model.sam, self.model.side
        with torch.no_grad():
            embedding = self.model.embed(sample)
        label = rearrange(sample["label"], "b h w -> b 1 h w")
        target, known = on_square(label == 1, side), on_square((label == 0) | (label == 1), side)
        plates = refine_interactively(sam, embedding, target, self.rounds, known=known)
        if not self.rehearsal:
            nothing = target[:, :0]
            return InteractiveOutput(plates, [], nothing, nothing.flatten(2).any(2))
        if "instances" not in sample:
            raise ValueError(
                f"rehearsal prompts objects of the samples' 'instances', found only {list(sample)}: "
                "train on samples with instances or with rehearsal=0"
            )
        objects, present = some_objects(sample["instances"], self.rehearsal)
        squares = on_square(objects, side)
        played = prompt_interactively(sam, embedding, squares, rounds=2)
        flat = [PlateOutput(p.masks.flatten(0, 1), p.iou.flatten(0, 1)) for p in played]
        return InteractiveOutput(plates, flat, squares, present & squares.flatten(2).any(2))

    def loss(
        self, output: InteractiveOutput, batch: Mapping[str, Tensor], ignore_index: int = 255
    ) -> Float[Tensor, ""]:
        """Mean over the rounds on plates, plus the mean over those of the rehearsal.

        On plates an image counts if one of its pixels does; the objects of the rehearsal need no labels.

        Args:
            output: What :meth:`forward` returned in training mode.
            batch: Holds ``label``: 0 elsewhere, 1 plate; negative ones do not count.
            ignore_index: Label of pixels that do not count.

        Raises:
            ValueError: If there is another label.
        """
        label, known = labelled(batch["label"], 2, ignore_index)
        total = self.model.loss(output.plates[0], batch, ignore_index)
        seen = known.flatten(1).any(dim=1)
        valid = rearrange(known, "b h w -> b 1 h w")
        target = rearrange((label == 1).float(), "b h w -> b 1 h w")
        for prediction in output.plates[1:]:
            masks = self.model.full_size(prediction, label.shape[-2:]).masks
            masks = torch.where(valid, masks, -1e4)
            truth = (target * valid).expand_as(masks)
            total = total + mean_over(seen, single_and_best(dice_loss(masks, truth)))
            if self.iou_weight:
                error = iou_error(masks, prediction.iou, truth, seen=seen)
                total = total + self.iou_weight * error
        total = total / len(output.plates)
        if output.rehearsed and output.present.any():
            total = total + self._rehearsal_loss(output) / len(output.rehearsed)
        return total

    def _rehearsal_loss(self, output: InteractiveOutput) -> Tensor:
        """SAM's own loss on the objects: best of three and single at first, single afterwards."""
        here = output.present.flatten()
        truth = output.objects.flatten(0, 1)[here][:, None].float()
        total = truth.new_zeros(())
        for prediction in output.rehearsed:
            masks = prediction.masks[here]
            low = F.interpolate(truth, masks.shape[-2:], mode="area").expand_as(masks)
            total = total + single_and_best(mask_loss(masks, low)).mean()
            if self.iou_weight:
                total = total + self.iou_weight * iou_error(masks, prediction.iou[here], low)
        return total


def single_and_best(each: Float[Tensor, "n candidates"]) -> Float[Tensor, " n"]:
    """Loss of the single mask, which comes first, plus that of the best of the others, halved.

    Example:
        >>> single_and_best(torch.tensor([[0.4, 0.8, 0.2, 0.6]])), single_and_best(torch.ones(1, 1))
        (tensor([0.3000]), tensor([1.]))
    """
    if each.shape[1] == 1:
        return each[:, 0]
    return (each[:, 0] + each[:, 1:].amin(dim=1)) / 2


def refine_interactively(
    sam: Sam,
    embedding: Float[Tensor, "batch channels h w"],
    masks: Bool[Tensor, "batch 1 side side"],
    rounds: int,
    generator: torch.Generator | None = None,
    known: Bool[Tensor, "batch 1 side side"] | None = None,
) -> list[PlateOutput]:
    """No prompt first, then clicks into what was wrong, earlier logits, or both.

    Args:
        sam: The model.
        embedding: From :func:`mfnet_lite.sam.embed_images`; its gradient is the caller's affair.
        masks: True masks at the side of the encoder's input.
        rounds: Number of rounds with the first.
        generator: Source of randomness on the device of the masks; None for torch's own.
        known: Where the truth is known: no click falls into other pixels, such as ignored ones and padding. None
            for everywhere.

    Returns:
        A prediction per round, with gradients; what is fed back carries none.
    """
    none = embedding.new_zeros(len(embedding), 1, 0, embedding.shape[1])
    prediction = predict_masks(sam, embedding, tokens=none)
    found = [PlateOutput(prediction.masks[:, 0], prediction.iou[:, 0])]
    clicks: Clicks | None = None
    for _ in range(rounds - 1):
        logits = pick_best(prediction).detach()
        draw = float(torch.rand((), generator=generator, device=masks.device))
        kind = BOTH if draw < 0.5 else CLICKS if draw < 0.75 else LOGITS
        if kind != LOGITS:
            full = F.interpolate(logits, masks.shape[-2:], mode="bilinear")
            new = correction_clicks(full, masks, generator, known)
            clicks = new if clicks is None else clicks.add(new)
        tokens = none if clicks is None else prompt_tokens(sam, clicks.points, clicks.labels)
        four = predict_masks(
            sam,
            embedding,
            tokens=tokens,
            mask_inputs=None if kind == CLICKS else logits,
            multimask=None,
        )
        found.append(PlateOutput(four.masks[:, 0], four.iou[:, 0]))
        prediction = Prediction(four.masks[:, :, 1:], four.iou[:, :, 1:])
    return found


def some_objects(
    instances: Int[Tensor, "batch height width"], number: int
) -> tuple[Bool[Tensor, "batch objects height width"], Bool[Tensor, "batch objects"]]:
    """Masks of objects drawn at random from each image, without the loop over objects.

    Args:
        instances: Ids, 0 for none; 255 is an id as any other.
        number: Objects per image; images with fewer repeat theirs.

    Returns:
        The masks, and whether each is an object at all (an image may have none).
    """
    flat = rearrange(instances.long(), "b h w -> b (h w)")
    sizes = torch.zeros(len(flat), int(flat.max()) + 1, device=flat.device)
    sizes.scatter_add_(1, flat, torch.ones_like(flat, dtype=sizes.dtype))
    there = (sizes > 0).to(sizes.dtype)
    there[:, 0] = 0
    some = there.sum(dim=1) > 0
    there[~some, 0] = 1  # multinomial needs something to draw
    ids = torch.multinomial(there, number, replacement=True)
    masks = rearrange(instances, "b h w -> b 1 h w") == rearrange(ids, "b n -> b n 1 1")
    present = rearrange(some, "b -> b 1").expand_as(ids)
    return masks, present


def on_square(
    masks: Bool[Tensor, "batch objects height width"], side: int
) -> Bool[Tensor, "batch objects side side"]:
    """Masks as the encoder's padded square sees them.

    Args:
        masks: Masks at the size of the image.
        side: Side of the encoder's input.
    """
    size = fitted(masks.shape[-2:], side)
    scaled = masks.float()
    if size != tuple(masks.shape[-2:]):
        scaled = (
            F.interpolate(scaled, size, mode="area")
            if masks.shape[1]
            else scaled.new_zeros(len(masks), 0, *size)
        )
    return F.pad(scaled, (0, side - size[1], 0, side - size[0])) >= 0.5
