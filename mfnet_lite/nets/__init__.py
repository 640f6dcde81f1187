"""Whole networks, one file each, and the registry that names them; each is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mfnet_lite.nets.config import NetworkConfig
from mfnet_lite.nets.registry import (
    DIALOGUE_NETWORKS,
    NETWORKS,
    all_models,
    build_model,
    config_class,
    list_models,
    make_config,
)

if TYPE_CHECKING:
    from mfnet_lite.nets.change_detector import ChangeDetector, ChangeDetectorConfig
    from mfnet_lite.nets.decoders.dfm import DeepFusionModule, SEFusion, SumFusion
    from mfnet_lite.nets.decoders.feature_pyramid import FeaturePyramid
    from mfnet_lite.nets.decoders.pixel_decoder import DecodedPixels, PixelDecoder
    from mfnet_lite.nets.decoders.query_scores import scores_of_queries
    from mfnet_lite.nets.decoders.text_query import QueryOutput, TextQueryDecoder
    from mfnet_lite.nets.decoders.unetformer_decoder import UNetFormerDecoder
    from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig
    from mfnet_lite.nets.encoders.fastsam import FastSamPyramid, open_fastsam
    from mfnet_lite.nets.encoders.multimodal_sam import MultimodalEncoder
    from mfnet_lite.nets.encoders.open_vision_language import load_vision_language
    from mfnet_lite.nets.encoders.pyramids import Pyramid, SamPyramid, TimmPyramid
    from mfnet_lite.nets.encoders.vision_language import TextEncoder, TextTokens, VisionLanguage
    from mfnet_lite.nets.gopt import GoPT, GoPTConfig
    from mfnet_lite.nets.mfnet import MFNet, MFNetConfig
    from mfnet_lite.nets.mfuser import MFuser, MFuserConfig, MFuserOutput
    from mfnet_lite.nets.sam_cd import SAMCD, ChangeOutput, SAMCDConfig
    from mfnet_lite.nets.samlp import PlateOutput, SamLP, SamLPConfig
    from mfnet_lite.nets.samlp_prompts import (
        InteractiveOutput,
        PromptTuning,
        refine_interactively,
    )
    from mfnet_lite.nets.unet import UNet, UNetConfig
    from mfnet_lite.nets.unetformer import UNetFormer, UNetFormerConfig

__all__ = [
    "DIALOGUE_NETWORKS",
    "NETWORKS",
    "SAMCD",
    "ChangeDetector",
    "ChangeDetectorConfig",
    "ChangeOutput",
    "DecodedPixels",
    "DeepFusionModule",
    "EarthGPT",
    "EarthGPTConfig",
    "FastSamPyramid",
    "FeaturePyramid",
    "GoPT",
    "GoPTConfig",
    "InteractiveOutput",
    "MFNet",
    "MFNetConfig",
    "MFuser",
    "MFuserConfig",
    "MFuserOutput",
    "MultimodalEncoder",
    "NetworkConfig",
    "PixelDecoder",
    "PlateOutput",
    "PromptTuning",
    "Pyramid",
    "QueryOutput",
    "SAMCDConfig",
    "SEFusion",
    "SamLP",
    "SamLPConfig",
    "SamPyramid",
    "SumFusion",
    "TextEncoder",
    "TextQueryDecoder",
    "TextTokens",
    "TimmPyramid",
    "UNet",
    "UNetConfig",
    "UNetFormer",
    "UNetFormerConfig",
    "UNetFormerDecoder",
    "VisionLanguage",
    "all_models",
    "build_model",
    "config_class",
    "list_models",
    "load_vision_language",
    "make_config",
    "open_fastsam",
    "refine_interactively",
    "scores_of_queries",
]

_FILES = {
    "change_detector": ("ChangeDetector", "ChangeDetectorConfig"),
    "decoders.dfm": ("DeepFusionModule", "SEFusion", "SumFusion"),
    "decoders.feature_pyramid": ("FeaturePyramid",),
    "decoders.pixel_decoder": ("DecodedPixels", "PixelDecoder"),
    "decoders.query_scores": ("scores_of_queries",),
    "decoders.text_query": ("QueryOutput", "TextQueryDecoder"),
    "decoders.unetformer_decoder": ("UNetFormerDecoder",),
    "earthgpt": ("EarthGPT", "EarthGPTConfig"),
    "encoders.fastsam": ("FastSamPyramid", "open_fastsam"),
    "encoders.multimodal_sam": ("MultimodalEncoder",),
    "encoders.open_vision_language": ("load_vision_language",),
    "encoders.pyramids": ("Pyramid", "SamPyramid", "TimmPyramid"),
    "encoders.vision_language": ("TextEncoder", "TextTokens", "VisionLanguage"),
    "gopt": ("GoPT", "GoPTConfig"),
    "mfnet": ("MFNet", "MFNetConfig"),
    "mfuser": ("MFuser", "MFuserConfig", "MFuserOutput"),
    "sam_cd": ("SAMCD", "ChangeOutput", "SAMCDConfig"),
    "samlp": ("PlateOutput", "SamLP", "SamLPConfig"),
    "samlp_prompts": ("InteractiveOutput", "PromptTuning", "refine_interactively"),
    "unet": ("UNet", "UNetConfig"),
    "unetformer": ("UNetFormer", "UNetFormerConfig"),
}
_HOMES = {name: file for file, names in _FILES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for: listing the networks, or building one, need not load the others."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what can be imported from here."""
    return sorted({*globals(), *__all__})
