"""The small EarthGPT that ships with the package, pre-trained on photographs."""

from __future__ import annotations

import torch

from mfnet_lite.nets.earthgpt import EarthGPT, EarthGPTConfig

__all__ = ["load_tiny_earthgpt"]


def load_tiny_earthgpt(device: str | torch.device = "cpu") -> EarthGPT:
    """Load the small EarthGPT, which has seen photographs and neither radar nor thermal images.

    Args:
        device: Where it goes.

    Returns:
        The model, frozen and in evaluation mode; :meth:`~mfnet_lite.nets.earthgpt.EarthGPT.start_stage` 2 tunes it.

    Raises:
        ImportError: If transformers or timm is not installed.
        FileNotFoundError: If weights are not here.
        ValueError: If they are damaged.
    """
    return EarthGPTConfig(weights="tiny").open(0, device).eval()
