"""SAM-CD for the training loop and the command line: a dict of two dates in, logits of two classes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.losses.cross_entropy import cross_entropy
from mfnet_lite.losses.temporal import temporal_similarity
from mfnet_lite.nets.encoders.fastsam import open_fastsam
from mfnet_lite.nets.encoders.pyramids import STRIDES, Pyramid, SamPyramid, TimmPyramid
from mfnet_lite.nets.sam_cd import SAMCD, ChangeOutput
from mfnet_lite.nets.unet import pad_to_multiple
from mfnet_lite.sam import load_sam

DATES = ("before", "after")


class ChangeDetector(nn.Module):
    """:class:`SAMCD` with the interface that all trained networks share.

    Args:
        encoder: A frozen pyramid.
        temporal: Weight of the temporal constraint in :meth:`loss`; 0 without a semantic branch.
        temperature: T of the constraint; larger ones spread the latent distributions.
        changed_weight: How much a changed pixel counts beside an unchanged one in the cross-entropy. The
            authors weigh both alike and train for long; a short training on few changes then calls
            nothing changed.
        **options: Options of :class:`SAMCD`.

    Shape:
        ``{"before": (batch, 3, H, W), "after": …}`` → (batch, 2, H, W), any H and W. In training mode a
        :class:`ChangeOutput`, for :meth:`loss`.
    """

    def __init__(
        self,
        encoder: Pyramid,
        temporal: float = 1.0,
        temperature: float = 3.0,
        changed_weight: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__()
        self.net = SAMCD(encoder, **options)
        self.temporal = temporal if self.net.semantic is not None else 0.0
        self.temperature = temperature
        self.changed_weight = changed_weight

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch 3 height width"]]
    ) -> Float[Tensor, "batch 2 height width"] | ChangeOutput:
        """Compare the dates of a batch; entries beyond the two dates are not read."""
        for name in DATES:
            if name not in sample:
                raise ValueError(
                    f"change detection needs before and after, but the sample holds {list(sample)}"
                )
            if sample[name].ndim != 4 or sample[name].shape[1] != 3:
                raise ValueError(
                    f"expected {name} of shape (batch, 3, height, width), "
                    f"got {tuple(sample[name].shape)}"
                )
        height, width = sample[DATES[0]].shape[-2:]
        before, after = (pad_to_multiple(sample[name], STRIDES[-1]) for name in DATES)
        out = self.net(before, after)
        cut = ChangeOutput(*(x[..., :height, :width] for x in out))
        if self.training:
            return cut
        # The sigmoid of z is the softmax of (0, z): one logit, written as two classes.
        return torch.cat([torch.zeros_like(cut.change), cut.change], dim=1)

    def loss(
        self, output: ChangeOutput, batch: Mapping[str, Tensor], ignore_index: int = 255
    ) -> Float[Tensor, ""]:
        """Cross-entropy of change plus the temporal constraint (fact sheet, section 7).

        The constraint is the mean over unchanged pixels, as the paper says. The authors' code divides by
        all pixels, so that it shrinks where much changed; ``official=True`` does the same.

        Args:
            output: What :meth:`forward` returned in training mode.
            batch: Holds ``label``: 0 unchanged, 1 changed.
            ignore_index: Label of pixels that do not count; for the constraint they are as changed.
        """
        label = batch["label"]
        logits = torch.cat([torch.zeros_like(output.change), output.change], dim=1)
        total = cross_entropy(logits, label, ignore_index, (1.0, self.changed_weight))
        if self.temporal:
            constraint = temporal_similarity(
                output.before,
                output.after,
                label != 0,
                self.temperature,
                per_unchanged=not self.net.official,
            )
            total = total + self.temporal * constraint
        return total


def build_sam_cd(
    sensors: Mapping[str, int],
    num_classes: int,
    backbone: str = "tiny",
    temporal: float = 1.0,
    semantic: bool = True,
    adaptor: bool = True,
    symmetric: bool = True,
    official: bool = False,
    latent: int = 8,
    temperature: float = 3.0,
    fine: int = 64,
    changed_weight: float = 1.0,
) -> ChangeDetector:
    """Build SAM-CD on a SAM, on a convolutional network of timm or on FastSAM, in the shared argument order.

    Args:
        sensors: Must be the dates before and after with three bands each.
        num_classes: Must be 2.
        backbone: What :func:`mfnet_lite.load_sam` takes, or ``timm:NAME`` such as ``timm:resnet18``
            (its pre-trained weights are fetched), or ``fastsam:FILE`` (needs the optional package
            ``ultralytics``, AGPL-3.0).
        temporal: Weight of the temporal constraint.
        semantic: Whether there is a semantic branch.
        adaptor: Whether there are adaptors.
        symmetric: Whether swapping the dates changes nothing.
        official: The authors' code.
        latent: Channels of the semantic branch.
        temperature: T of the temporal constraint.
        fine: Channels of the finest decoded map.
        changed_weight: How much a changed pixel counts beside an unchanged one.

    Raises:
        ValueError: If sensors or classes are others.
    """
    if dict(sensors) != dict.fromkeys(DATES, 3) or num_classes != 2:
        raise ValueError(
            "sam_cd compares the sensors before and after with 3 bands each in 2 classes, got "
            f"{dict(sensors)} and {num_classes} classes; train it on a folder of pairs"
        )
    encoder: Pyramid
    if backbone.startswith("timm:"):
        encoder = TimmPyramid(backbone.removeprefix("timm:"), pretrained=True)
    elif backbone.startswith("fastsam:"):
        encoder = open_fastsam(backbone.removeprefix("fastsam:"))
    else:
        encoder = SamPyramid(load_sam(backbone))
    return ChangeDetector(
        encoder,
        temporal,
        temperature,
        changed_weight,
        latent=latent,
        semantic=semantic,
        adaptor=adaptor,
        symmetric=symmetric,
        official=official,
        fine=fine,
    )
