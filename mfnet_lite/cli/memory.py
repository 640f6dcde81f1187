"""How much memory this process has needed."""

from __future__ import annotations

from mfnet_lite.utils.provenance import peak_memory

__all__ = ["peak_memory"]
