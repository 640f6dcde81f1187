"""Whether a device multiplies matrices in bfloat16 by instructions of its own.

Half the bytes are half the time only where a processor has such instructions (AMX, AVX512-BF16, AVX10, SVE or NEON
with BF16). Elsewhere PyTorch computes the same numbers by detours: on an AMD EPYC with AVX2, PyTorch 2.15, a product of
512 × 576 and 576 × 3072 took 8 times as long in bfloat16 as in float32.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["multiplies_bfloat16"]

X86 = ("amx_bf16", "avx512_bf16", "avx10_1", "avx10_2")
ARM = ("bf16", "sve_bf16")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Decide whether matrices are multiplied in bfloat16 faster than in float32.

    Args:
        device: Where the product is computed.

    Returns:
        True where the device has instructions for it. An unknown processor has none.

    Example:
        >>> multiplies_bfloat16(torch.device("cpu")) in (True, False)
        True
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and any(_capabilities().get(name, False) for name in X86 + ARM)


def _capabilities() -> Mapping[str, Any]:
    """Ask PyTorch what the processor can do; releases that cannot tell know of one set of instructions."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    if ask is not None:
        found: Mapping[str, Any] = ask()
        return found
    known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return {"avx512_bf16": bool(known()) if x86 and known is not None else False}
