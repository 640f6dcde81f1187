r"""Adapters for several sensors: private bottlenecks, separate or fused (MFNet's MMAdapter, Ma et al. 2025).

As in :mod:`mfnet_lite.tuning.multimodal.lora`, sensors are stacked on a leading axis and every small weight
carries that axis too, so that one batched product serves all of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.inject import Injected
from mfnet_lite.tuning.multimodal.mixing import fuse_sensors, mixing_matrix
from mfnet_lite.tuning.multimodal.stacked import (
    FIRST_SHARE,
    ModalityMask,
    Stacked,
    check_counts,
    check_stacked,
    uniform_like_linear_,
    zero_fill,
)

__all__ = ["MMAdapter", "SensorAdapter"]

OFFICIAL_ZERO_INIT = False
"""``zero_init`` of the authors' code: PyTorch's usual values, which disturb the frozen network at first."""


class SensorAdapter(Injected):
    """A private adapter per sensor: up(GELU(down(x))), plus x if ``skip``.

    Args:
        channels: Width d of the tokens.
        sensors: Number of sensors.
        bottleneck: Hidden width; None for d / 4, as in the authors' code, at least 1.
        skip: Whether the input is added.
        zero_init: Start with a zero update, so that the frozen network is what it was; of the authors
            :data:`OFFICIAL_ZERO_INIT`.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        channels: int,
        sensors: int,
        bottleneck: int | None = None,
        skip: bool = False,
        zero_init: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        hidden = max(1, channels // 4) if bottleneck is None else bottleneck
        check_counts(channels=channels, sensors=sensors, bottleneck=hidden)
        self.skip = skip
        self.down_weight = nn.Parameter(torch.empty(sensors, hidden, channels))
        self.down_bias = nn.Parameter(torch.empty(sensors, hidden))
        self.up_weight = nn.Parameter(torch.zeros(sensors, channels, hidden))
        self.up_bias = nn.Parameter(torch.zeros(sensors, channels))
        uniform_like_linear_(self.down_weight, channels, generator)
        uniform_like_linear_(self.down_bias, channels, generator)
        if not zero_init:
            uniform_like_linear_(self.up_weight, hidden, generator)
            uniform_like_linear_(self.up_bias, hidden, generator)

    def computation(self) -> dict[str, Any]:
        """Return whether the input is added, for a delta's header."""
        return {"skip": self.skip}

    def forward(self, x: Stacked) -> Stacked:
        """Apply to each sensor its own adapter."""
        sensors, _ = check_stacked(x, len(self.down_weight))
        flat = x.reshape(sensors, -1, x.shape[-1])
        hidden = torch.baddbmm(self.down_bias[:, None], flat, self.down_weight.mT)
        out = torch.baddbmm(self.up_bias[:, None], F.gelu(hidden), self.up_weight.mT)
        out = out.view_as(x)
        return x + out if self.skip else out


class MMAdapter(Injected):
    """Adapters that exchange: each sensor gets a weighted sum of all sensors' bottlenecks.

    Args:
        channels: Width of the tokens.
        sensors: Number of sensors.
        bottleneck: Hidden width; None for a quarter.
        zero_init: Start with a zero update; of the authors :data:`OFFICIAL_ZERO_INIT`.
        mixing: False keeps the adapters separate.
        generator: Source of the initial weights.

    Example:
        >>> module = MMAdapter(8, sensors=2)
        >>> module(torch.randn(2, 5, 4, 4, 8)).abs().max()  # zero at the start
        tensor(0., grad_fn=<MaxBackward1>)
    """

    def __init__(
        self,
        channels: int,
        sensors: int,
        bottleneck: int | None = None,
        zero_init: bool = True,
        mixing: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.adapter = SensorAdapter(channels, sensors, bottleneck, False, zero_init, generator)
        self.mix = nn.Parameter(torch.full((sensors,), FIRST_SHARE)) if mixing else None

    def forward(self, x: Stacked, modality_mask: ModalityMask | None = None) -> Stacked:
        """Return the weighted sums, to be added to the frozen layer's output.

        Args:
            x: What the frozen layer reads.
            modality_mask: Which sensors each sample has; missing ones are read as zeros and give nothing to
                the others, whatever stands there.
        """
        check_stacked(x, len(self.adapter.down_weight))
        each: Tensor = self.adapter(zero_fill(x, modality_mask))
        if self.mix is None:
            return each
        return fuse_sensors(each, mixing_matrix(self.mix, modality_mask))
