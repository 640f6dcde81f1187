"""A plain U-Net: the baseline that every larger model of the book has to beat.

Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015. An encoder halves the resolution ``depth`` times and doubles the channels, a decoder
goes back up, and at each level the encoder's map of the same size is put beside the decoder's::

    optical ┐                                            ┌ 1×1 → logits
    dsm     ┴ stack → [w] ───────────────────────► [w] ──┘
                        └ ½ [2w] ─────────► [2w] ┘
                              └ ½ [4w] → ┘

Sensors are stacked on the channel axis ("early fusion"): the simplest way to use a height map, and
a strong one, because every filter sees all sensors at once. What it cannot do is reuse a network
that was pre-trained on three bands; that is what the book is about.

Two departures from 2015. Convolutions are padded, so the output has the input's size. Batch
normalisation follows each convolution. Batch and not group normalisation, because at prediction
time it is a fixed per-channel scale: a pixel's output then depends on its receptive field only and
not on the rest of the window, so that overlapping windows of a large scene agree where they should.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.config import NetworkConfig
from mfnet_lite.nets.inputs import sensor_order, stack_sensors
from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.utils.memory import check_memory


@dataclass(frozen=True)
class UNetConfig(NetworkConfig):
    """Options of :class:`UNet`."""

    recorded = ("width", "depth")

    width: int = field(default=16, metadata={"help": "Channels of the first level."})
    depth: int = field(default=4, metadata={"help": "Halvings of the resolution."})

    def build(self, sensors: Mapping[str, int], num_classes: int) -> UNet:
        """Build the network."""
        widest = self.width * 2 ** min(self.depth, 64)
        check_memory(
            72.0 * widest**2,
            f"a U-Net with width {self.width} and depth {self.depth}",
            "choose smaller ones",
        )
        return UNet(sensors, num_classes, **self.without())


class ConvBlock(nn.Sequential):
    """Twice (3×3 convolution, batch norm, ReLU).

    Args:
        inputs: Channels in.
        outputs: Channels out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),  # the norm's shift is the bias
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """U-Net on one sensor, or on several stacked ones.

    Args:
        sensors: Number of channels of each sensor, by name, e.g. ``{"optical": 3, "dsm": 1}``. The
            order is the order of stacking.
        num_classes: Number of classes.
        width: Channels of the first level; they double at each level down.
        depth: Number of halvings; one pixel of the lowest level sees ``2**depth`` input pixels.

    Shape:
        dict of ``(batch, channels, height, width)`` → ``(batch, num_classes, height, width)``, any
        height and width.

    Example:
        >>> import torch
        >>> net = UNet({"optical": 3, "dsm": 1}, num_classes=6, width=4, depth=2).eval()
        >>> net({"optical": torch.zeros(1, 3, 33, 50), "dsm": torch.zeros(1, 1, 33, 50)}).shape
        torch.Size([1, 6, 33, 50])
    """

    def __init__(
        self,
        sensors: Mapping[str, int],
        num_classes: int,
        width: int = UNetConfig.width,
        depth: int = UNetConfig.depth,
    ) -> None:
        super().__init__()
        if not sensors or min(sensors.values()) < 1:
            raise ValueError(f"sensors must name at least one channel each, got {dict(sensors)}")
        if num_classes < 1 or width < 1 or depth < 1:
            raise ValueError(
                "num_classes, width and depth must be at least 1, "
                f"got {num_classes}, {width} and {depth}"
            )
        self.sensors = dict(sensors)
        self.multiple = 2**depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            ConvBlock(a, b) for a, b in zip([sum(sensors.values()), *widths], widths, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        above = list(reversed(widths[:-1]))
        below = list(reversed(widths[1:]))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in zip(above, below, strict=True)
        )
        self.merge = nn.ModuleList(ConvBlock(2 * a, a) for a in above)
        self.head = nn.Conv2d(width, num_classes, 1)

    def computation(self) -> dict[str, Any]:
        """Return the order of the sensors, which no tensor holds, for a delta's header."""
        return {"sensors": sensor_order(self.sensors)}

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch channels height width"]]
    ) -> Float[Tensor, "batch classes height width"]:
        """Return logits at input size; entries of ``sample`` that are no sensor are not read."""
        x = self.stack(sample)
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, self.multiple)
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], dim=1))
        logits: Tensor = self.head(x)
        return logits[..., :height, :width]

    def stack(
        self, sample: Mapping[str, Float[Tensor, "batch channels height width"]]
    ) -> Float[Tensor, "batch stacked height width"]:
        """Concatenate the sensors on the channel axis, after a check of their shapes."""
        return stack_sensors(sample, self.sensors, "U-Net", self)
