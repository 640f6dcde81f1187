"""Which device a model runs on: one answer, checked before anything is read or written."""

from __future__ import annotations

import torch

__all__ = ["pick_device"]

KINDS = ("cpu", "cuda", "mps")


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """Turn the name of a device into one that is here.

    Args:
        name: ``"auto"`` for the best device here, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.

    Returns:
        The device.

    Raises:
        ValueError: If there is no device of that name, or not in this machine.

    Example:
        >>> pick_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device(_here()[-1])
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in KINDS:
        raise ValueError(f"unknown device {str(name)!r}; available: auto, {', '.join(KINDS)}")
    here = _here()
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if device.type not in here or (device.index or 0) >= count:
        raise ValueError(
            f"this machine has no device {str(name)!r} that PyTorch can use, only {', '.join(here)}; "
            "choose one of these or auto"
        )
    return device


def _here() -> tuple[str, ...]:
    """Kinds of device in this machine, the best one last."""
    mps = ("mps",) if torch.backends.mps.is_available() else ()
    return ("cpu", *mps, *(("cuda",) if torch.cuda.is_available() else ()))
