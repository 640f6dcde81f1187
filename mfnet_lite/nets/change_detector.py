"""SAM-CD for the training loop and the command line: a dict of two dates in, logits of two classes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.losses.cross_entropy import cross_entropy
from mfnet_lite.losses.temporal import temporal_similarity
from mfnet_lite.nets.encoders.fastsam import open_fastsam
from mfnet_lite.nets.encoders.pyramids import Pyramid, SamPyramid, TimmPyramid
from mfnet_lite.nets.encoders.timm_network import STRIDES
from mfnet_lite.nets.encoders.timm_weights import PREFIX, timm_name
from mfnet_lite.nets.inputs import check_map
from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.nets.sam_cd import SAMCD, ChangeOutput, SAMCDConfig
from mfnet_lite.sam import load_sam

DATES = ("before", "after")


@dataclass(frozen=True)
class ChangeDetectorConfig(SAMCDConfig):
    """Options of :class:`ChangeDetector`: those of SAM-CD, its encoder and its loss."""

    lr = 1e-3
    crop = 128
    recorded = ("backbone", "temporal")

    backbone: str = field(
        default="tiny",
        metadata={
            "help": "tiny, vit_b, vit_l, vit_h or a checkpoint file; timm:tf_efficientnet_lite0 "
            "(from the extra pretrained); timm:NAME@FILE; timm:NAME, whose weights are fetched; "
            "fastsam:FILE, which needs the package ultralytics (AGPL-3.0)."
        },
    )
    temporal: float = field(default=1.0, metadata={"help": "Weight of the temporal constraint."})
    temperature: float = field(default=3.0, metadata={"help": "T of the temporal constraint."})
    changed_weight: float = field(
        default=1.0,
        metadata={"help": "A changed pixel counts so much; more than 1 for short trainings."},
    )

    def build(self, sensors: Mapping[str, int], num_classes: int) -> ChangeDetector:
        """Build SAM-CD on the encoder that ``backbone`` names.

        Args:
            sensors: Must be the dates before and after with three bands each.
            num_classes: Must be 2.

        Raises:
            ValueError: If sensors or classes are others.
        """
        if dict(sensors) != dict.fromkeys(DATES, 3) or num_classes != 2:
            raise ValueError(
                "sam_cd compares the sensors before and after with 3 bands each in 2 classes, got "
                f"{dict(sensors)} and {num_classes} classes; train it on a folder of pairs"
            )
        return ChangeDetector(open_pyramid(self.backbone), **self.without("backbone"))

    def crop_multiple(self, network: nn.Module) -> int:
        """Crops are cut into patches where the encoder is SAM's."""
        pyramid = cast(ChangeDetector, network).net.encoder
        return pyramid.encoder.patch if isinstance(pyramid, SamPyramid) else 1


def open_pyramid(backbone: str) -> Pyramid:
    """Build a frozen pyramid.

    Args:
        backbone: What :func:`mfnet_lite.load_sam` takes; or ``timm:NAME``, whose weights come as a package
            (``timm:tf_efficientnet_lite0``) or else are fetched; or ``timm:NAME@FILE``; or ``fastsam:FILE``
            (needs the optional package ``ultralytics``, AGPL-3.0).
    """
    if backbone.startswith(PREFIX):
        return TimmPyramid(timm_name(backbone), pretrained=True)
    if backbone.startswith("fastsam:"):
        return open_fastsam(backbone.removeprefix("fastsam:"))
    return SamPyramid(load_sam(backbone))


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
        temporal: float = ChangeDetectorConfig.temporal,
        temperature: float = ChangeDetectorConfig.temperature,
        changed_weight: float = ChangeDetectorConfig.changed_weight,
        **options: Any,
    ) -> None:
        super().__init__()
        self.net = SAMCD(encoder, **options)
        self.per_unchanged = self.net.variant.per_unchanged
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
            check_map(name, sample[name], 3)
            if sample[name].shape[1] != 3:
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
        """Cross-entropy of change plus the temporal constraint.

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
                per_unchanged=self.per_unchanged,
            )
            total = total + self.temporal * constraint
        return total
