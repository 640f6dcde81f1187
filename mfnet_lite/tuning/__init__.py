"""What is added to a frozen network: LoRA, adapters, their multimodal forms, and how to keep them."""

from __future__ import annotations

from mfnet_lite.tuning.wrap import Addition, attach, detach, find, freeze, matches

__all__ = ["Addition", "attach", "detach", "find", "freeze", "matches"]
