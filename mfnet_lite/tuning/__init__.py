"""What is added to a frozen network: LoRA, adapters, their multimodal forms, and how to keep them."""

from __future__ import annotations

from mfnet_lite.tuning.adapter import (
    BLOCK_TARGETS,
    Adapter,
    ParallelAdapter,
    SerialAdapter,
    attach_adapters,
)
from mfnet_lite.tuning.base import base_hash
from mfnet_lite.tuning.count import Count, CountRow, count
from mfnet_lite.tuning.delta import DeltaInfo, delta_info, load_delta, save_delta
from mfnet_lite.tuning.inject import Addition, attach, detach, find, freeze, matches
from mfnet_lite.tuning.lora import LoRALayer, LoRALinear, LoRAQKV
from mfnet_lite.tuning.lora_model import attach_lora, fold, merge, unmerge
from mfnet_lite.tuning.multimodal.adapter import MMAdapter, SensorAdapter
from mfnet_lite.tuning.multimodal.lora import MMLoRA, MMLoRALinear, QKVUpdate, SensorQKV
from mfnet_lite.tuning.multimodal.mixing import mix, mixing_matrix
from mfnet_lite.tuning.peft_io import export_peft, import_peft
from mfnet_lite.tuning.spectrum import (
    energy_by_rank,
    rank_for_energy,
    set_update,
    truncate,
    weight_updates,
)

__all__ = [
    "BLOCK_TARGETS",
    "Adapter",
    "Addition",
    "Count",
    "CountRow",
    "DeltaInfo",
    "LoRALayer",
    "LoRALinear",
    "LoRAQKV",
    "MMAdapter",
    "MMLoRA",
    "MMLoRALinear",
    "ParallelAdapter",
    "QKVUpdate",
    "SensorAdapter",
    "SensorQKV",
    "SerialAdapter",
    "attach",
    "attach_adapters",
    "attach_lora",
    "base_hash",
    "count",
    "delta_info",
    "detach",
    "energy_by_rank",
    "export_peft",
    "find",
    "fold",
    "freeze",
    "import_peft",
    "load_delta",
    "matches",
    "merge",
    "mix",
    "mixing_matrix",
    "rank_for_energy",
    "save_delta",
    "set_update",
    "truncate",
    "unmerge",
    "weight_updates",
]
