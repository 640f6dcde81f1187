"""What is injected into a frozen network: LoRA, adapters, multimodal forms, scale and shift, and how to save them.

Users of peft find its words: :func:`merge_and_unload`, :func:`unload`, and files by :func:`export_peft` and
:func:`import_peft`.
"""

from __future__ import annotations

from mfnet_lite.tuning.adapter import (
    BLOCK_TARGETS,
    Adapter,
    ParallelAdapter,
    SerialAdapter,
    attach_adapters,
)
from mfnet_lite.tuning.bookkeeping import (
    base_hash,
    freeze_statistics,
    injected_names,
    original_names,
    trained_state,
)
from mfnet_lite.tuning.count import (
    Count,
    CountRow,
    count,
)
from mfnet_lite.tuning.delta import (
    DeltaInfo,
    Describes,
    delta_info,
    load_delta,
    save_delta,
)
from mfnet_lite.tuning.grouping import (
    CrossModalPrompter,
    GroupAssignment,
    GroupingPrompter,
    PromptHierarchy,
    UniModalPrompter,
    set_temperature,
)
from mfnet_lite.tuning.inject import (
    Injected,
    InjectedWrapper,
    NamesTrained,
    RemovesInjected,
    attach,
    detach,
    find_modules,
    freeze,
    injected_modules,
    matches,
    unload,
)
from mfnet_lite.tuning.lora import (
    LoRALayer,
    LoRALinear,
    LoRAQKV,
)
from mfnet_lite.tuning.lora_model import (
    attach_lora,
    merge,
    merge_and_unload,
    unmerge,
)
from mfnet_lite.tuning.multimodal.adapter import (
    MMAdapter,
    SensorAdapter,
)
from mfnet_lite.tuning.multimodal.lora import (
    MMLoRA,
    MMLoRALinear,
    QKVUpdate,
    SensorQKV,
)
from mfnet_lite.tuning.multimodal.mixing import (
    fuse_sensors,
    mixing_matrix,
)
from mfnet_lite.tuning.peft_io import (
    export_peft,
    import_peft,
)
from mfnet_lite.tuning.scale_shift import (
    ScaleShiftLinear,
    attach_scale_shift,
    linear_layers,
)
from mfnet_lite.tuning.spectrum import (
    energy_by_rank,
    rank_for_energy,
    set_update,
    truncate_rank,
    weight_updates,
)
from mfnet_lite.tuning.stages import (
    train_attention_and_norms,
    train_scale_and_shift,
)

__all__ = [
    "BLOCK_TARGETS",
    "Adapter",
    "Count",
    "CountRow",
    "CrossModalPrompter",
    "DeltaInfo",
    "Describes",
    "GroupAssignment",
    "GroupingPrompter",
    "Injected",
    "InjectedWrapper",
    "LoRALayer",
    "LoRALinear",
    "LoRAQKV",
    "MMAdapter",
    "MMLoRA",
    "MMLoRALinear",
    "NamesTrained",
    "ParallelAdapter",
    "PromptHierarchy",
    "QKVUpdate",
    "RemovesInjected",
    "ScaleShiftLinear",
    "SensorAdapter",
    "SensorQKV",
    "SerialAdapter",
    "UniModalPrompter",
    "attach",
    "attach_adapters",
    "attach_lora",
    "attach_scale_shift",
    "base_hash",
    "count",
    "delta_info",
    "detach",
    "energy_by_rank",
    "export_peft",
    "find_modules",
    "freeze",
    "freeze_statistics",
    "fuse_sensors",
    "import_peft",
    "injected_modules",
    "injected_names",
    "linear_layers",
    "load_delta",
    "matches",
    "merge",
    "merge_and_unload",
    "mixing_matrix",
    "original_names",
    "rank_for_energy",
    "save_delta",
    "set_temperature",
    "set_update",
    "train_attention_and_norms",
    "train_scale_and_shift",
    "trained_state",
    "truncate_rank",
    "unload",
    "unmerge",
    "weight_updates",
]
