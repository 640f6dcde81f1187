"""Segment Anything, frozen: loading, attention, prompts, interactive prompting, automatic masks."""

from __future__ import annotations

from mfnet_lite.sam.attention import (
    fuse_attention,
    fused_attention,
    unfuse_attention,
)
from mfnet_lite.sam.automatic import (
    MaskRecord,
    generate_masks,
    official_generator,
)
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
from mfnet_lite.sam.checkpoints import (
    find_checkpoint,
    load_sam,
)
from mfnet_lite.sam.interactive import (
    Clicks,
    correction_clicks,
    first_prompts,
    mask_boxes,
    noisy_boxes,
    pick_best,
    prompt_interactively,
    random_points,
)
from mfnet_lite.sam.objects import (
    Objects,
    ObjectSettings,
    find_objects,
    objects_from_masks,
    outlines,
)
from mfnet_lite.sam.onnx_models import (
    OnnxDecoder,
    OnnxEncoder,
    export_sam,
    padded_image,
)
from mfnet_lite.sam.picture_clicks import clicks_on
from mfnet_lite.sam.prompt_sampling import (
    ambiguous_clicks,
    distance_transform_centres,
)
from mfnet_lite.sam.prompts import (
    BACKGROUND,
    FOREGROUND,
    PADDING,
    Prediction,
    embed_images,
    embed_points,
    predict_masks,
    prompt_tokens,
)
from mfnet_lite.sam.training_memory import (
    StepMemory,
    encoder_weights,
    lora_weights,
    mmlora_weights,
    step_memory,
)

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "PADDING",
    "TINY",
    "VIT_B",
    "VIT_H",
    "VIT_L",
    "Clicks",
    "MaskRecord",
    "ObjectSettings",
    "Objects",
    "OnnxDecoder",
    "OnnxEncoder",
    "Prediction",
    "SamConfig",
    "StepMemory",
    "ambiguous_clicks",
    "build_image_encoder",
    "build_sam",
    "clicks_on",
    "correction_clicks",
    "distance_transform_centres",
    "embed_images",
    "embed_points",
    "encoder_weights",
    "export_sam",
    "find_checkpoint",
    "find_objects",
    "first_prompts",
    "fuse_attention",
    "fused_attention",
    "generate_masks",
    "infer_config",
    "load_sam",
    "lora_weights",
    "mask_boxes",
    "mmlora_weights",
    "noisy_boxes",
    "objects_from_masks",
    "official_generator",
    "outlines",
    "padded_image",
    "pick_best",
    "predict_masks",
    "prompt_interactively",
    "prompt_tokens",
    "random_points",
    "resize_state_dict",
    "step_memory",
    "unfuse_attention",
]
