r"""Loss of masks that belong to classes: query k speaks for class k and for nothing else.

Mask2Former (Cheng et al., CVPR 2022, arXiv 2112.01527) matches its queries to masks anew in every step. MFuser (Zhang
and Tan, CVPR 2025, arXiv 2504.03193), whose queries are made from the words of the classes, has nothing to match: the
target of query k is the mask of class k where the image shows it, and "no object" where it does not.

.. math:: L = 2\,L_{class} + 5\,L_{bce} + 5\,L_{dice}

A query may also say no more than whether its own class is there, with one logit p: its presence. That is the choice
between its class with the logit p, "no object" with 0, and every other class with minus infinity.

Masks are compared at points, most of them where the prediction is undecided (Kirillov et al., "PointRend", CVPR 2020),
or at every labelled pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses.focal_dice import dice_loss
from mfnet_lite.losses.labelled import labelled
from mfnet_lite.losses.precision import at_least_single

__all__ = ["QueryWeights", "class_query_loss", "masks_of_classes", "undecided_points"]

OVERSAMPLE, IMPORTANT = 3, 0.75
"""Points drawn per point taken, and the share of those taken for being undecided."""


class QueryWeights(NamedTuple):
    """Weights of the terms, as released.

    Args:
        classes: Of the cross-entropy of the queries' classes.
        bce: Of the masks' binary cross-entropy.
        dice: Of their dice loss.
        absent: Of a query whose class the image does not show, within the first term.
    """

    classes: float = 2.0
    bce: float = 5.0
    dice: float = 5.0
    absent: float = 0.1


RELEASED = QueryWeights()


def masks_of_classes(
    label: Int[Tensor, "batch height width"], classes: int, ignore_index: int = 255
) -> tuple[Bool[Tensor, "batch class height width"], Bool[Tensor, "batch height width"]]:
    """Turn labels into one mask per class.

    Args:
        label: Class indices; negative ones and ``ignore_index`` belong to no class.
        classes: Number of classes.
        ignore_index: Label of pixels without truth.

    Returns:
        The masks, and which pixels have a label.

    Raises:
        ValueError: If a label is neither a class nor ignored.

    Example:
        >>> masks, known = masks_of_classes(torch.tensor([[[0, 1, 255]]]), 2)
        >>> masks.int().flatten(1).tolist(), known.tolist()
        ([[1, 0, 0, 0, 1, 0]], [[[True, True, False]]])
    """
    label, known = labelled(label, classes, ignore_index)
    index = torch.arange(classes, device=label.device)[:, None, None]
    return (label[:, None] == index) & known[:, None], known


def undecided_points(
    logits: Float[Tensor, "mask height width"],
    number: int,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "mask point 2"]:
    """Draw places in masks, most of them where a mask is undecided, the others anywhere.

    Args:
        logits: Mask logits.
        number: How many places in each mask.
        generator: Source of the random numbers; None for torch's own.

    Returns:
        Horizontal and vertical positions, 0 to 1 from edge to edge, at least in float32.
    """
    # the steps of half precision are as wide as the pixels of a mask of a thousand
    logits = at_least_single(logits)
    device = logits.device if generator is None else generator.device

    def draw(points: int) -> Tensor:
        places = torch.rand(len(logits), points, 2, generator=generator, device=device)
        return places.to(logits)

    many = draw(OVERSAMPLE * number)
    important = round(IMPORTANT * number)
    doubt = -read_at(logits.detach()[:, None], many)[:, 0].abs()
    chosen = doubt.topk(important, dim=1).indices[..., None].expand(-1, -1, 2)
    return torch.cat([many.gather(1, chosen), draw(number - important)], dim=1)


def read_at(
    maps: Float[Tensor, "batch channel height width"],
    places: Float[Tensor, "batch point 2"],
    nearest: bool = False,
) -> Float[Tensor, "batch channel point"]:
    """Read maps at places.

    Args:
        maps: The maps.
        places: Horizontal and vertical positions, 0 to 1 from edge to edge.
        nearest: Take the nearest pixel instead of a bilinear mean.
    """
    mode = "nearest" if nearest else "bilinear"
    grid = 2 * places[:, :, None] - 1
    return F.grid_sample(maps, grid, mode=mode, padding_mode="border", align_corners=False)[..., 0]


def class_query_loss(
    class_logits: Float[Tensor, "batch query choice"] | Float[Tensor, "batch query"],
    mask_logits: Float[Tensor, "batch query height width"],
    label: Int[Tensor, "batch label_height label_width"],
    weights: QueryWeights = RELEASED,
    ignore_index: int = 255,
    points: int = 0,
    generator: torch.Generator | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Loss of one decoder output.

    Args:
        class_logits: For each query a score for every class, and for "no object" at last; or one for the presence of
            its own class.
        mask_logits: Its mask, at any size.
        label: Class indices; negative ones and ``ignore_index`` do not count.
        weights: Of the terms.
        ignore_index: Label of pixels without truth.
        points: Number of points at which a mask is compared; 0 compares all pixels.
        generator: Source of the points; None for torch's own.

    Returns:
        The weighted terms ``classes``, ``bce`` and ``dice``, means over queries and over the masks of classes that
        occur, and their sum as ``total``. Images without any label count in none of them.

    Raises:
        ValueError: If shapes or labels do not fit.
    """
    batch, classes = mask_logits.shape[:2]
    if class_logits.shape not in ((batch, classes, classes + 1), (batch, classes)):
        raise ValueError(
            "expected one query per class, class logits (batch, classes, classes + 1), or (batch, classes) for their "
            "presence, and masks (batch, classes, height, width), got "
            f"{tuple(class_logits.shape)} and {tuple(mask_logits.shape)}"
        )
    if label.ndim != 3 or len(label) != batch or points < 0:
        raise ValueError(
            f"expected labels of shape ({batch}, height, width) and at least 0 points, got "
            f"{tuple(label.shape)} and {points}"
        )
    class_logits, mask_logits = at_least_single(class_logits), at_least_single(mask_logits)
    masks, known = masks_of_classes(label, classes, ignore_index)
    shown = masks.flatten(2).any(dim=2)
    importance = torch.where(shown, 1, class_logits.new_tensor(weights.absent))
    # an image without labels says nothing about which classes it shows
    counts_as = importance * known.flatten(1).any(dim=1, keepdim=True)
    of_queries = _of_queries(class_logits, shown)
    # a mean would be NaN where no query counts
    of_classes = (of_queries * counts_as).sum() / counts_as.sum().clamp(min=1e-12)
    image = torch.arange(batch, device=label.device)[:, None].expand_as(shown)[shown]
    logits, truth, counts = _compared(
        mask_logits[shown], masks[shown].to(mask_logits), known[image], points, generator
    )
    number = max(len(logits), 1)
    pixels = counts.sum(dim=1).clamp(min=1)
    bce = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    of_bce = ((bce * counts).sum(dim=1) / pixels).sum() / number
    # a pixel that does not count is in neither mask
    counted = torch.where(counts > 0, logits, -torch.inf)
    of_dice = dice_loss(counted[:, None], (truth * counts)[:, None]).sum() / number
    terms = {
        "classes": weights.classes * of_classes,
        "bce": weights.bce * of_bce,
        "dice": weights.dice * of_dice,
    }
    return terms | {"total": sum(terms.values(), start=class_logits.new_zeros(()))}


def _of_queries(
    class_logits: Float[Tensor, "batch query choice"] | Float[Tensor, "batch query"],
    shown: Bool[Tensor, "batch class"],
) -> Float[Tensor, "batch query"]:
    """Cross-entropy of each query, whose class the image shows or not."""
    if class_logits.ndim == 2:
        truth = shown.to(class_logits)
        return F.binary_cross_entropy_with_logits(class_logits, truth, reduction="none")
    classes = shown.shape[1]
    target = torch.where(shown, torch.arange(classes, device=shown.device), classes)
    return F.cross_entropy(class_logits.mT, target, reduction="none")


def _compared(
    logits: Float[Tensor, "mask height width"],
    truth: Float[Tensor, "mask label_height label_width"],
    known: Bool[Tensor, "mask label_height label_width"],
    points: int,
    generator: torch.Generator | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, truth and whether it counts, at the same places of each mask."""
    counts = known.to(logits)
    if points and len(logits):
        places = undecided_points(logits, points, generator)
        read = read_at(logits[:, None], places)[:, 0]
        there = read_at(torch.stack([truth, counts], dim=1), places, nearest=True)
        return read, there[:, 0], there[:, 1]
    size = truth.shape[-2:]
    whole = F.interpolate(logits[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    return whole.flatten(1), truth.flatten(1), counts.flatten(1)
