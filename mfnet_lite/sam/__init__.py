"""Segment Anything, frozen: loading, attention, prompts, automatic masks."""

from __future__ import annotations

from mfnet_lite.sam.build import (
    TINY,
    VIT_B,
    VIT_H,
    VIT_L,
    SamConfig,
    build_image_encoder,
    build_sam,
    infer_config,
    resize_state_dict,
)
from mfnet_lite.sam.checkpoints import find_checkpoint, load_sam

__all__ = [
    "TINY",
    "VIT_B",
    "VIT_H",
    "VIT_L",
    "SamConfig",
    "build_image_encoder",
    "build_sam",
    "find_checkpoint",
    "infer_config",
    "load_sam",
    "resize_state_dict",
]
