"""Small modules that several networks share."""

from __future__ import annotations

from mfnet_lite.nets.layers.attention_fusion import AttentionFusion
from mfnet_lite.nets.layers.deformable_attention import DeformableAttention, sample_and_average
from mfnet_lite.nets.layers.mt_enhancer import EnhancerBlock, MTEnhancer
from mfnet_lite.nets.layers.mv_fuser import MVFuser
from mfnet_lite.nets.layers.refined_text import RefinedText
from mfnet_lite.nets.layers.sine_positions import sine_positions
from mfnet_lite.nets.layers.state_space_scan import selective_scan, selective_scan_steps
from mfnet_lite.nets.layers.text_prompts import TextPrompts

__all__ = [
    "AttentionFusion",
    "DeformableAttention",
    "EnhancerBlock",
    "MTEnhancer",
    "MVFuser",
    "RefinedText",
    "TextPrompts",
    "sample_and_average",
    "selective_scan",
    "selective_scan_steps",
    "sine_positions",
]
