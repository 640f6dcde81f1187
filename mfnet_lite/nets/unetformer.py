"""UNetFormer as published: a convolutional encoder of timm below the transformer decoder.

Wang et al., "UNetFormer", ISPRS Journal 190 (2022), arXiv 2109.08937: ResNet-18 and a decoder of 64
channels. SAM_RS (Ma et al. 2024, arXiv 2312.02464) trains this network with its two losses; MFNet has kept
the decoder and put SAM in the encoder's place. The auxiliary head is left out, as in both.

Sensors are stacked on the channel axis, as in the U-Net; timm's first convolution takes any number. From
pre-trained weights a band beyond the third starts with the weights of a colour, see
:func:`~mfnet_lite.nets.encoders.timm_weights.adapt_bands`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.config import NetworkConfig
from mfnet_lite.nets.decoders.unetformer_decoder import UNetFormerDecoder
from mfnet_lite.nets.encoders.packaged_weights import PACKAGED
from mfnet_lite.nets.encoders.timm_network import STRIDES, open_timm
from mfnet_lite.nets.encoders.timm_weights import input_statistics, timm_name
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
    backbone: str = field(
        default="",
        metadata={
            "help": "In place of --encoder, with weights and the normalisation they want: "
            "timm:tf_efficientnet_lite0 (from the extra pretrained), timm:NAME@FILE, or timm:NAME, "
            "whose weights are fetched."
        },
    )
    weights_follow: bool = field(
        default=False,
        metadata={"help": "Trained weights are loaded next; leave the encoder's.", "hidden": True},
    )

    def __post_init__(self) -> None:
        """Check that the encoder is named once."""
        super().__post_init__()
        if "@" in self.encoder:
            raise ValueError(
                f"the encoder {self.encoder} names a file; write backbone timm:{self.encoder} instead, which loads it"
            )
        if not self.backbone:
            return
        timm_name(self.backbone)
        if self.pretrained or self.encoder != UNetFormerConfig.encoder:
            raise ValueError(
                f"the backbone {self.backbone} names encoder and weights: leave out encoder and pretrained, got "
                f"{self.encoder} and {self.pretrained}"
            )

    def options(self) -> dict[str, Any]:
        """Return what a run writes down; the encoder is named once."""
        chosen = super().options()
        return {k: v for k, v in chosen.items() if not (self.backbone and k == "encoder")}

    def build(self, sensors: Mapping[str, int], num_classes: int) -> UNetFormer:
        """Build the network."""
        return UNetFormer(sensors, num_classes, **self.without())

    def with_weights(self) -> UNetFormerConfig:
        """Leave timm's weights where they are."""
        return replace(self, pretrained=False, weights_follow=bool(self.backbone))


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
        backbone: In place of ``encoder`` and ``pretrained``: ``"timm:NAME"`` or ``"timm:NAME@FILE"``, an
            encoder with its weights (:mod:`~mfnet_lite.nets.encoders.timm_weights`). Inputs are normalised as
            those weights want it; band i beyond the third as colour i modulo 3.
        weights_follow: Trained weights are loaded next, so those of the encoder are not.

    Shape:
        dict of ``(batch, channels, height, width)`` → ``(batch, num_classes, height, width)``, any
        height and width.

    Raises:
        ImportError: If timm is not installed.
        FileNotFoundError: If the weights of ``backbone`` are not on this machine and are not timm's to fetch.
        ConnectionError: If timm cannot fetch them.
        ValueError: If the encoder is unknown or has no maps at these strides, or the weights are those of
            another.

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
        backbone: str = UNetFormerConfig.backbone,
        weights_follow: bool = UNetFormerConfig.weights_follow,
    ) -> None:
        super().__init__()
        if not sensors or min(sensors.values()) < 1:
            raise ValueError(f"sensors must name at least one channel each, got {dict(sensors)}")
        self.sensors = dict(sensors)
        UNetFormerConfig(encoder, pretrained, backbone=backbone)  # checks them
        if pretrained and encoder in PACKAGED:
            raise ValueError(
                f"the weights of {encoder} come as a package and want inputs of their own scale; write backbone "
                f"timm:{encoder} instead of encoder and pretrained"
            )
        bands = sum(sensors.values())
        self.encoder, self.levels, channels = open_timm(
            timm_name(backbone) if backbone else encoder,
            (pretrained or bool(backbone)) and not weights_follow,
            "UNetFormer",
            in_chans=bands,
        )
        self.normalised = bool(backbone)
        self.mean: Tensor
        self.std: Tensor
        for key, value in zip(("mean", "std"), input_statistics(self.encoder, bands), strict=True):
            self.register_buffer(key, value, persistent=False)
        self.decoder = UNetFormerDecoder(channels, num_classes, width, window=window)

    def computation(self) -> dict[str, Any]:
        """Return what no tensor holds, for a delta's header: the order of the sensors, the normalisation."""
        found: dict[str, Any] = {"sensors": sensor_order(self.sensors)}
        if self.normalised:
            for key, value in (("mean", self.mean), ("std", self.std)):
                found[key] = [round(number, 6) for number in value.flatten().tolist()]
        return found

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch channels height width"]]
    ) -> Float[Tensor, "batch classes height width"]:
        """Return logits at input size; entries of ``sample`` that are no sensor are not read."""
        x = stack_sensors(sample, self.sensors, "UNetFormer", self)
        height, width = x.shape[-2:]
        if self.normalised:
            x = (x - self.mean) / self.std
        x = pad_to_multiple(x, STRIDES[-1])
        maps: Sequence[Tensor] = self.encoder(x)
        maps = [maps[level] for level in self.levels]
        logits: Tensor = self.decoder(maps, size=(x.shape[-2], x.shape[-1]))
        return logits[..., :height, :width]
