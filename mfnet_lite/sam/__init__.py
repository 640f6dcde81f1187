"""Segment Anything, frozen: loading, attention, prompts, automatic masks."""

from __future__ import annotations

from mfnet_lite.sam.attention import fuse_attention, fused_attention, unfuse_attention
from mfnet_lite.sam.automatic import MaskRecord, generate_masks, official_generator
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
from mfnet_lite.sam.interactive import (
    Clicks,
    correction_clicks,
    first_prompts,
    prompt_interactively,
)
from mfnet_lite.sam.objects import Objects, ObjectSettings, find_objects, objects_from_masks
from mfnet_lite.sam.prompts import Prediction, embed_images, predict_masks, prompt_tokens

__all__ = [
    "TINY",
    "VIT_B",
    "VIT_H",
    "VIT_L",
    "Clicks",
    "MaskRecord",
    "ObjectSettings",
    "Objects",
    "Prediction",
    "SamConfig",
    "build_image_encoder",
    "build_sam",
    "correction_clicks",
    "embed_images",
    "find_checkpoint",
    "find_objects",
    "first_prompts",
    "fuse_attention",
    "fused_attention",
    "generate_masks",
    "infer_config",
    "load_sam",
    "objects_from_masks",
    "official_generator",
    "predict_masks",
    "prompt_interactively",
    "prompt_tokens",
    "resize_state_dict",
    "unfuse_attention",
]
