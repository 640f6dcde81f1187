"""What is added to a frozen network: LoRA, adapters, their multimodal forms, and how to keep them."""

from __future__ import annotations

from mfnet_lite.tuning.lora import LoRALayer, LoRALinear, LoRAQKV
from mfnet_lite.tuning.lora_model import attach_lora, fold, merge, unmerge
from mfnet_lite.tuning.mixing import mix, mixing_matrix
from mfnet_lite.tuning.multimodal import (
    MMAdapter,
    MMLoRA,
    MMLoRALinear,
    QKVUpdate,
    SensorAdapter,
    SensorQKV,
)
from mfnet_lite.tuning.wrap import Addition, attach, detach, find, freeze, matches

__all__ = [
    "Addition",
    "LoRALayer",
    "LoRALinear",
    "LoRAQKV",
    "MMAdapter",
    "MMLoRA",
    "MMLoRALinear",
    "QKVUpdate",
    "SensorAdapter",
    "SensorQKV",
    "attach",
    "attach_lora",
    "detach",
    "find",
    "fold",
    "freeze",
    "matches",
    "merge",
    "mix",
    "mixing_matrix",
    "unmerge",
]
