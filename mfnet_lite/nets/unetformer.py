"""UNetFormer as published: a convolutional encoder of timm below the transformer decoder.

Wang et al., "UNetFormer", ISPRS Journal 190 (2022), arXiv 2109.08937: ResNet-18 and a decoder of 64
channels. SAM_RS (Ma et al. 2024, arXiv 2312.02464) trains this network with its two losses; MFNet has kept
the decoder and put SAM in the encoder's place. The auxiliary head is left out, as in both.

Sensors are stacked on the channel axis, as in the U-Net; timm's first convolution takes any number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.decoders.unetformer_decoder import UNetFormerDecoder
from mfnet_lite.nets.encoders.pyramids import STRIDES
from mfnet_lite.nets.inputs import sensor_order
from mfnet_lite.nets.unet import pad_to_multiple, stack_sensors


class UNetFormer(nn.Module):
    """A trained encoder of timm and :class:`~mfnet_lite.nets.UNetFormerDecoder` on four of its maps.

    Args:
        sensors: number of channels of each sensor, by name; the order is the order of stacking.
        num_classes: number of classes.
        encoder: a convolutional network of timm with maps at strides 4, 8, 16 and 32, such as
            ``"resnet18"``; the authors' is ``"resnet18.fb_swsl_ig1b_ft_in1k"`` with ``pretrained``.
        pretrained: fetch timm's weights. Inputs stay in [0, 1], as with the authors: the encoder is
            trained and its first layers adapt.
        width: channels inside the decoder, a multiple of 8.
        window: side of the decoder's attention windows.

    Shape:
        dict of ``(batch, channels, height, width)`` → ``(batch, num_classes, height, width)``, any
        height and width.

    Raises:
        ImportError: if timm is not installed.
        ValueError: if the encoder is unknown or has no maps at these strides.

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
        encoder: str = "resnet18",
        pretrained: bool = False,
        width: int = 64,
        window: int = 8,
    ) -> None:
        super().__init__()
        if not sensors or min(sensors.values()) < 1:
            raise ValueError(f"sensors must name at least one channel each, got {dict(sensors)}")
        self.sensors = dict(sensors)
        self.encoder, self.levels, channels = _encoder(encoder, pretrained, sum(sensors.values()))
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


def _encoder(
    name: str, pretrained: bool, bands: int
) -> tuple[nn.Module, tuple[int, ...], tuple[int, ...]]:
    """Build the encoder; say which of its maps are the four, finest first, and count their channels."""
    try:
        import timm
    except ImportError as error:
        raise ImportError("UNetFormer needs timm; install it with `pip install timm`") from error
    try:
        net = timm.create_model(name, pretrained=pretrained, features_only=True, in_chans=bands)
    except (RuntimeError, AttributeError) as error:  # unknown to timm, or not made for its maps
        raise ValueError(
            f"timm cannot build the encoder {name!r} ({error}); choose a convolutional network such "
            "as resnet18"
        ) from error
    info: Any = net.feature_info
    strides = list(info.reduction())
    missing = [stride for stride in STRIDES if stride not in strides]
    if missing:
        raise ValueError(
            f"the encoder {name} has maps at strides {strides}, but none at {missing}; choose "
            "another such as resnet18"
        )
    levels = tuple(strides.index(stride) for stride in STRIDES)
    channels = info.channels()
    return net, levels, tuple(channels[level] for level in levels)


def build_unetformer(
    sensors: Mapping[str, int],
    num_classes: int,
    encoder: str = "resnet18",
    pretrained: bool = False,
    width: int = 64,
    window: int = 8,
) -> UNetFormer:
    """Build UNetFormer, with the argument order all builders share."""
    return UNetFormer(sensors, num_classes, encoder, pretrained, width, window)
