"""Whole networks, one file each, and the one table that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from mfnet_lite.nets.change_detector import ChangeDetector, build_sam_cd
from mfnet_lite.nets.decoders.dfm import DeepFusionModule, SEFusion, SumFusion
from mfnet_lite.nets.decoders.unetformer_decoder import UNetFormerDecoder
from mfnet_lite.nets.encoders.fastsam import FastSamPyramid, open_fastsam
from mfnet_lite.nets.encoders.multimodal_sam import MultimodalEncoder
from mfnet_lite.nets.encoders.pyramids import Pyramid, SamPyramid, TimmPyramid
from mfnet_lite.nets.mfnet import MFNet, build_mfnet
from mfnet_lite.nets.sam_cd import SAMCD, ChangeOutput
from mfnet_lite.nets.samlp import PlateOutput, SamLP, build_samlp
from mfnet_lite.nets.samlp_prompts import InteractiveOutput, PromptTuning, refine_interactively
from mfnet_lite.nets.unet import UNet, build_unet
from mfnet_lite.nets.unetformer import UNetFormer, build_unetformer

__all__ = [
    "BUILDERS",
    "SAMCD",
    "ChangeDetector",
    "ChangeOutput",
    "DeepFusionModule",
    "FastSamPyramid",
    "InteractiveOutput",
    "MFNet",
    "MultimodalEncoder",
    "PlateOutput",
    "PromptTuning",
    "Pyramid",
    "SEFusion",
    "SamLP",
    "SamPyramid",
    "SumFusion",
    "TimmPyramid",
    "UNet",
    "UNetFormer",
    "UNetFormerDecoder",
    "build",
    "open_fastsam",
    "refine_interactively",
]

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "unet": build_unet,
    "unetformer": build_unetformer,
    "mfnet": build_mfnet,
    "sam_cd": build_sam_cd,
    "samlp": build_samlp,
}
"""Name → builder ``(sensors: {name: channels}, num_classes, **options) -> nn.Module``."""


def build(name: str, sensors: Mapping[str, int], num_classes: int, **options: Any) -> nn.Module:
    """Build a network by name, the way the command line does.

    Args:
        name: a key of :data:`BUILDERS`.
        sensors: channels of each sensor, by name.
        num_classes: number of classes.
        **options: what the builder takes beyond that, e.g. ``width`` and ``depth`` of the U-Net.

    Returns:
        A module which maps ``{sensor: (batch, channels, height, width)}`` to logits
        ``(batch, num_classes, height, width)``.

    Raises:
        ValueError: if the name is unknown.

    Example:
        >>> sum(p.numel() for p in build("unet", {"optical": 3}, 2, width=4, depth=1).parameters())
        1754
    """
    if name not in BUILDERS:
        raise ValueError(f"unknown model {name!r}; available: {', '.join(sorted(BUILDERS))}")
    return BUILDERS[name](sensors, num_classes, **options)
