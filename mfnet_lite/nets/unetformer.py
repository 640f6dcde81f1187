"""UNetFormer as published: a convolutional encoder of timm below the transformer decoder.

Wang et al., "UNetFormer", ISPRS Journal 190 (2022), arXiv 2109.08937: ResNet-18 and a decoder of 64
channels. SAM_RS (Ma et al. 2024, arXiv 2312.02464) trains this network with its two losses; MFNet has kept
the decoder and put SAM in the encoder's place. The auxiliary head is left out, as in both.

Sensors are stacked on the channel axis, as in the U-Net; timm's first convolution takes any number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.config import NetworkConfig
from mfnet_lite.nets.decoders.unetformer_decoder import UNetFormerDecoder
from mfnet_lite.nets.encoders.timm_network import STRIDES, open_timm
from mfnet_lite.nets.inputs import sensor_order, stack_sensors
from mfnet_lite.nets.layers.padding import pad_to_multiple


@dataclass(frozen=True)
class UNetFormerConfig(NetworkConfig):
    """Options of :class:`UNetFormer`."""

    recorded = ("encoder",)

    encoder: str = field(default="resnet18", metadata={"help": "A convolutional network of timm."})
    pretrained: bool = field(default=False, metadata={"help": "Fetch timm's weights."})
    width: int = field(default=64, metadata={"help": "Channels of the decoder."})
    window: int = field(
        default=8, metadata={"help": "Side of the decoder's attention windows.", "hidden": True}
    )

    def build(self, sensors: Mapping[str, int], num_classes: int) -> UNetFormer:
        """Build the network."""
        return UNetFormer(sensors, num_classes, **self.without())

    def with_weights(self) -> UNetFormerConfig:
        """Leave timm's weights where they are."""
        return replace(self, pretrained=False)


class UNetFormer(nn.Module):
    """A trained encoder of timm and :class:`~mfnet_lite.nets.UNetFormerDecoder` on four of its maps.

    Args:
        sensors: Number of channels of each sensor, by name; the order is the order of stacking.
        num_classes: Number of classes.
        encoder: A convolutional network of timm with maps at strides 4, 8, 16 and 32, such as
            ``"resnet18"``; the authors' is ``"resnet18.fb_swsl_ig1b_ft_in1k"`` with ``pretrained``.
        pretrained: Fetch timm's weights. Inputs stay in [0, 1], as with the authors: the encoder is
            trained and its first layers adapt.
        width: Channels inside the decoder, a multiple of 8.
        window: Side of the decoder's attention windows.

    Shape:
        dict of ``(batch, channels, height, width)`` → ``(batch, num_classes, height, width)``, any
        height and width.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If the encoder is unknown or has no maps at these strides.

    Example:
        >>> import torch
        >>> net = UNetFormer({"optical": 3, "dsm": 1}, 6, encoder="test_resnet", width=16).eval()
        >>> net({"optical": torch.zeros(1, 3, 33, 50), "dsm": torch.zeros(1, 1, 33, 50)}).shape
        torch.Size([1, 6, 33, 50])
    """

    def __init__(
        self,
        sensors: Mapping[str, int],
        num_classes: int,
        encoder: str = UNetFormerConfig.encoder,
        pretrained: bool = UNetFormerConfig.pretrained,
        width: int = UNetFormerConfig.width,
        window: int = UNetFormerConfig.window,
    ) -> None:
        super().__init__()
        if not sensors or min(sensors.values()) < 1:
            raise ValueError(f"sensors must name at least one channel each, got {dict(sensors)}")
        self.sensors = dict(sensors)
        self.encoder, self.levels, channels = open_timm(
            encoder, pretrained, "UNetFormer", in_chans=sum(sensors.values())
        )
        self.decoder = UNetFormerDecoder(channels, num_classes, width, window=window)

    def computation(self) -> dict[str, Any]:
        """Return the order of the sensors, which no tensor holds, for a delta's header."""
        return {"sensors": sensor_order(self.sensors)}

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch channels height width"]]
    ) -> Float[Tensor, "batch classes height width"]:
        """Return logits at input size; entries of ``sample`` that are no sensor are not read."""
        x = stack_sensors(sample, self.sensors, "UNetFormer")
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, STRIDES[-1])
        maps: Sequence[Tensor] = self.encoder(x)
        maps = [maps[level] for level in self.levels]
        logits: Tensor = self.decoder(maps, size=(x.shape[-2], x.shape[-1]))
        return logits[..., :height, :width]
